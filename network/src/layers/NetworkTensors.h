#ifndef OPENMMJUMP_NETWORK_NETWORKTENSORS_H_
#define OPENMMJUMP_NETWORK_NETWORKTENSORS_H_

#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/graph/MoleculeBatch.h"
#include <functional>
#include <string>
#include <vector>

namespace JumpPlugin {

// What the networks of all families do with their tensors. Errors are std::invalid_argument and begin with the family.

/** Lists weight and bias of a linear map. */
void listLinear(std::vector<NamedShape>& list, const std::string& name, int64_t outputs, int64_t inputs);
/** Keep a value under a name in a trace, if there is one; for tests. */
void record(TensorMap* trace, const std::string& name, const torch::Tensor& value);

/** A shape for a message, as "(2, 3)". */
std::string shapeText(at::IntArrayRef shape);
bool endsWith(const std::string& text, const std::string& end);

/**
 * Check that every tensor of `required` is there, that these and those of `optional` have the right shapes and all the
 * same floating point type and device, and that there are no others.
 */
void checkTensors(const std::string& family, const TensorMap& tensors, const std::vector<NamedShape>& required,
                  const std::vector<NamedShape>& optional = {});
/**
 * Fresh float32 tensors: embeddings N(0, 1), weights Xavier uniform (heads: Xavier normal), norms 1, biases 0, and
 * radial functions over exp(-d) from 0 to the cutoff.
 *
 * @param cutoff  in A
 * @param rbfDim  number of radial functions
 * @param isHead  whether a weight is one of a head
 */
TensorMap initializeTensors(const std::vector<NamedShape>& shapes, double cutoff, int64_t rbfDim, uint64_t seed,
                            const std::function<bool(const std::string& name)>& isHead);
/** Check that positions are (N, 3) for the atoms of a batch. */
void checkPositions(const std::string& family, const MoleculeBatch& batch, const torch::Tensor& positions,
                    const std::string& name);
/** Check that a time is a single number or one for each molecule of a batch. */
void checkTime(const std::string& family, const MoleculeBatch& batch, const torch::Tensor& time);

/**
 * Reorder the rows of a projection from (head, part, channel) to (part, head, channel): the published layout keeps the
 * three parts inside each head.
 */
torch::Tensor partsFirst(const torch::Tensor& rows, int64_t heads);
/** Lengths of vectors (N, 3, H) -> (N, H), with the gradient 0 where the length is 0. */
torch::Tensor lengths(const torch::Tensor& vectors);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_NETWORKTENSORS_H_*/
