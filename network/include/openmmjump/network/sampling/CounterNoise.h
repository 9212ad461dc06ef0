#ifndef OPENMMJUMP_NETWORK_COUNTERNOISE_H_
#define OPENMMJUMP_NETWORK_COUNTERNOISE_H_

#include "openmmjump/network/sampling/NoiseSource.h"
#include "openmmjump/network/sampling/NoiseStreams.h"
#include <vector>

namespace JumpPlugin {

/**
 * Counter-based noise: a function of seed, jump number, attempt, sampler step, atom and component, the same on every
 * platform and for every batch size. No state has to be saved for an exact restart. The counters are those of
 * NoiseStreams; the components x, y, z are the first three of Philox' four normal numbers.
 */
class CounterNoise : public NoiseSource {
public:
    /**
     * @param streams  one for each replica; the atoms of a batch are the replicas' atoms, one replica after the other
     * @throws std::invalid_argument if there is no stream or an attempt is above NoiseStreams::MaxAttempt
     */
    explicit CounterNoise(std::vector<NoiseStream> streams);
    CounterNoise(uint64_t seed, uint64_t jump, uint32_t attempt) : CounterNoise({NoiseStream{seed, jump, attempt}}) {}
    /** @throws std::invalid_argument if step is not between 0 and NoiseStreams::MaxStep, or the atoms can't be shared
     * out among the replicas or have too many components */
    torch::Tensor draw(int64_t step, at::IntArrayRef shape, const torch::TensorOptions& options) const override;

private:
    std::vector<NoiseStream> streams;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_COUNTERNOISE_H_*/
