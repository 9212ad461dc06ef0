// Sampling in the way of a GPU: checked here without one.
#include "openmmjump/network/families/pvb/BridgeSampler.h"

#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include <limits>
#include <set>

#include "PvbCases.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/SamplerRunner.h"
#include "openmmjump/network/sampling/TensorNoise.h"
#include "openmmjump/network/sampling/TimeGrid.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

TensorNoise makeNoise(int64_t steps, int64_t atoms, uint64_t seed) {
    return TensorNoise(randomNormal({atoms, 3}, seed), randomNormal({steps, atoms, 3}, seed + 1));
}

/** The noise of all steps as one tensor, and as the sampler takes it. */
Tensor drawAll(const NoiseSource& source, int64_t steps, int64_t atoms) {
    std::vector<Tensor> draws;
    for (int64_t step = 0; step <= steps; step++)
        draws.push_back(source.draw(step, {atoms, 3}, torch::kFloat64));
    return torch::stack(draws);
}

TensorNoise sliceNoise(const Tensor& noise) {
    return TensorNoise(noise[0], noise.narrow(0, 1, noise.size(0) - 1));
}

// The device "meta" has tensors of a shape and without numbers. LibTorch knows the shapes of some results in Python
// alone: of those that a network needs they are given here.

Tensor selectShape(const Tensor& self, int64_t axis, const Tensor& index) {
    auto shape = self.sizes().vec();
    shape.at(axis) = index.numel();
    return torch::empty(shape, self.options());
}

std::tuple<Tensor, Tensor, Tensor> layerNormShape(const Tensor& input, c10::SymIntArrayRef,
                                                  const std::optional<Tensor>&, const std::optional<Tensor>&, double) {
    Tensor mean = torch::empty({input.size(0), 1}, input.options());
    return {torch::empty_like(input), mean, mean};
}

Tensor& putShape(Tensor& self, const c10::List<std::optional<Tensor>>&, const Tensor&, bool, bool) {
    return self;
}

Tensor& absShape(const Tensor& self, Tensor& out) {
    out.resize_(self.sizes());
    return out;
}

Tensor deviationShape(const Tensor& self, at::OptionalIntArrayRef axes, const std::optional<at::Scalar>&, bool keep) {
    return torch::sum(self, axes, keep);
}

TORCH_LIBRARY_IMPL(aten, Meta, library) {
    library.impl("abs.out", absShape);
    library.impl("std.correction", deviationShape);
    library.impl("index_select", selectShape);
    library.impl("native_layer_norm", layerNormShape);
    library.impl("_index_put_impl_", putShape);
}

/** The network on the device "meta". */
std::shared_ptr<PvbNetwork> toMeta(const PvbNetwork& network) {
    TensorMap tensors;
    for (const auto& [name, tensor] : network.getTensors())
        tensors[name] = tensor.to(torch::kMeta);
    return std::make_shared<PvbNetwork>(network.getConfig(), tensors);
}

/** As a recorded jump is replayed: from buffers of its own into a buffer of its own. */
class BufferedRunner : public SamplerRunner {
public:
    Tensor run(const Function& sampler, const Tensor& x0, const Tensor& noise) override {
        const Tensor x0Buffer = x0.clone(), noiseBuffer = noise.clone();
        sampler(x0Buffer, noiseBuffer); // the one that is recorded
        return sampler(x0Buffer, noiseBuffer).clone();
    }
};

/** Collects, while it exists, the operations that would make the host wait for a GPU, or copy to it. */
class HostAccessWatch {
public:
    HostAccessWatch() {
        found.clear();
        handle = at::addThreadLocalCallback(
            at::RecordFunctionCallback(observe).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
    }
    ~HostAccessWatch() { at::removeCallback(handle); }
    static const std::set<std::string>& getFound() { return found; }

private:
    static std::unique_ptr<at::ObserverContext> observe(const at::RecordFunction& operation) {
        const std::string name = operation.name();
        bool refused = std::set<std::string>{"aten::item",    "aten::_local_scalar_dense",
                                             "aten::nonzero", "aten::masked_select",
                                             "aten::equal",   "aten::is_nonzero",
                                             "aten::unique",  "aten::repeat_interleave"}
                           .count(name) > 0;
        // Arithmetic takes a number of the host as an argument of the kernel; these would copy it to the device.
        const bool copies = std::set<std::string>{"aten::to",         "aten::_to_copy", "aten::copy_", "aten::where",
                                                  "aten::index_put_", "aten::cat",      "aten::stack"}
                                .count(name) > 0;
        for (const c10::IValue& input : operation.inputs())
            if (input.isTensor() && input.toTensor().defined() && input.toTensor().is_cpu())
                refused = refused || copies || input.toTensor().dim() > 0;
        if (refused)
            found.insert(name);
        return nullptr;
    }
    static inline std::set<std::string> found;
    at::CallbackHandle handle;
};

} // namespace

