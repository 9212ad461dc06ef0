#include "openmmjump/network/model/ModelTensors.h"

#include <cstring>

#include "openmmjump/network/files/FileError.h"

namespace JumpPlugin {

namespace {

torch::ScalarType getScalarType(StoredType type) {
    switch (type) {
    case StoredType::BOOL:
        return torch::kBool;
    case StoredType::U8:
        return torch::kUInt8;
    case StoredType::I8:
        return torch::kInt8;
    case StoredType::I16:
        return torch::kInt16;
    case StoredType::U16:
        return torch::kUInt16;
    case StoredType::F16:
        return torch::kFloat16;
    case StoredType::BF16:
        return torch::kBFloat16;
    case StoredType::I32:
        return torch::kInt32;
    case StoredType::U32:
        return torch::kUInt32;
    case StoredType::F32:
        return torch::kFloat32;
    case StoredType::F64:
        return torch::kFloat64;
    case StoredType::I64:
        return torch::kInt64;
    case StoredType::U64:
        return torch::kUInt64;
    }
    throw std::logic_error("a type of stored tensors has no LibTorch counterpart");
}

torch::Tensor loadTensor(const StoredTensor& stored) {
    // A bool byte other than 0 and 1 is undefined behaviour in C++, so booleans come in as numbers.
    const bool isBool = stored.type == StoredType::BOOL;
    torch::Tensor tensor = torch::empty(stored.shape, isBool ? torch::kUInt8 : getScalarType(stored.type));
    // A copy, because the data in the file need not be aligned.
    if (!stored.data.empty())
        std::memcpy(tensor.data_ptr(), stored.data.data(), stored.data.size());
    return isBool ? tensor.ne(0) : tensor;
}

} // namespace

TensorMap loadTensors(const SafetensorsFile& file) {
    TensorMap result;
    for (const auto& [name, stored] : file.getTensors())
        result.emplace(name, loadTensor(stored));
    return result;
}

TensorMap loadTensors(const ModelFile& file, torch::ScalarType type) {
    TensorMap result = loadTensors(file.getFile());
    for (auto& [name, tensor] : result) {
        if (!tensor.is_floating_point())
            continue;
        tensor = tensor.to(type);
        if (!torch::isfinite(tensor).all().item<bool>())
            throw FileError(file.getFile().getName(),
                            "tensor " + FileError::quote(name) + " holds a number that is not finite");
    }
    return result;
}

} // namespace JumpPlugin
