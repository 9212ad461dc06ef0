/**
 * A whole family of models in one file, outside the library: what docs/dev/add-a-family.md walks through.
 *
 * Each atom relaxes towards the centre of its molecule (an Ornstein-Uhlenbeck process), so that the conformation one
 * lag time later is known:
 *
 *     x1 = c + a (x0 - c) + s sqrt(1 - a^2) z,    a = exp(-lag / tau).
 *
 * The relaxation time tau and the spread s are learned. Any lag can be asked for.
 */
#include "openmmjump/network/ConfiguredFamily.h"
#include <cmath>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

/** The settings, each declared once. */
struct ToyConfig {
    double initialTime = 10, initialSpread = 1;

    static const ConfigSettings<ToyConfig>& getSettings() {
        static const auto settings = ConfigSettings<ToyConfig>("Toy")
                                         .number("initial_time", &ToyConfig::initialTime, SettingLimits::positive(),
                                                 "relaxation time in ps before training")
                                         .number("initial_spread", &ToyConfig::initialSpread, SettingLimits::positive(),
                                                 "deviation in A around the centre before training")
                                         .optional();
        return settings;
    }
    static ToyConfig fromValues(const SettingValues& values) { return getSettings().fromValues(values); }
    SettingValues toValues() const { return getSettings().toValues(*this); }
};

/** Centres of the molecules, one row for each atom, (N, 3). */
Tensor findCenters(const MoleculeBatch& batch, const Tensor& x) {
    const Tensor molecule = batch.getAtoms(x.device()).molecule;
    const Tensor ones = torch::ones({x.size(0), 1}, x.options()),
                 zeros = torch::zeros({batch.getNumMolecules(), 1}, x.options());
    const Tensor sums = zeros.expand({-1, 3}).index_add(0, molecule, x);
    return (sums / zeros.index_add(0, molecule, ones)).index_select(0, molecule);
}

/** Mean and deviation of x1. */
struct Step {
    Tensor mean, deviation;

    Step(const TensorMap& tensors, const MoleculeBatch& batch, const Tensor& x0, double lagTime) {
        const Tensor memory = torch::exp(-lagTime / torch::exp(tensors.at("log_time")));
        const Tensor center = findCenters(batch, x0);
        mean = center + memory * (x0 - center);
        deviation = torch::exp(tensors.at("log_spread")) * torch::sqrt(1 - memory * memory);
    }
};

class ToySampler : public Sampler {
public:
    explicit ToySampler(const TensorMap& tensors) : tensors(tensors) {}
    torch::TensorOptions options() const override { return tensors.at("log_time").options().requires_grad(false); }
    int64_t getNumDraws() const override { return 1; }
    Tensor sample(const JumpInputs& inputs) const override {
        const torch::NoGradGuard noGrad;
        if (inputs.guidance.force)
            throw std::invalid_argument("ToySampler: it takes no steps in which it could be guided.");
        const Step step(tensors, inputs.batch, inputs.x0.to(options()), inputs.lagTime);
        return step.mean + step.deviation * inputs.noise.draw(0, step.mean.sizes(), options());
    }

private:
    TensorMap tensors;
};

class ToyFamily : public ConfiguredFamily<ToyConfig> {
public:
    std::string getName() const override { return "toy"; }
    Traits getTraits() const override {
        Traits traits;
        traits.samplerType = "relaxation";
        traits.hasTimeGrid = false;
        traits.takesLagTime = true;
        return traits;
    }
    SettingValues getSmallSettings() const override { return ToyConfig().toValues(); }
    std::vector<NamedShape> listTensors(const SettingValues&) const override {
        return {{"log_time", {}}, {"log_spread", {}}};
    }
    TensorMap initialize(const SettingValues& settings, uint64_t) const override {
        const ToyConfig config = ToyConfig::fromValues(settings);
        return {{"log_time", torch::full({}, std::log(config.initialTime), torch::kFloat32)},
                {"log_spread", torch::full({}, std::log(config.initialSpread), torch::kFloat32)}};
    }
    std::unique_ptr<Sampler> makeSampler(const SettingValues& settings, const TensorMap& tensors,
                                         const std::vector<double>&) const override {
        for (const auto& [name, shape] : listTensors(settings))
            if (tensors.count(name) == 0 || tensors.at(name).dim() != 0)
                throw std::invalid_argument("Toy: the tensor " + name + " must be there, a single number.");
        return std::make_unique<ToySampler>(tensors);
    }
};

/** Registers the family when the library is loaded. */
const bool registered = [] {
    static const ToyFamily family;
    ModelFamily::add(family);
    return true;
}();

} // namespace

// The part for Python: what training needs beside the sampler, from the same formulas.
#ifdef TORCH_EXTENSION_NAME
#include <pybind11/stl.h>
#include <torch/extension.h>

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
    pybind11::module::import("openmmjump._network"); // MoleculeBatch
    module.def(
        "log_likelihood",
        [](const TensorMap& tensors, const MoleculeBatch& atoms, const Tensor& x0, const Tensor& x1, double lagTime) {
            const Step step(tensors, atoms, x0, lagTime);
            const Tensor z = (x1 - step.mean) / step.deviation;
            return (-0.5 * z.square() - torch::log(step.deviation) - 0.5 * std::log(2 * M_PI)).sum();
        },
        pybind11::arg("tensors"), pybind11::arg("atoms"), pybind11::arg("x0"), pybind11::arg("x1"),
        pybind11::arg("lag_time"), "ln q(x1 | x0) of all atoms, a single number that can be differentiated.");
}
#endif