// What other devices compute, forced on the CPU.
TEST(DeviceSampling, EdgesGiveWhatPairsGive) {
    for (torch::ScalarType type : {torch::kFloat64, torch::kFloat32})
        for (const auto& [name, batch, k] : allGraphCases()) {
            const auto pairs = narrowNetwork(type, true, false, k), edges = narrowNetwork(type, false, false, k);
            edges->freeze();
            const std::vector<double> grid = makeDenseGrid(4);
            const int64_t n = batch.getNumAtoms();
            const Tensor x0 = 2 * randomNormal({n, 3}, 1);
            const TensorNoise noise = makeNoise(4, n, 2);
            expectClose(BridgeSampler(edges, grid).sample({batch, x0, noise}),
                        BridgeSampler(pairs, grid).sample({batch, x0, noise}), type == torch::kFloat64 ? 1e-10 : 1e-5,
                        name);
        }
}

// On a device without numbers nothing can be looked at: what runs there never waits for a GPU either, and all its
// shapes are known beforehand. After the first jump nothing is copied there any more.
TEST(DeviceSampling, TheHostDoesNotTakePartOnADevice) {
    PvbConfig config;
    config.order = 2;
    config.stepNoise = PvbConfig::StepNoise::Bridge;
    config.reference = PvbConfig::Reference::Vectors;
    for (const auto& head : {PvbConfig::Head::Drift, PvbConfig::Head::Scaled})
        for (const auto& [name, batch, k] : allGraphCases()) {
            config.head = head;
            auto network = toMeta(*smallNetwork(config, k));
            network->freeze();
            const BridgeSampler sampler(network, makeDenseGrid(5));
            const int64_t n = batch.getNumAtoms();
            const auto options = network->options();
            const Tensor x0 = torch::zeros({n, 3}, options), noise = torch::zeros({6, n, 3}, options);
            sampler.sample({batch, x0, sliceNoise(noise)});
            const HostAccessWatch watch;
            Tensor y = sampler.sample({batch, x0, sliceNoise(noise)});
            EXPECT_EQ(HostAccessWatch::getFound(), std::set<std::string>()) << name;
            EXPECT_TRUE(y.is_meta());
            EXPECT_EQ(y.sizes(), x0.sizes());
        }
}

// The test above can fail.
TEST(DeviceSampling, TheWatchSeesTheHost) {
    const HostAccessWatch watch;
    torch::ones({2}).to(torch::kMeta);
    torch::ones({}).item<float>();
    EXPECT_EQ(HostAccessWatch::getFound().count("aten::to") + HostAccessWatch::getFound().count("aten::item"), 2u);
    EXPECT_ANY_THROW(torch::zeros({2}, torch::kMeta) + torch::zeros({2}));
    EXPECT_ANY_THROW(torch::zeros({}, torch::kMeta).item<float>());
}

TEST(DeviceSampling, PositionsThatAreNotFiniteAreNoErrorOnADevice) {
    for (const auto& [name, batch, k] : allGraphCases())
        for (const double value : {std::nan(""), std::numeric_limits<double>::infinity()}) {
            auto network = smallNetwork({}, k);
            network->setFused(false);
            const int64_t n = batch.getNumAtoms();
            Tensor x0 = 2 * randomNormal({n, 3}, 1);
            x0[0][1] = value;
            Tensor y = BridgeSampler(network, {0, 0.5, 1}).sample({batch, x0, makeNoise(2, n, 2)});
            EXPECT_FALSE(torch::isfinite(y[0]).all().item<bool>()) << name;
        }
}

TEST(DeviceSampling, ARunnerMayUseBuffersAndRunItTwice) {
    auto network = smallNetwork({}, 5);
    const MoleculeBatch batch = makeChain(12, 4);
    const Tensor x0 = 2 * randomNormal({12, 3}, 1);
    const CounterNoise noise(5, 6, 7);
    const BridgeSampler sampler(network, makeDenseGrid(4));
    const SamplerRunner::Function function = [&](const Tensor& x, const Tensor& numbers) {
        return sampler.sample({batch, x, sliceNoise(numbers)});
    };
    const Tensor stepwise = sampler.sample({batch, x0, noise}), all = drawAll(noise, 4, 12);
    EXPECT_TRUE(SamplerRunner().run(function, x0, all).equal(stepwise));
    EXPECT_TRUE(BufferedRunner().run(function, x0, all).equal(stepwise));
}
