#ifndef OPENMMJUMP_NETWORK_SAMPLERFACTORY_H_
#define OPENMMJUMP_NETWORK_SAMPLERFACTORY_H_

#include "openmmjump/network/ModelFile.h"
#include "openmmjump/network/Sampler.h"
#include <memory>
#include <vector>

namespace JumpPlugin {

/**
 * Make the sampler that a model file describes, whatever its family.
 *
 * @param file      the model
 * @param timeGrid  times of the sampler's steps, 0 to 1
 * @param options   device, and type (torch::kFloat32 or torch::kFloat64) where the family leaves a choice
 * @throws FileError, std::invalid_argument if the file does not hold the tensors it promises, or the grid does not fit
 */
std::unique_ptr<Sampler> makeSampler(const ModelFile& file, const std::vector<double>& timeGrid,
                                     const torch::TensorOptions& options);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SAMPLERFACTORY_H_*/
