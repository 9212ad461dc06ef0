// Times of a call of UniSim's vector heads with the published sizes, by fused operations and by compositions of plain
// ones, and of its graph. The ways take turns, so their ratios hold on a busy machine, too.
#include <benchmark/benchmark.h>

#include <ATen/Parallel.h>

#include "Timing.h"
#include "UniSimCases.h"
#include "openmmjump/network/families/unisim/RadiusGraph.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

std::shared_ptr<UniSimNetwork> makePublished(bool fused) {
    auto network = std::make_shared<UniSimNetwork>(UniSimConfig(), UniSimNetwork::initialize(UniSimConfig(), 1));
    network->setFused(fused);
    network->freeze();
    return network;
}

void unisimCall(benchmark::State& state) {
    const c10::InferenceMode inference;
    at::set_num_threads(1);
    const auto fused = makePublished(true), plain = makePublished(false);
    const UniSimConfig config;
    const MoleculeBatch batch = makeMixedAtoms(state.range(0));
    const Tensor x = randomPositions(state.range(0), 1).to(torch::kFloat32), t = torch::full({}, 0.5);
    std::vector<double> fusedTimes, plainTimes, graphTimes;
    for (auto _ : state) {
        fusedTimes.push_back(secondsOf([&] { fused->fields(batch, t, x); }));
        plainTimes.push_back(secondsOf([&] { plain->fields(batch, t, x); }));
        graphTimes.push_back(secondsOf(
            [&] { RadiusGraph::build(batch, x, {config.cutoff, config.hydrogenCutoff, config.interNeighbors}); }));
        state.SetIterationTime(fusedTimes.back());
    }
    state.counters["fused_ms"] = 1e3 * median(fusedTimes);
    state.counters["plain_ms"] = 1e3 * median(plainTimes);
    state.counters["graph_ms"] = 1e3 * median(graphTimes);
    state.counters["plain_over_fused"] = median(plainTimes) / median(fusedTimes);
}

BENCHMARK(unisimCall)->Arg(22)->Arg(300)->Arg(2000)->UseManualTime()->Unit(benchmark::kMillisecond);

} // namespace
