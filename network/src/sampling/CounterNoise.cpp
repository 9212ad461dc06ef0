#include "openmmjump/network/sampling/CounterNoise.h"
#include <algorithm>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

void require(bool condition, const std::string& sentence) {
    if (!condition)
        throw std::invalid_argument("CounterNoise: " + sentence);
}

/** The normal numbers of one atom, three from each counter. */
void fill(double* values, int64_t count, int64_t atom, int64_t step, const NoiseStream& stream) {
    const uint32_t number = NoiseStreams::sampler(stream.attempt, uint32_t(step));
    for (int64_t first = 0; first < count; first += 3) {
        const uint32_t item = uint32_t(atom) + uint32_t(first / 3) * NoiseStreams::MaxAtoms;
        const auto normal =
            Philox::normals(NoiseStreams::counter(item, number, stream.jump), NoiseStreams::key(stream.seed));
        std::copy_n(normal.begin(), std::min<int64_t>(3, count - first), values + first);
    }
}

} // namespace

CounterNoise::CounterNoise(std::vector<NoiseStream> streams) : streams(std::move(streams)) {
    require(!this->streams.empty(), "at least one stream is needed.");
    for (const NoiseStream& stream : this->streams)
        require(stream.attempt <= NoiseStreams::MaxAttempt, "attempt " + std::to_string(stream.attempt) + " is above " +
                                                                std::to_string(NoiseStreams::MaxAttempt) + ".");
}

Tensor CounterNoise::draw(int64_t step, at::IntArrayRef shape, const torch::TensorOptions& options) const {
    require(!shape.empty(), "the shape of noise must begin with the number of atoms.");
    const int64_t replicas = static_cast<int64_t>(streams.size()), numAtoms = shape[0], atoms = numAtoms / replicas;
    Tensor noise = torch::empty(shape, torch::kFloat64);
    const int64_t count = numAtoms == 0 ? 0 : noise.numel() / numAtoms;
    require(step >= 0 && step <= NoiseStreams::MaxStep,
            "sampler step " + std::to_string(step) + " is not between 0 and 65535.");
    require(numAtoms % replicas == 0, std::to_string(numAtoms) + " atoms can't be shared out evenly among " +
                                          std::to_string(replicas) + " replicas.");
    require(count <= 3 * int64_t(NoiseStreams::MaxTriples) && atoms <= NoiseStreams::MaxAtoms,
            std::to_string(atoms) + " atoms with " + std::to_string(count) + " numbers each are too many.");
    double* value = noise.data_ptr<double>();
    for (const NoiseStream& stream : streams)
        for (int64_t atom = 0; atom < atoms; atom++, value += count)
            fill(value, count, atom, step, stream);
    return noise.to(options);
}
