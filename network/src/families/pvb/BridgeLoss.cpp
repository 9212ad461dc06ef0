#include "openmmjump/network/families/pvb/BridgeLoss.h"
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

Tensor requirePerAtom(const Tensor& tensor, const PvbNetwork& network, const MoleculeBatch& batch, const char* name) {
    if (!tensor.defined() || tensor.dim() != 2 || tensor.size(0) != batch.getNumAtoms() || tensor.size(1) != 3)
        throw std::invalid_argument(std::string("BridgeLoss: ") + name + " must have the shape (" +
                                    std::to_string(batch.getNumAtoms()) + ", 3).");
    return tensor.to(network.options());
}

/**
 * Which atoms count, and how much: the mean over the masked atoms plus that over the ligand's.
 */
class AtomWeights {
public:
    AtomWeights(const PvbNetwork& network, const MoleculeBatch& batch, const Tensor& mask) {
        if (mask.defined()) {
            if (mask.dim() != 1 || mask.size(0) != batch.getNumAtoms())
                throw std::invalid_argument("BridgeLoss: mask must hold one number for each atom.");
            selected = mask.to(network.options()).unsqueeze(1);
        }
        if (batch.hasLigand())
            ligand = batch.getEdgeMask().to(network.options()).unsqueeze(1);
    }
    /** Mean over the components of the masked atoms, plus that of the ligand atoms. */
    Tensor mean(const Tensor& values) const {
        Tensor result =
            selected.defined() ? (values * selected).sum() / (values.size(1) * selected.sum()) : values.mean();
        if (ligand.defined())
            result = result + (values * ligand).sum() / (values.size(1) * ligand.sum());
        return result;
    }
    /** Sum over the masked atoms divided by their number. */
    Tensor sumForEachAtom(const Tensor& values) const {
        return selected.defined() ? (values * selected).sum() / selected.sum() : values.sum() / values.size(0);
    }

private:
    Tensor selected, ligand;
};

} // namespace

BridgeLoss::Parts BridgeLoss::compute(const PvbNetwork& network, const MoleculeBatch& batch, const Inputs& inputs,
                                      const Options& options) {
    const PvbConfig& config = network.getConfig();
    Tensor x0 = requirePerAtom(inputs.x0, network, batch, "x0"), x1 = requirePerAtom(inputs.x1, network, batch, "x1");
    Tensor encoderNoise = requirePerAtom(inputs.encoderNoise, network, batch, "encoder_noise");
    Tensor z = requirePerAtom(inputs.bridgeNoise, network, batch, "bridge_noise");
    if (inputs.augmentation.defined())
        x0 = x0 + requirePerAtom(inputs.augmentation, network, batch, "augmentation");
    AtomWeights weights(network, batch, inputs.mask);

    Tensor logVariance = network.logVariance(batch, x0);
    Tensor y0 = x0 + torch::exp(logVariance / 2) * encoderNoise;
    Tensor t = inputs.t.to(network.options());
    Tensor time =
        t.numel() == 1 ? t.reshape({1, 1}) : t.index_select(0, batch.getMolecule().to(t.device())).unsqueeze(1);
    Tensor width = torch::sqrt(time * (1 - time)), clipped = torch::clamp_min(width, 0.1);
    Tensor direction = x1 - y0;
    Tensor yt = y0 + time * direction + config.sigma * width * z;
    PvbNetwork::Fields fields = network.fields(*network.prepare(batch, y0), t, yt);

    Parts parts;
    Tensor velocity = direction + (0.5 - time) * (config.sigma / clipped) * z;
    parts.velocity = fields.velocity.defined() ? weights.mean((fields.velocity - velocity).square())
                                               : torch::zeros({}, network.options());
    if (config.head == PvbConfig::Head::Endpoint) {
        Tensor weight = torch::clamp_max(1 / (1 - time), options.endpointWeightCap);
        parts.drift = weights.mean(weight * (fields.drift - (x1 - yt)).square());
    } else if (config.head ==
               PvbConfig::Head::Scaled) // 1 - t > 0 in training; the clamp only guards the rounding of t = 1
        parts.drift = weights.mean((fields.drift - (x1 - yt) / torch::sqrt(torch::clamp_min(1 - time, 1e-6))).square());
    else
        parts.drift = weights.mean((fields.drift - (velocity - 0.5 * (config.sigma / clipped) * z)).square());
    if (config.encoder == PvbConfig::Encoder::Learned) {
        const double p = config.coordPriorVar;
        parts.kl = weights.sumForEachAtom(-0.5 * (1 + logVariance - std::log(p) - torch::exp(logVariance) / p));
    } else
        parts.kl = torch::zeros({}, network.options());
    parts.loss =
        options.klWeight * parts.kl + options.bridgeWeight * (options.velocityWeight * parts.velocity + parts.drift);
    return parts;
}
