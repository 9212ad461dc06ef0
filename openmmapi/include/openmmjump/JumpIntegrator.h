#ifndef OPENMMJUMP_JUMPINTEGRATOR_H_
#define OPENMMJUMP_JUMPINTEGRATOR_H_

#include <memory>
#include <string>
#include <vector>

#include "openmm/CompoundIntegrator.h"
#include "openmm/Kernel.h"
#include "openmmjump/GateSettings.h"
#include "openmmjump/GuidanceSettings.h"
#include "openmmjump/JumpModel.h"
#include "openmmjump/JumpStatistics.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/ProposalFilter.h"
#include "openmmjump/RepairSettings.h"
#include "openmmjump/SamplerSettings.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

class JumpKernel;
class JumpNoise;
struct JumpScope;

/**
 * An Integrator that advances a System by learned, time-coarsened jumps.
 *
 * One step samples p(x_{t+tau} | x_t) with a JumpModel, places the riding atoms, tests the result, repairs it where
 * needed, draws new velocities from the Maxwell-Boltzmann distribution and relaxes with molecular dynamics. The time
 * advances by the lag time plus the relaxation time, the step count by one. A proposal that the gate rejects
 * is redrawn, up to getMaxAttempts() times; then it is repaired by a bounded minimisation if the repair policy
 * allows, or else the old state is restored bit for bit and the step is molecular dynamics only.
 *
 * The relaxation integrator is a LangevinMiddleIntegrator, or any Integrator the caller passes in:
 *
 *     JumpModel model("alanine-dipeptide.safetensors");
 *     JumpIntegrator integrator(model, graph, 300.0, 1.0, 0.004);
 *     Context context(system, integrator);
 *     context.setPositions(positions);
 *     integrator.step(1000);  // 1000 jumps
 *
 * The sampler settings, the gate's tests of the geometry and the seed are read when the Context is created or
 * reinitialized; everything else may be changed at any time.
 *
 * It derives from CompoundIntegrator because the relaxation is a whole Integrator of its own inside this one, and an
 * Integrator must be initialized with the Context: initialize(), cleanup(), getKernelNames(), stateChanged() and the
 * checkpoint methods are protected, and OpenMM makes CompoundIntegrator their friend, no class of a plugin. Its one
 * child is the relaxation integrator, for good: what CompoundIntegrator offers to change its children is refused here.
 */
class OPENMM_EXPORT_JUMP JumpIntegrator : public OpenMM::CompoundIntegrator {
public:
    /** How a proposal is accepted. */
    enum Acceptance : int {
        /** A proposal that passes all tests of the gate is accepted. */
        Gate = 0,
        /**
         * A proposal is accepted with the probability of Metropolis and Hastings, so that jumps leave the Boltzmann
         * distribution as it is, however bad the model. One proposal is drawn in each step; the gate only rejects what
         * is not finite or breaks constraints (and what the caller vetoes); nothing is repaired, and the relaxation
         * keeps its own friction. Needs a model with a density, and no constraints between model atoms.
         */
        Metropolis = 1
    };

