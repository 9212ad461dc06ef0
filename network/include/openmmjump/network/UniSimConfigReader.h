#ifndef OPENMMJUMP_NETWORK_UNISIMCONFIGREADER_H_
#define OPENMMJUMP_NETWORK_UNISIMCONFIGREADER_H_

#include "openmmjump/network/ModelMetadata.h"
#include "openmmjump/network/UniSimConfig.h"

namespace JumpPlugin {

/**
 * The settings of a UniSim network from a model file: `architecture`, and the temperature. See docs/model-format.md.
 *
 * @param file  name of the file, for error messages
 * @throws FileError one sentence naming the file and the fault
 */
UniSimConfig readUniSimConfig(const ModelMetadata& metadata, const std::string& file);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_UNISIMCONFIGREADER_H_*/
