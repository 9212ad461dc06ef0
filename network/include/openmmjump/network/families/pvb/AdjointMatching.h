#ifndef OPENMMJUMP_NETWORK_ADJOINTMATCHING_H_
#define OPENMMJUMP_NETWORK_ADJOINTMATCHING_H_

#include "openmmjump/network/families/pvb/PvbNetwork.h"
#include <vector>

namespace JumpPlugin {

/**
 * The parts of adjoint matching (docs/theory/pvb.md, equations 25 and 26; the lean adjoint of arXiv 2409.08861 on PVB's
 * bridge).
 */
class AdjointMatching {
public:
    /**
     * Root mean square deviation of each molecule from a reference after the best superposition by a proper rotation
     * (Kabsch), in A, (M). Differentiable with respect to x.
     *
     * @param x, reference  (N, 3) in A
     */
    static torch::Tensor rmsd(const MoleculeBatch& batch, const torch::Tensor& x, const torch::Tensor& reference);
    /**
     * Vector-Jacobian product of the drift: (d drift(t, Y0, Y) / d Y)^T a, (N, 3).
     */
    static torch::Tensor driftVjp(const PvbNetwork& network, const PvbNetwork::Context& context, double t,
                                  const torch::Tensor& y, const torch::Tensor& a);
    /**
     * The lean adjoint, from the end of a trajectory back to step m: a_n = gradient of the cost, a_{i-1} = a_i + (t_i -
     * t_{i-1}) (d drift(t_i, Y0, X_i) / dX)^T a_i.
     *
     * @param reference  the frozen network
     * @param states     (n + 1, N, 3) points of a trajectory; the first is Y0
     * @param timeGrid   the n + 1 times of the states
     * @param gradient   (N, 3) gradient of the cost at the last state
     * @param lastStep   m
     * @return (n - m + 1, N, 3): a_n, a_{n-1}, ..., a_m
     */
    static torch::Tensor leanAdjoint(const PvbNetwork& reference, const MoleculeBatch& batch,
                                     const torch::Tensor& states, const std::vector<double>& timeGrid,
                                     const torch::Tensor& gradient, int64_t lastStep);
    /**
     * Mean square of drift_opt - (drift_ref - rewardWeight a) at one point of a trajectory, a single number. Published:
     * rewardWeight 100, and a loss above 10 replaced with 10.
     *
     * @param mask  (N) 1 for the atoms that count, or undefined for all
     */
    static torch::Tensor loss(const PvbNetwork& optimized, const PvbNetwork& reference, const MoleculeBatch& batch,
                              const torch::Tensor& y0, double t, const torch::Tensor& y, const torch::Tensor& adjoint,
                              double rewardWeight, const torch::Tensor& mask = {});
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_ADJOINTMATCHING_H_*/
