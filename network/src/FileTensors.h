#ifndef OPENMMJUMP_NETWORK_FILETENSORS_H_
#define OPENMMJUMP_NETWORK_FILETENSORS_H_

#include "openmmjump/network/FileError.h"
#include "openmmjump/network/ModelFile.h"
#include "openmmjump/network/ModelTensors.h"
#include <stdexcept>

namespace JumpPlugin {

/** The tensors of a file in one type on one device. */
inline TensorMap loadTensorsTo(const ModelFile& file, torch::ScalarType type, torch::Device device) {
    TensorMap tensors = loadTensors(file, type);
    for (auto& [name, tensor] : tensors)
        tensor = tensor.to(device);
    return tensors;
}

/** Make what needs the tensors of a file; tensors that do not fit are the file's fault. */
template <class Maker>
auto blameFile(const ModelFile& file, const Maker& make) {
    try {
        return make();
    } catch (const std::invalid_argument& error) {
        throw FileError(file.getFile().getName(), error.what());
    }
}

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_FILETENSORS_H_*/
