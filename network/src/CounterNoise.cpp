#include "openmmjump/network/CounterNoise.h"
#include "openmmjump/network/Philox.h"
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

CounterNoise::CounterNoise(std::vector<Stream> streams) : streams(std::move(streams)) {
    if (this->streams.empty())
        throw std::invalid_argument("CounterNoise: at least one stream is needed.");
    for (const Stream& stream : this->streams)
        if (stream.attempt > 65535)
            throw std::invalid_argument("CounterNoise: attempt " + std::to_string(stream.attempt) + " is above 65535.");
}

Tensor CounterNoise::draw(int64_t step, int64_t numAtoms, const torch::TensorOptions& options) const {
    const int64_t replicas = static_cast<int64_t>(streams.size());
    if (step < 0 || step > 65535)
        throw std::invalid_argument("CounterNoise: sampler step " + std::to_string(step) +
                                    " is not between 0 and 65535.");
    if (numAtoms % replicas != 0)
        throw std::invalid_argument("CounterNoise: " + std::to_string(numAtoms) +
                                    " atoms can't be shared out evenly among " + std::to_string(replicas) +
                                    " replicas.");
    const int64_t atoms = numAtoms / replicas;
    Tensor noise = torch::empty({numAtoms, 3}, torch::kFloat64);
    double* value = noise.data_ptr<double>();
    for (const Stream& stream : streams) {
        const Philox::Key key = {uint32_t(stream.seed), uint32_t(stream.seed >> 32)};
        for (int64_t atom = 0; atom < atoms; atom++, value += 3) {
            auto normal = Philox::normals({uint32_t(atom), stream.attempt << 16 | uint32_t(step), uint32_t(stream.jump),
                                           uint32_t(stream.jump >> 32)},
                                          key);
            for (int component = 0; component < 3; component++)
                value[component] = normal[component];
        }
    }
    return noise.to(options);
}
