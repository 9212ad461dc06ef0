#ifndef OPENMMJUMP_NETWORK_SAMPLING_JUMPINPUTS_H_
#define OPENMMJUMP_NETWORK_SAMPLING_JUMPINPUTS_H_

#include "openmmjump/network/graph/MoleculeBatch.h"
#include "openmmjump/network/sampling/NoiseSource.h"
#include "openmmjump/network/sampling/SamplerGuidance.h"

namespace JumpPlugin {

/**
 * All that a sampler is given for a jump. A family takes what it knows of; a new input is a new member here and no new
 * signature anywhere.
 */
struct JumpInputs {
    /** the molecules: elements, blocks, bonds with orders, stereocentres, and which molecule each atom is of */
    const MoleculeBatch& batch;
    /** (N, 3) the present conformations, in the length unit of the model */
    torch::Tensor x0;
    /** standard normal numbers */
    const NoiseSource& noise;
    /** steers the sampler's steps */
    SamplerGuidance guidance = {};
    /** how far the jump goes, in ps */
    double lagTime = 0;
    /** temperature of the jump in K: the integrator's, which may not be that of the training data */
    double temperature = 0;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SAMPLING_JUMPINPUTS_H_*/
