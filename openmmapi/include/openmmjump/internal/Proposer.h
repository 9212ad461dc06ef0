#ifndef OPENMMJUMP_PROPOSER_H_
#define OPENMMJUMP_PROPOSER_H_

#include <functional>
#include <memory>

#include "openmmjump/internal/Guidance.h"
#include "openmmjump/internal/GuidanceCost.h"
#include "openmmjump/internal/JumpConditions.h"
#include "openmmjump/internal/ProposerSettings.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

class SamplerRunner;

/** Positions of the model atoms, in nm, in memory of the host or of a CUDA device. */
struct AtomArray {
    void* data;           ///< x, y and z of the first atom
    bool doublePrecision; ///< whether the numbers are double or float
    int stride;           ///< numbers from one atom to the next, 3 or more
};

/** Where the forces of a guidance come from: a platform's way to the System. */
struct ForceSource {
    AtomArray points;              ///< the network writes positions of the model atoms here, in nm
    AtomArray forces;              ///< and finds the forces on them here, with those on what rides, in kJ/mol/nm
    std::function<void()> compute; ///< fills `forces` from `points`
};

/**
 * Runs the network of a JumpIntegrator on positions: the one place where OpenMM's positions become tensors and back. No
 * torch type shows here, so that kernels need not be compiled against LibTorch.
 */
class OPENMM_EXPORT_JUMP Proposer {
public:
    /**
     * Load the network to run on the CPU.
     *
     * @param runner  runs the sampling of a jump; null runs it as it is
     * @throws OpenMM::OpenMMException if the model file does not hold the network it promises
     */
    Proposer(const ProposerSettings& settings, std::unique_ptr<SamplerRunner> runner);
    explicit Proposer(const ProposerSettings& settings);
    /**
     * Load the network to run on a CUDA device, in the stream that is current there when propose() is called.
     *
     * @param cudaDevice  number of the device, as LibTorch counts
     * @param runner      may record the sampling of a jump; null runs it as it is
     * @throws OpenMM::OpenMMException if the model file does not hold the network it promises, or there is no such
     * device
     */
    Proposer(const ProposerSettings& settings, int cudaDevice, std::unique_ptr<SamplerRunner> runner);
    ~Proposer();
    /**
     * Sample the positions of the model atoms one lag time later. On a CUDA device the work is put into the stream and
     * not waited for.
     *
     * @param positions  current positions of the model atoms, whole molecules, on the network's device
     * @param proposal   gets the proposed positions, in the same frame; may be the same array
     * @param jump       what tells this jump from others
     * @param guidance   steers the sampling
     * @param source     asked for forces if guidance is on
     * @return what the guidance took
     */
    GuidanceCost propose(const AtomArray& positions, const AtomArray& proposal, const JumpConditions& jump,
                         const Guidance& guidance = Guidance(), const ForceSource& source = ForceSource());
    /**
     * How much more probable the way back is than the way there, in the jump that propose() was last called for.
     *
     * @param positions, proposal  as in propose()
     * @return ln q(positions | proposal) - ln q(proposal | positions)
     * @throws OpenMM::OpenMMException if the model has no density (JumpModel::hasDensity())
     */
    double computeLogDensityRatio(const AtomArray& positions, const AtomArray& proposal) const;

private:
    class Impl;
    std::unique_ptr<Impl> impl;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_PROPOSER_H_
