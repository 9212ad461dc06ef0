#ifndef OPENMMJUMP_NETWORK_BRIDGESAMPLER_H_
#define OPENMMJUMP_NETWORK_BRIDGESAMPLER_H_

#include "openmmjump/network/PvbNetwork.h"
#include "openmmjump/network/Sampler.h"
#include <memory>
#include <vector>

namespace JumpPlugin {

/**
 * Proposes the conformation one lag time later with a PVB network (specification, section 5): Y0 is drawn around x0
 * with the encoder's variance, then the bridge SDE runs from t = 0 to 1,
 *
 *     Y_t' = Y_t + drift(t, Y0, Y_t) (t' - t) + s z,
 *
 * where s is sigma sqrt(t' - t), 0 in the last step, or the noise of a Brownian bridge (PvbConfig::StepNoise). Any time
 * grid will do. Positions are in Angstrom.
 *
 * At order 2 (PvbConfig::order) the end point E = Y_t + (1 - t) drift that each step aims at is extrapolated linearly
 * from the step before, in lambda = ln(t / (1 - t)) / 2, half the logarithm of the bridge's signal-to-noise ratio (the
 * multistep rule of DPM-Solver++, arXiv 2211.01095, section 4, for a bridge):
 *
 *     E' = E + (lambda(t') - lambda(t)) / (2 (lambda(t) - lambda(t_before))) (E - E_before)
 *     Y_t' = Y_t + (t' - t) / (1 - t) (E' - Y_t) + s z.
 *
 * The first two steps and the last one are of order 1. It costs no further network calls.
 */
class BridgeSampler : public Sampler {
public:
    enum class Dynamics {
        /** the drift with noise */
        Sde,
        /** the velocity without noise */
        Ode
    };

    /**
     * @param network   the network
     * @param timeGrid  rising times, the first 0 and the last 1; empty means the published ten equal steps
     * @throws std::invalid_argument for a grid that does not rise from 0 to 1
     */
    explicit BridgeSampler(std::shared_ptr<const PvbNetwork> network, std::vector<double> timeGrid = {},
                           Dynamics dynamics = Dynamics::Sde);

    /** n equal steps, the published grid. */
    static std::vector<double> uniformGrid(int64_t steps);
    /** n steps that are dense at both ends: t = (1 - (1 - u)^2)^2 at n equal steps of u. */
    static std::vector<double> denseGrid(int64_t steps);

    const std::shared_ptr<const PvbNetwork>& getNetwork() const { return network; }
    const std::vector<double>& getTimeGrid() const { return timeGrid; }
    torch::TensorOptions options() const override { return network->options(); }
    /** One for the starting point, one for each step. */
    int64_t getNumDraws() const override { return getNumSteps() + 1; }
    int64_t getNumSteps() const { return static_cast<int64_t>(timeGrid.size()) - 1; }

    torch::Tensor sample(const MoleculeBatch& batch, const torch::Tensor& x0, const NoiseSource& noise,
                         const Guidance& guidance = {}) const override;
    /**
     * As sample(), but return the point of the bridge at every time of the grid, (steps + 1, N, 3).
     */
    torch::Tensor sampleStates(const MoleculeBatch& batch, const torch::Tensor& x0, const NoiseSource& noise,
                               const Guidance& guidance = {}) const;
    /**
     * The starting point of a bridge: x0 + exp(logvar / 2) z, (N, 3).
     */
    torch::Tensor drawStart(const MoleculeBatch& batch, const torch::Tensor& x0, const NoiseSource& noise) const;
    /**
     * Deviation in A of the noise that the step leaving the given point of the grid adds.
     */
    double getNoiseScale(int64_t step) const;
    double getVarianceRate(double t) const override;

private:
    double getExtrapolation(int64_t step) const;
    torch::Tensor run(const MoleculeBatch& batch, const torch::Tensor& x0, const NoiseSource& noise,
                      const Guidance& guidance, std::vector<torch::Tensor>* states) const;

    std::shared_ptr<const PvbNetwork> network;
    std::vector<double> timeGrid;
    Dynamics dynamics;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_BRIDGESAMPLER_H_*/
