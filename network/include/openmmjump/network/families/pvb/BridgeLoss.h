#ifndef OPENMMJUMP_NETWORK_BRIDGELOSS_H_
#define OPENMMJUMP_NETWORK_BRIDGELOSS_H_

#include "openmmjump/network/families/pvb/PvbNetwork.h"

namespace JumpPlugin {

/**
 * The training loss of PVB (docs/theory/pvb.md, equations 20 to 24). A bridge from Y0, drawn around x0, to Y1 = x1 is
 *
 *     Y_t = Y0 + t (Y1 - Y0) + g z,                            g = sigma sqrt(t (1 - t))
 *     velocity = Y1 - Y0 + (0.5 - t) sigma^2 / gs z,           gs = sigma max(sqrt(t (1 - t)), 0.1)
 *     drift    = velocity - 0.5 sigma^2 / gs z
 *     KL   = -0.5 sum(1 + lv - ln p - exp(lv) / p) / atoms,    p = coord_prior_var
 *     loss = klWeight KL + bridgeWeight (velocityWeight MSE_velocity + MSE_drift)
 *
 * MSE is the mean over the masked atoms and their components, plus, if there are ligand atoms, the same over all of
 * those. A network that predicts the end point has, instead of MSE_drift, the MSE of the displacement Y1 - Y_t with the
 * weight min(1 / (1 - t), endpointWeightCap); one that predicts the scaled displacement has the MSE of (Y1 - Y_t) /
 * sqrt(1 - t).
 */
class BridgeLoss {
public:
    struct Options {
        double klWeight = 0.8;
        double bridgeWeight = 1.0;
        double velocityWeight = 1.0;
        double endpointWeightCap = 20.0;
    };
    /** All are single numbers. */
    struct Parts {
        torch::Tensor loss, kl, velocity, drift;
    };
    struct Inputs {
        /** (N, 3) the conformation now and one lag time later, in A */
        torch::Tensor x0, x1;
        /** one number between 0 and 1, or (M), one for each molecule */
        torch::Tensor t;
        /** (N, 3) standard normal numbers of the encoder's draw and of the bridge */
        torch::Tensor encoderNoise, bridgeNoise;
        /** (N, 3) displacement in A added to x0 (published: 0.2 A times normal numbers), or undefined */
        torch::Tensor augmentation;
        /** (N) 1 for the atoms that count, or undefined for all */
        torch::Tensor mask;
    };

    static Parts compute(const PvbNetwork& network, const MoleculeBatch& batch, const Inputs& inputs,
                         const Options& options);
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_BRIDGELOSS_H_*/
