#ifndef OPENMMJUMP_NETWORK_MIXTURECONFIG_H_
#define OPENMMJUMP_NETWORK_MIXTURECONFIG_H_

#include <cstdint>
#include <string>

#include "openmmjump/network/ModelMetadata.h"

namespace JumpPlugin {

/** The sizes of a MixtureSampler: what `architecture` says in a model file of the family "gaussian-mixture". */
struct MixtureConfig {
    int64_t numAtoms = 0;      ///< N
    int64_t numComponents = 0; ///< K
    double memory = 0;         ///< a, from 0 (proposals are independent of the present) to 1 (a random walk)
};

/**
 * Read the architecture of a model file.
 *
 * @param file  name of the file, for error messages
 * @throws FileError one sentence naming the file and the fault
 */
MixtureConfig readMixtureConfig(const ModelMetadata& metadata, const std::string& file);

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_MIXTURECONFIG_H_
