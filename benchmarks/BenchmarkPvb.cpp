// Times of a network call and of a jump, with a frozen network (small molecules on plain arrays) and with tensor
// operations. The two ways take turns, so their ratio holds on a busy machine, too.
#include <benchmark/benchmark.h>

#include <ATen/Parallel.h>

#include <functional>

#include "PvbCases.h"
#include "Timing.h"
#include "openmmjump/network/families/pvb/BridgeSampler.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/TimeGrid.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

/** A network twice, as it is and frozen, with a molecule. */
struct Case {
    std::shared_ptr<PvbNetwork> plain, frozen;
    std::vector<double> grid;
    MoleculeBatch batch;
    Tensor x;

    Case(const PvbConfig& config, const TensorMap& tensors, std::vector<double> grid, int64_t atoms,
         int64_t replicas = 1) :
        plain(std::make_shared<PvbNetwork>(config, tensors)), frozen(std::make_shared<PvbNetwork>(config, tensors)),
        grid(std::move(grid)), batch(makeChain(atoms).repeat(replicas)), x(2 * randomNormal({atoms * replicas, 3}, 1)) {
        frozen->freeze();
    }
};

/** The shipped model. */
Case makeShipped(int64_t atoms, int64_t replicas) {
    const ModelFile file = ModelFile::read(JUMP_MODEL_DIR "/alanine-dipeptide.safetensors");
    const PvbConfig config = PvbConfig::fromValues(file.getMetadata().settings);
    return Case(config, loadTensors(file, torch::kFloat32), makeDenseGrid(20), atoms, replicas);
}

/** The published sizes with another number of channels; fresh weights. */
Case makePublished(int64_t atoms, int64_t hiddenDim) {
    PvbConfig config;
    config.hiddenDim = hiddenDim;
    config.ffnDim = 2 * hiddenDim;
    return Case(config, PvbNetwork::initialize(config, 1), makeUniformGrid(10), atoms);
}

/** Time both ways in turn: the reported time is the frozen network's. */
void compare(benchmark::State& state, const std::function<void(bool)>& action) {
    std::vector<double> frozen, plain;
    for (auto _ : state) {
        frozen.push_back(secondsOf([&] { action(true); }));
        plain.push_back(secondsOf([&] { action(false); }));
        state.SetIterationTime(frozen.back());
    }
    state.counters["frozen_ms"] = 1e3 * median(frozen);
    state.counters["tensors_ms"] = 1e3 * median(plain);
    state.counters["ratio"] = median(plain) / median(frozen);
}

template <Case (*makeCase)(int64_t, int64_t)>
void call(benchmark::State& state) {
    at::set_num_threads(1);
    c10::InferenceMode inference;
    const Case test = makeCase(state.range(0), state.range(1));
    auto prepare = [&](const PvbNetwork& network) { return network.prepare(test.batch, test.x); };
    auto plain = prepare(*test.plain), frozen = prepare(*test.frozen);
    const Tensor t = torch::full({}, 0.4, test.plain->options());
    compare(state, [&](bool fast) {
        benchmark::DoNotOptimize((fast ? test.frozen : test.plain)->drift(*(fast ? frozen : plain), t, test.x));
    });
}

template <Case (*makeCase)(int64_t, int64_t)>
void jump(benchmark::State& state) {
    at::set_num_threads(1);
    const Case test = makeCase(state.range(0), state.range(1));
    const BridgeSampler plain(test.plain, test.grid), frozen(test.frozen, test.grid);
    uint64_t number = 0;
    compare(state, [&](bool fast) {
        benchmark::DoNotOptimize(
            (fast ? frozen : plain).sample({test.batch, test.x, CounterNoise(1, number++ / 2, 0)}));
    });
}

} // namespace

BENCHMARK(call<makeShipped>)
    ->ArgNames({"atoms", "replicas"})
    ->Args({10, 1})
    ->Args({10, 32})
    ->Args({30, 1})
    ->Args({90, 1})
    ->UseManualTime();
BENCHMARK(jump<makeShipped>)->ArgNames({"atoms", "replicas"})->Args({10, 1})->UseManualTime();
BENCHMARK(call<makePublished>)->ArgNames({"atoms", "channels"})->Args({10, 256})->Args({60, 256})->UseManualTime();
BENCHMARK(jump<makePublished>)->ArgNames({"atoms", "channels"})->Args({10, 256})->UseManualTime();
