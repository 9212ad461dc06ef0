#ifndef OPENMMJUMP_NETWORK_PVBCONFIGREADER_H_
#define OPENMMJUMP_NETWORK_PVBCONFIGREADER_H_

#include <string>

#include "openmmjump/network/ModelMetadata.h"
#include "openmmjump/network/PvbConfig.h"

namespace JumpPlugin {

/**
 * The settings of a PVB network from a model's metadata: sizes from `architecture`, the step noise from `sampler`.
 *
 * @param file  name of the file, for error messages
 * @throws FileError naming a key that is missing, unknown or holds a value that makes no sense
 */
PvbConfig readPvbConfig(const ModelMetadata& metadata, const std::string& file);

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_PVBCONFIGREADER_H_
