#include "openmmjump/network/UniSimLoader.h"
#include "FileTensors.h"
#include "openmmjump/network/UniSimConfigReader.h"

namespace JumpPlugin {

std::shared_ptr<UniSimNetwork> loadUniSim(const ModelFile& file, const torch::TensorOptions& options) {
    const std::string& family = file.getMetadata().family;
    if (family != "unisim")
        throw FileError(file.getFile().getName(), "its family is '" + family + "', not 'unisim'");
    const UniSimConfig config = readUniSimConfig(file.getMetadata(), file.getFile().getName());
    const auto type = torch::typeMetaToScalarType(options.dtype());
    const auto network = blameFile(
        file, [&] { return std::make_shared<UniSimNetwork>(config, loadTensorsTo(file, type, options.device())); });
    network->freeze();
    return network;
}

} // namespace JumpPlugin
