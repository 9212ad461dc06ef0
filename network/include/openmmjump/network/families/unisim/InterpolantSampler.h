#ifndef OPENMMJUMP_NETWORK_INTERPOLANTSAMPLER_H_
#define OPENMMJUMP_NETWORK_INTERPOLANTSAMPLER_H_

#include "openmmjump/network/families/unisim/UniSimNetwork.h"
#include "openmmjump/network/sampling/GridSampler.h"
#include <memory>
#include <vector>

namespace JumpPlugin {

/**
 * Proposes the conformation one lag time later with a UniSim network (docs/theory/unisim.md, equation 22): the SDE of
 * the stochastic interpolant runs from X_0, the present conformation, at t = 0 to t = 1,
 *
 *     X_t' = X_t + drift(t, X_t) (t' - t) + sigma sqrt(t' - t) z,
 *     drift = v - t sigma^2 eta / gamma_c,        gamma_c = sigma max(sqrt(t (1 - t)), gammaClip),
 *
 * without noise in the last step. v is the network's velocity over velScale and eta its denoiser. Where gamma is not
 * clipped X_t + (1 - t) drift = X_t + (1 - t) v - gamma eta is the expected end point, so that the noise of a Brownian
 * bridge and steps of order 2 (UniSimConfig) hold here too. Positions are in Angstrom.
 *
 * With a guidance kernel and a strength above 0 the drift loses guidanceStrength F_t / guidanceScale
 * (docs/theory/unisim.md, equation 23). A guidance callback is added to the drift as it is.
 *
 * A jump that runs away, to where there is no RadiusGraph, gives NaN for all atoms of the batch and no error: it is for
 * the caller to reject, as any other conformation that makes no sense.
 *
 * The noise moves the centre of mass, as published: it diffuses by sigma / sqrt(number of atoms) in a jump. Whether
 * that stays is said by the model file, see ModelMetadata::preservesCenterOfMass.
 */
class InterpolantSampler : public GridSampler {
public:
    /** Published number of steps, all equal. */
    static constexpr int64_t PublishedSteps = 15;
    /** Atoms that are evaluated at once unless setMaxAtoms() says otherwise: some GB in single precision. */
    static constexpr int64_t DefaultMaxAtoms = 20000;

    /**
     * @param network   the network
     * @param timeGrid  rising times, the first 0 and the last 1; empty means PublishedSteps equal steps
     * @throws std::invalid_argument for a network without vector heads, or a grid that does not rise from 0 to 1
     */
    explicit InterpolantSampler(std::shared_ptr<const UniSimNetwork> network, std::vector<double> timeGrid = {});

    const std::shared_ptr<const UniSimNetwork>& getNetwork() const { return network; }
    torch::TensorOptions options() const override { return network->options(); }
    /** Number 0 is not used: there is no starting point to draw. */
    int64_t getNumDraws() const override { return getNumSteps(); }
    /**
     * Above how many atoms the network is evaluated in tiles, which bounds its memory; see UniSimNetwork::evaluate().
     *
     * @param atoms  0 for no limit
     * @throws std::invalid_argument for a negative number
     */
    void setMaxAtoms(int64_t atoms);

    /**
     * The drift in A, (N, 3), the learned guidance included.
     *
     * @param t  between 0 and 1
     * @param y  (N, 3) point of the interpolant in A
     */
    torch::Tensor drift(const MoleculeBatch& batch, double t, const torch::Tensor& y) const;

private:
    Jump begin(const JumpInputs& inputs) const override;

    std::shared_ptr<const UniSimNetwork> network;
    int64_t maxAtoms = DefaultMaxAtoms;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_INTERPOLANTSAMPLER_H_*/
