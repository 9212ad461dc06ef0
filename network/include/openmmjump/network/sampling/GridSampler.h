#ifndef OPENMMJUMP_NETWORK_GRIDSAMPLER_H_
#define OPENMMJUMP_NETWORK_GRIDSAMPLER_H_

#include "openmmjump/network/sampling/Sampler.h"
#include "openmmjump/network/sampling/StepNoise.h"
#include <string>
#include <vector>

namespace JumpPlugin {

/**
 * Integrates the SDE of a bridge from t = 0, the present conformation or a point beside it, to t = 1, the conformation
 * one lag time later, along a grid of times:
 *
 *     Y_t' = Y_t + drift(t, Y_t) (t' - t) + s z,
 *
 * where s is sigma sqrt(t' - t), 0 in the last step, or the noise of a Brownian bridge (StepNoise). Any time grid will
 * do. Positions are in Angstrom.
 *
 * The drift aims at the expected end point E = Y_t + (1 - t) drift. At order 2 it is extrapolated linearly from the
 * step before, in lambda = ln(t / (1 - t)) / 2, half the logarithm of the bridge's signal-to-noise ratio (the multistep
 * rule of DPM-Solver++, arXiv 2211.01095, section 4, for a bridge):
 *
 *     E' = E + (lambda(t') - lambda(t)) / (2 (lambda(t) - lambda(t_before))) (E - E_before)
 *     Y_t' = Y_t + (t' - t) / (1 - t) (E' - Y_t) + s z.
 *
 * The first two steps and the last one are of order 1. It costs no further network calls. What guidance adds to the
 * drift is left out of the extrapolation, so that its strength does not depend on the order.
 */
class GridSampler : public Sampler {
public:
    const std::vector<double>& getTimeGrid() const { return timeGrid; }
    int64_t getNumSteps() const { return static_cast<int64_t>(timeGrid.size()) - 1; }

    torch::Tensor sample(const JumpInputs& inputs) const override;
    /**
     * As sample(), but return the point Y_t at every time of the grid, (steps + 1, N, 3).
     */
    torch::Tensor sampleStates(const JumpInputs& inputs) const;
    /**
     * Deviation in A of the noise that the step leaving the given point of the grid adds.
     */
    double getNoiseScale(int64_t step) const;
    double getVarianceRate(double t) const override;

protected:
    /** One jump: where it starts, (N, 3), and its drift in A, (N, 3), which is undefined where the jump is lost. */
    struct Jump {
        torch::Tensor start;
        std::function<torch::Tensor(double t, const torch::Tensor& y)> drift;
    };

    /**
     * @param name      what the sampler is called, for messages
     * @param timeGrid  rising times, the first 0 and the last 1
     * @param sigma     diffusion coefficient in A; 0 for an ODE
     * @param order     1 or 2
     * @throws std::invalid_argument for a grid that does not rise from 0 to 1
     */
    GridSampler(const std::string& name, std::vector<double> timeGrid, double sigma, StepNoise stepNoise,
                int64_t order);

private:
    /**
     * Begin a jump. All its positions become NaN where the drift is undefined, and no guidance is asked any more.
     * Gradients of the drift with respect to y can be had outside inference mode.
     */
    virtual Jump begin(const JumpInputs& inputs) const = 0;
    double getRelativeVariance(int64_t step) const;
    /** The drift of a step, undefined where the jump is lost, and what guidance adds to it, undefined if nothing. */
    struct Push {
        torch::Tensor drift, guidance;
    };
    Push push(const Jump& jump, double t, const torch::Tensor& y, const Guidance& guidance) const;
    Push pushAtEndPoint(const Jump& jump, double t, const torch::Tensor& y, const Guidance& guidance) const;
    double getExtrapolation(int64_t step) const;
    torch::Tensor run(const JumpInputs& inputs, std::vector<torch::Tensor>* states) const;

    std::vector<double> timeGrid;
    double sigma;
    StepNoise stepNoise;
    int64_t order;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_GRIDSAMPLER_H_*/
