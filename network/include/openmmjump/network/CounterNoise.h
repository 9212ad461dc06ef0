#ifndef OPENMMJUMP_NETWORK_COUNTERNOISE_H_
#define OPENMMJUMP_NETWORK_COUNTERNOISE_H_

#include "openmmjump/network/NoiseSource.h"
#include "openmmjump/network/NoiseStream.h"
#include <vector>

namespace JumpPlugin {

/**
 * Counter-based noise: a function of seed, jump number, attempt, sampler step, atom and component, the same on every
 * platform and for every batch size. No state has to be saved for an exact restart.
 *
 * The counter of Philox is (atom, 65536 attempt + step, jump number low, jump number high), its key the seed; the
 * components x, y, z are the first three of the four normal numbers.
 */
class CounterNoise : public NoiseSource {
public:
    using Stream = NoiseStream;
    /**
     * @param streams  one for each replica; the atoms of a batch are the replicas' atoms, one replica after the other
     * @throws std::invalid_argument if there is no stream or an attempt is above 65535
     */
    explicit CounterNoise(std::vector<Stream> streams);
    CounterNoise(uint64_t seed, uint64_t jump, uint32_t attempt) : CounterNoise({Stream{seed, jump, attempt}}) {}
    /** @throws std::invalid_argument if step is not between 0 and 65535 or the atoms can't be shared out among the
     * replicas */
    torch::Tensor draw(int64_t step, int64_t numAtoms, const torch::TensorOptions& options) const override;

private:
    std::vector<Stream> streams;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_COUNTERNOISE_H_*/
