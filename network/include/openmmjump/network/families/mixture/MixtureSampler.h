#ifndef OPENMMJUMP_NETWORK_MIXTURESAMPLER_H_
#define OPENMMJUMP_NETWORK_MIXTURESAMPLER_H_

#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/families/mixture/MixtureConfig.h"
#include "openmmjump/network/sampling/Sampler.h"

namespace JumpPlugin {

/**
 * A transfer operator whose density is known: a mixture of K Gaussians over all 3N coordinates, each an autoregressive
 * process with the same memory a,
 *
 *     q(x1 | x0) = sum_k w_k N(x1; m_k + a (x0 - m_k), L_k L_k^T).
 *
 * With a = 0 proposals are independent of where the molecule is, with a = 1 it takes a random walk. The frame is that
 * of space, so the density is that of a molecule in an external potential or, with a = 1, of any. It is there to prove
 * what needs a density, and to try it on problems with a known answer.
 *
 * Tensors, in the length unit of the model: `weights` (K), `means` (K, N, 3), `cholesky` (K, 3N, 3N), lower triangles
 * L_k with a positive diagonal. Everything is done in double precision. Each molecule of a batch is drawn by itself.
 */
class MixtureSampler : public Sampler {
public:
    /**
     * @param config   the sizes
     * @param tensors  see above; floating point, on one device
     * @throws std::invalid_argument for a tensor that is missing, superfluous or of a wrong shape, for weights that are
     *         negative or all zero, and for a diagonal that is not positive
     */
    MixtureSampler(const MixtureConfig& config, const TensorMap& tensors);

    torch::TensorOptions options() const override { return means.options(); }
    int64_t getNumDraws() const override { return 2; }
    torch::Tensor sample(const JumpInputs& inputs) const override;
    bool dependsOnPosition() const override { return true; }
    bool hasDensity() const override { return true; }
    double computeLogDensity(const JumpInputs& inputs, const torch::Tensor& x1) const override;

private:
    void checkBatch(const MoleculeBatch& batch) const;
    torch::Tensor drift(const torch::Tensor& x0) const;

    MixtureConfig config;
    torch::Tensor cumulative; // (K) sums of the normalised weights
    torch::Tensor logNorms;   // (K) ln of weight over normalisation
    torch::Tensor means;      // (K, 3N)
    torch::Tensor cholesky;   // (K, 3N, 3N)
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_MIXTURESAMPLER_H_*/
