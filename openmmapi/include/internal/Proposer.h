#ifndef OPENMMJUMP_PROPOSER_H_
#define OPENMMJUMP_PROPOSER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "internal/windowsExportJump.h"
#include "openmm/Vec3.h"

namespace JumpPlugin {

class JumpIntegrator;

/**
 * Runs the network of a JumpIntegrator: the one place where OpenMM's positions become tensors and back. No torch type
 * shows here, so that kernels need not be compiled against LibTorch.
 */
class OPENMM_EXPORT_JUMP Proposer {
public:
    /**
     * Load the network that the integrator's model, graph and settings describe.
     *
     * @throws OpenMM::OpenMMException if the model file does not hold the network it promises
     */
    explicit Proposer(const JumpIntegrator& integrator);
    ~Proposer();
    /**
     * Sample the positions of the model atoms one lag time later.
     *
     * @param positions  current positions of the model atoms, whole molecules, in nm
     * @param seed, jump, attempt  counters of the noise
     * @return proposed positions in nm, in the same frame
     */
    std::vector<OpenMM::Vec3> propose(const std::vector<OpenMM::Vec3>& positions, uint64_t seed, uint64_t jump,
                                      int attempt);

private:
    class Impl;
    std::unique_ptr<Impl> impl;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_PROPOSER_H_
