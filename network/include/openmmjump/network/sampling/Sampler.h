#ifndef OPENMMJUMP_NETWORK_SAMPLER_H_
#define OPENMMJUMP_NETWORK_SAMPLER_H_

#include "openmmjump/network/sampling/JumpInputs.h"
#include <vector>

namespace JumpPlugin {

/**
 * Draws the conformation one lag time later from a transfer operator q(x1 | x0). Positions are in the length unit of
 * the model.
 */
class Sampler {
public:
    using Guidance = SamplerGuidance;

    virtual ~Sampler() = default;
    /** Type and device of the positions it works with. */
    virtual torch::TensorOptions options() const = 0;
    /** How many draws of noise a sample takes: they are numbered from 0. */
    virtual int64_t getNumDraws() const = 0;
    /** Shape of each draw of noise for N atoms. */
    virtual std::vector<int64_t> getNoiseShape(int64_t numAtoms) const { return {numAtoms, 3}; }
    /**
     * Draw the next conformation of all molecules of a batch. No gradient is recorded.
     *
     * @return (N, 3)
     * @throws std::invalid_argument if a guidance with a force is given to a sampler that takes no steps
     */
    virtual torch::Tensor sample(const JumpInputs& inputs) const = 0;
    /**
     * Variance per unit of time, in the squared length unit of the model, of the noise that the step beginning at t
     * adds; 0 for a step without noise. A guidance of this times the gradient of ln w tilts the step's Gaussian by w.
     */
    virtual double getVarianceRate(double) const { return 0; }
    /** Whether it matters where in space the molecule is; if not, it is best given in centred coordinates. */
    virtual bool dependsOnPosition() const { return false; }
    /** Whether computeLogDensity() can be asked. */
    virtual bool hasDensity() const { return false; }
    /**
     * How probable it is that a conformation follows the present one.
     *
     * @param inputs  of the jump; noise and guidance do not matter
     * @param x1      (N, 3) the next conformations, in the length unit of the model
     * @return ln q(x1 | x0)
     * @throws std::logic_error if the density of this sampler cannot be computed
     */
    virtual double computeLogDensity(const JumpInputs& inputs, const torch::Tensor& x1) const;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SAMPLER_H_*/