    /**
     * Create a JumpIntegrator that relaxes with Langevin dynamics (LangevinMiddleIntegrator).
     *
     * @param model          the transfer operator
     * @param graph          what the model sees of the System
     * @param temperature    temperature of the velocities and the relaxation, in K
     * @param frictionCoeff  friction of the dynamics, in 1/ps; see setRelaxationFriction()
     * @param stepSize       step size of the relaxation, in ps
     * @throws OpenMM::OpenMMException if the temperature is not above 0, or friction or step size are negative
     */
    JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature, double frictionCoeff,
                   double stepSize);
    /**
     * Create a JumpIntegrator that relaxes with an Integrator of the caller's choice.
     *
     * @param model        the transfer operator
     * @param graph        what the model sees of the System
     * @param temperature  temperature of the velocities drawn after each jump, in K
     * @param relaxation   made with `new`; the JumpIntegrator takes it over and deletes it
     * @throws OpenMM::OpenMMException if the temperature is not above 0, or the relaxation is null, belongs to a
     * Context, or is an integrator that cannot relax (RPMDIntegrator, another JumpIntegrator); it is then left to the
     * caller
     */
    JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature,
                   OpenMM::Integrator* relaxation);
    ~JumpIntegrator();

    /** The transfer operator. */
    const JumpModel& getModel() const { return model; }
    /** What the model sees of the System. */
    const MolecularGraph& getMolecularGraph() const { return graph; }
    /** The integrator that relaxes after each jump. */
    OpenMM::Integrator& getRelaxationIntegrator() { return getIntegrator(0); }
    /** The integrator that relaxes after each jump. */
    const OpenMM::Integrator& getRelaxationIntegrator() const { return getIntegrator(0); }

    /** Temperature of the velocities drawn after each jump, in K. */
    double getTemperature() const { return temperature; }
    /**
     * Set the temperature of the velocities drawn after each jump, and of the relaxation if it has one (Langevin,
     * Brownian, DPD, QTB and Nose-Hoover dynamics, and a CustomIntegrator with a global variable kT).
     *
     * @param temp  in K (above 0)
     * @throws OpenMM::OpenMMException if it is not above 0
     */
    void setTemperature(double temp);
    /** Lag time of one jump, in ps. */
    double getLagTime() const { return lagTime; }
    /**
     * Set the lag time of the jumps to come. Most models have a single one; see JumpModel::getShortestLagTime() and
     * JumpModel::getLongestLagTime().
     *
     * @param lag  in ps
     * @throws OpenMM::OpenMMException if it is outside the range of the model
     */
    void setLagTime(double lag);
    /** Number of steps of the relaxation integrator after each jump. */
    int getRelaxationSteps() const { return relaxationSteps; }
    /**
     * Set the number of steps of the relaxation integrator after each jump (0 or more).
     *
     * @throws OpenMM::OpenMMException if it is negative
     */
    void setRelaxationSteps(int steps);
    /** Least friction of a Langevin relaxation after a jump, in 1/ps. */
    double getRelaxationFriction() const { return relaxationFriction; }
    /**
     * Set the least friction of the relaxation after a jump, if it is a LangevinMiddleIntegrator. A proposal has a few
     * kT more energy than the ensemble; at the friction of ordinary dynamics, 1/ps, it would take picoseconds to
     * leave. Steps without a jump keep the friction of the relaxation integrator.
     *
     * @param friction  in 1/ps (0 or more; 0 always keeps the relaxation integrator's own)
     * @throws OpenMM::OpenMMException if it is negative or not finite
     */
    void setRelaxationFriction(double friction);
    /** Number of proposals that are drawn before a jump is repaired or given up. */
    int getMaxAttempts() const { return maxAttempts; }
    /**
     * Set the number of proposals that are drawn before a jump is repaired or given up (1 to 65,535).
     *
     * @throws OpenMM::OpenMMException if it is outside of that
     */
    void setMaxAttempts(int attempts);
    /** How a proposal is accepted. */
    Acceptance getAcceptance() const { return acceptance; }
    /**
     * Set how a proposal is accepted.
     *
     * @throws OpenMM::OpenMMException for Metropolis, if the model cannot tell how probable its proposals are
     *         (JumpModel::hasDensity()) or does not keep orientation and centre of mass by itself, if jumps are guided,
     *         or if the System of the Context constrains model atoms to each other
     */
    void setAcceptance(Acceptance rule);
    /** The tests a proposal must pass, with their thresholds. */
    const GateSettings& getGateSettings() const { return gateSettings; }
    /**
     * Set the tests a proposal must pass. Takes effect when the Context is created or reinitialized, the test of the
     * energy at once.
     *
     * @throws OpenMM::OpenMMException naming the first setting that is out of its range
     */
    void setGateSettings(const GateSettings& settings);
    /** When and how far a proposal is minimised before its relaxation. */
    const RepairSettings& getRepairSettings() const { return repairSettings; }
    /**
     * Set when and how far a proposal is minimised before its relaxation.
     *
     * @throws OpenMM::OpenMMException naming the first setting that is out of its range
     */
    void setRepairSettings(const RepairSettings& settings);
    /** How forces of the System steer jumps. */
    const GuidanceSettings& getGuidanceSettings() const { return guidanceSettings; }
    /**
     * Set how forces of the System steer jumps.
     *
     * @throws OpenMM::OpenMMException if a setting is out of its range, or proposals are accepted by the Metropolis
     *         criterion, which needs the density of the model alone
     */
    void setGuidanceSettings(const GuidanceSettings& settings);
    /** How the sampler runs its network. */
    const SamplerSettings& getSamplerSettings() const { return samplerSettings; }
    /**
     * Set how the sampler runs its network. Takes effect when the Context is created or reinitialized.
     *
     * @throws OpenMM::OpenMMException naming the first setting that is out of its range
     */
    void setSamplerSettings(const SamplerSettings& settings);
    /** Times 0 = t_0 < ... < t_n = 1 of the sampler's steps: those of the sampler settings, or else the model's own. */
    const std::vector<double>& getTimeGrid() const;
    /** The caller's own test of proposals, null if there is none. */
    const std::shared_ptr<ProposalFilter>& getProposalFilter() const { return filter; }
    /**
     * Set a test of the caller's own, which is asked about each proposal that passed all others. Takes effect at once.
     * It is code, not data, so it is not saved: a copy, an integrator read from XML or a checkpoint has none of its own
     * accord.
     *
     * @param filter  the test; null for none
     */
    void setProposalFilter(std::shared_ptr<ProposalFilter> filter);
    /** Whether the record of each step holds the raw, the repaired and the relaxed energy. */
    bool getRecordEnergies() const { return recordEnergies; }
    /**
     * Set whether each step leaves the energies of what it went through in its record (getLastJump()), so that a run
     * yields labelled conformations (default: false). Takes effect with the next step. All are potential energies of
     * the integration force groups, in kJ/mol:
     *
     * - energyProposal: the last proposal drawn, as the network made it, with its riding atoms and on its constraints.
     *   Earlier ones of the same step leave no energy. It is there even if a test of the gate before that of the energy
     *   rejected the proposal, or the repair policy is Always; NaN if the coordinates are not finite.
     * - energyRepaired: the same proposal after its repair, or energyProposal if it was not repaired. Of a proposal
     *   whose repair was rejected, what the repair reached.
     * - energyRelaxed: the positions at the end of the step, also if the step was molecular dynamics only.
     *
     * It costs one evaluation of the forces at the end of each step, and one of the energy in steps whose last proposal
     * the geometry rejected for good. A Force that fails in these leaves NaN. They take no random number and leave
     * nothing changed, so the trajectory is the same, bit for bit, as long as forces are a function of the positions.
     * With a cutoff, platforms other than Reference keep a neighbour list, whose history shows in the last digit of the
     * forces: there, a proposal that was rejected for good counts as would any energy that is asked for elsewhere.
     */
    void setRecordEnergies(bool record);
    /** Seed of the noise of jumps and velocities. */
    int getRandomNumberSeed() const { return randomNumberSeed; }
    /**
     * Set the seed of the noise of jumps and velocities, and of the relaxation if it has one.
     * The same seed gives the same jump noise on every platform. 0 (the default) means a unique seed for each Context.
     */
    void setRandomNumberSeed(int seed);

    /**
     * The time one step stands for, in ps: lag time plus relaxation time. The relaxation integrator's own step size
     * is getRelaxationIntegrator().getStepSize().
     */
    double getStepSize() const;
    /**
     * The step size of a JumpIntegrator follows from its lag time and its relaxation and cannot be set.
     *
     * @throws OpenMM::OpenMMException unless size is what getStepSize() returns
     */
    void setStepSize(double size);
    /**
     * Advance the simulation by jumps.
     *
     * @param steps  number of jumps
     * @throws OpenMM::OpenMMException if the state the step starts from is not finite, or an error is raised by a
     *         Force; the Context is then as it was before the failing step, except for what updateContextState()
     *         did (barostat, centre-of-mass motion)
     */
    void step(int steps);

    /** Totals since the integrator was made or resetStatistics() was called. */
    const JumpStatistics& getStatistics() const { return statistics; }
    /** Set all totals to zero. */
    void resetStatistics() { statistics = JumpStatistics(); }
    /** What happened in the last step. */
    const JumpRecord& getLastJump() const { return lastJump; }
    /** Number of jumps made or tried in the life of the state; the counter of the noise. Saved in checkpoints. */
    long long getJumpNumber() const;

    /** A JumpIntegrator has one child, its relaxation integrator: always throws an OpenMMException. */
    int addIntegrator(OpenMM::Integrator* integrator);
    /** A JumpIntegrator has one child, its relaxation integrator: always throws an OpenMMException. */
    void setCurrentIntegrator(int index);

protected:
    void initialize(OpenMM::ContextImpl& context);
    void cleanup();
    std::vector<std::string> getKernelNames();
    void createCheckpoint(std::ostream& stream) const;
    void loadCheckpoint(std::istream& stream);
    void serializeParameters(OpenMM::SerializationNode& node) const;
    void deserializeParameters(const OpenMM::SerializationNode& node);

private:
    friend class JumpStep;
    JumpKernel& jumpKernel();

    JumpModel model;
    MolecularGraph graph;
    double temperature, lagTime, relaxationFriction = 20;
    int relaxationSteps = 50, maxAttempts = 10, randomNumberSeed = 0;
    Acceptance acceptance = Gate;
    GateSettings gateSettings;
    RepairSettings repairSettings;
    GuidanceSettings guidanceSettings;
    SamplerSettings samplerSettings;
    bool recordEnergies = false;
    std::shared_ptr<ProposalFilter> filter;
    // State of the running simulation.
    OpenMM::Kernel kernel;
    std::unique_ptr<JumpNoise> noise;
    std::unique_ptr<JumpScope> scope;
    bool stepping = false; // whether step() is running
    JumpStatistics statistics;
    JumpRecord lastJump;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPINTEGRATOR_H_
