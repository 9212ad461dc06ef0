#ifndef OPENMMJUMP_PROPOSERSETTINGS_H_
#define OPENMMJUMP_PROPOSERSETTINGS_H_

#include "openmmjump/JumpModel.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/SamplerSettings.h"

namespace JumpPlugin {

/** All that a Proposer is made of. */
struct ProposerSettings {
    JumpModel model;         ///< the transfer operator
    MolecularGraph graph;    ///< what it sees of the System
    SamplerSettings sampler; ///< how its network runs
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_PROPOSERSETTINGS_H_
