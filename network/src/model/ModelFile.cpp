#include "openmmjump/network/model/ModelFile.h"

#include <algorithm>
#include <utility>

#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/FileError.h"

using std::string;

namespace JumpPlugin {

namespace {

string findMetadata(const SafetensorsFile& file) {
    const auto found = file.getMetadata().find(ModelFile::metadataKey);
    if (found == file.getMetadata().end())
        throw FileError(file.getName(), "it has no metadata entry 'openmmjump', so it is not a model of OpenMM-Jump");
    return found->second;
}

} // namespace

ModelFile ModelFile::read(const string& path) {
    return ModelFile(SafetensorsFile::read(path));
}

ModelFile ModelFile::fromBytes(string bytes, const string& name) {
    return ModelFile(SafetensorsFile::fromBytes(std::move(bytes), name));
}

ModelFile ModelFile::fromParts(const ModelMetadata& metadata, const SafetensorsFile::Tensors& tensors) {
    return ModelFile(SafetensorsFile::fromTensors(tensors, {{metadataKey, metadata.toJson()}}, metadata.name));
}

ModelFile::ModelFile(SafetensorsFile content) :
    file(std::move(content)), text(findMetadata(file)), metadata(ModelMetadata::fromJson(text, file.getName())),
    family(&metadata.getFamily()) {
    if (file.getTensors().empty())
        throw FileError(file.getName(), "it holds no tensors");
}

std::int64_t ModelFile::getNumParameters() const {
    std::int64_t count = 0;
    for (const auto& [name, tensor] : getTensors())
        if (isFloatingPoint(tensor.type))
            count += tensor.getNumElements();
    return count;
}

bool ModelFile::knowsAtom(int atomicNumber, int blockType) const {
    if (!family->knowsAtom(atomicNumber, blockType))
        return false;
    if (!metadata.vocabulary)
        return true;
    return std::binary_search(metadata.vocabulary->begin(), metadata.vocabulary->end(),
                              std::make_pair(atomicNumber, blockType));
}

} // namespace JumpPlugin
