#ifndef OPENMMJUMP_NETWORK_MODEL_MODELLOADER_H_
#define OPENMMJUMP_NETWORK_MODEL_MODELLOADER_H_

#include "openmmjump/network/EnergyModel.h"
#include "openmmjump/network/model/ModelFile.h"
#include "openmmjump/network/sampling/Sampler.h"
#include <memory>
#include <vector>

namespace JumpPlugin {

/**
 * Make the sampler that a model file describes, whatever its family.
 *
 * @param file      the model
 * @param timeGrid  times of the sampler's steps, 0 to 1
 * @param options   device, and type (torch::kFloat32 or torch::kFloat64) where the family leaves a choice
 * @throws FileError if the file does not hold the tensors it promises, std::invalid_argument if the grid does not fit
 */
std::unique_ptr<Sampler> loadSampler(const ModelFile& file, const std::vector<double>& timeGrid,
                                     const torch::TensorOptions& options);
/**
 * Make the energies and forces that a model file describes.
 *
 * @throws FileError if its family has none, or it does not hold the tensors it promises
 */
std::unique_ptr<EnergyModel> loadEnergyModel(const ModelFile& file, const torch::TensorOptions& options);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_MODEL_MODELLOADER_H_*/
