#ifndef OPENMMJUMP_JUMPINTEGRATOR_H_
#define OPENMMJUMP_JUMPINTEGRATOR_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "GateSettings.h"
#include "JumpModel.h"
#include "JumpStatistics.h"
#include "MolecularGraph.h"
#include "ProposalFilter.h"
#include "internal/windowsExportJump.h"
#include "openmm/CompoundIntegrator.h"
#include "openmm/Kernel.h"

namespace JumpPlugin {

class AcceptanceRule;
class JumpKernel;
struct Guidance;

/**
 * An Integrator that advances a System by learned, time-coarsened jumps.
 *
 * One step samples p(x_{t+tau} | x_t) with a JumpModel, places the riding atoms, tests the result, repairs it where
 * needed, draws new velocities from the Maxwell-Boltzmann distribution and relaxes with molecular dynamics. The time
 * advances by the model's lag time plus the relaxation time, the step count by one. A proposal that the gate refuses
 * is drawn again, up to getMaxAttempts() times; then it is repaired by a bounded minimisation if the repair policy
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
 * All settings that shape a step are read when the Context is created, except the temperature, the number of
 * relaxation steps, the relaxation's friction, the attempts, the repair, the annotation and the seed, which may be
 * changed at any time (the seed takes effect when the Context is created or reinitialized).
 */
class OPENMM_EXPORT_JUMP JumpIntegrator : public OpenMM::CompoundIntegrator {
public:
    /** When a proposal is minimised before its relaxation. */
    enum RepairPolicy {
        /** Never: a proposal passes the gate or is refused. */
        Never = 0,
        /**
         * Only if redrawing did not help, or if particles outside the graph may be in the way. Minimising a good
         * proposal would quench it and cost more than the relaxation.
         */
        WhenNeeded = 1,
        /** Always: every proposal is minimised; the energies come out too low. */
        Always = 2
    };

    /** How a proposal is accepted. */
    enum Acceptance {
        /** A proposal that passes all tests of the gate is accepted. */
        Gate = 0,
        /**
         * A proposal is accepted with the probability of Metropolis and Hastings, so that jumps leave the Boltzmann
         * distribution as it is, however bad the model. One proposal is drawn in each step; the gate only refuses what
         * is not finite or breaks constraints (and what the caller vetoes); nothing is repaired, and the relaxation
         * keeps its own friction. Needs a model with a density, and no constraints between model atoms.
         */
        Metropolis = 1
    };

    /** How the strength of the guidance changes with the time t of the sampler, which runs from 0 to 1. */
    enum GuidanceSchedule {
        /** It does not. */
        Constant = 0,
        /** It falls from full strength to nothing, as 1 - t. */
        Falling = 1,
        /** It rises from nothing to full strength, as t: the nearer the end, the more a point is like a conformation.
         */
        Rising = 2,
        /** As the model file says (JumpModel::getGuidanceSchedule()); Rising if it says nothing. */
        FromModel = 3
    };

    /** Where forces that guide a jump are computed. */
    enum GuidancePoint {
        /** At the points of the sampler's path. */
        OnPath = 0,
        /**
         * At the conformation the model expects at the end, given the present point of the path. The network's
         * gradient says how the path must bend for that to move along the force.
         */
        EndPoint = 1
    };

    /**
     * Create a JumpIntegrator that relaxes with Langevin dynamics (LangevinMiddleIntegrator).
     *
     * @param model          the transfer operator
     * @param graph          what the model sees of the System
     * @param temperature    temperature of the velocities and the relaxation, in K
     * @param frictionCoeff  friction of the dynamics, in 1/ps; see setRelaxationFriction()
     * @param stepSize       step size of the relaxation, in ps
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
     */
    void setTemperature(double temp);
    /** Lag time of one jump, in ps. It belongs to the model. */
    double getLagTime() const { return model.getLagTime(); }
    /** Number of steps of the relaxation integrator after each jump. */
    int getRelaxationSteps() const { return relaxationSteps; }
    /** Set the number of steps of the relaxation integrator after each jump (0 or more). */
    void setRelaxationSteps(int steps);
    /** Least friction of a Langevin relaxation after a jump, in 1/ps. */
    double getRelaxationFriction() const { return relaxationFriction; }
    /**
     * Set the least friction of the relaxation after a jump, if it is a LangevinMiddleIntegrator. A proposal has a few
     * kT more energy than the ensemble; at the friction of ordinary dynamics, 1/ps, it would take picoseconds to
     * leave. Steps without a jump keep the friction of the relaxation integrator.
     *
     * @param friction  in 1/ps (0 or more; 0 always keeps the relaxation integrator's own)
     */
    void setRelaxationFriction(double friction);
    /** Number of proposals that are drawn before a jump is repaired or given up. */
    int getMaxAttempts() const { return maxAttempts; }
    /** Set the number of proposals that are drawn before a jump is repaired or given up (1 or more). */
    void setMaxAttempts(int attempts);
    /** When a proposal is minimised before its relaxation. */
    RepairPolicy getRepairPolicy() const { return repairPolicy; }
    /** Set when a proposal is minimised before its relaxation. */
    void setRepairPolicy(RepairPolicy policy);
    /** Largest number of iterations of a repair. */
    int getRepairIterations() const { return repairIterations; }
    /** Set the largest number of iterations of a repair (1 or more). Each is one evaluation of the forces. */
    void setRepairIterations(int iterations);
    /** Root-mean-square force at which a repair stops, in kJ/mol/nm. */
    double getRepairTolerance() const { return repairTolerance; }
    /** Set the root-mean-square force at which a repair stops, in kJ/mol/nm (above 0). */
    void setRepairTolerance(double tolerance);
    /** How a proposal is accepted. */
    Acceptance getAcceptance() const { return acceptance; }
    /**
     * Set how a proposal is accepted.
     *
     * @throws OpenMM::OpenMMException for Metropolis, if the model cannot tell how probable its proposals are, or the
     *         System of the Context constrains model atoms to each other
     *         (JumpModel::hasDensity()), or does not keep orientation and centre of mass by itself
     */
    void setAcceptance(Acceptance rule);
    /** Strength of the springs that hold the model atoms during a repair, in kJ/mol/nm^2. */
    double getTetherStrength() const { return tetherStrength; }
    /**
     * Set the strength of the springs that hold each model atom where it was proposed while a repair moves solvent and
     * other molecules out of its way. They act in repairs only: they are no Force of the System, and no energy that is
     * reported includes theirs.
     *
     * @param strength  in kJ/mol/nm^2 (0 or more; 0 lets the model atoms go)
     */
    void setTetherStrength(double strength);
    /** The groups of the forces that guide jumps, one bit each; 0 if jumps are not guided. */
    int getGuidanceForceGroups() const { return guidanceForceGroups; }
    /**
     * Let forces of the System steer jumps. While a proposal is sampled, the forces of these groups at the points of
     * its path are added to the drift, so that it is drawn from about
     *
     *     q(x1 | x0) exp(-alpha U(x1) / kT)
     *
     * instead of the model's q(x1 | x0), where U is the potential energy of the groups and alpha the strength (see
     * docs/guidance.md). Any Force will do: the force field, an RMSDForce, a restraint, a CustomCVForce. Riding atoms
     * are placed at each point, and the forces on them handed to their parents. What the model does not preserve,
     * orientation or centre of mass, is not guided. Each guided step costs one evaluation of the forces.
     *
     * A force that shall guide jumps but not act in the dynamics belongs in a group that is not among
     * getIntegrationForceGroups().
     *
     * @param groups  one bit for each group; 0 (the default) for none
     * @throws OpenMM::OpenMMException if proposals are accepted by the Metropolis criterion, which needs the density
     *         of the model alone
     */
    void setGuidanceForceGroups(int groups);
    /** The strength alpha of the guidance. */
    double getGuidanceStrength() const { return guidanceStrength; }
    /**
     * Set the strength alpha of the guidance: by which power of the Boltzmann factor of the guiding forces jumps are
     * weighted.
     *
     * @param strength  0 or more; 1 by default; 0 for no guidance
     */
    void setGuidanceStrength(double strength);
    /** How the strength of the guidance changes on the way. */
    GuidanceSchedule getGuidanceSchedule() const { return guidanceSchedule; }
    /** Set how the strength of the guidance changes on the way (default: FromModel). */
    void setGuidanceSchedule(GuidanceSchedule schedule);
    /** Where guiding forces are computed. */
    GuidancePoint getGuidancePoint() const { return guidancePoint; }
    /**
     * Set where guiding forces are computed (default: OnPath). The energy at the expected EndPoint says more about
     * where a jump leads than that at the present point of its path, early on above all: populations and distances move
     * further. Each guided step then costs a gradient of the network beside the forces.
     */
    void setGuidancePoint(GuidancePoint point);
    /** The largest guiding force on one model atom, in kJ/mol/nm. */
    double getGuidanceForceCap() const { return guidanceForceCap; }
    /**
     * Set the largest guiding force on one model atom together with what rides on it; a stronger one is made as short.
     * Points of the path are no conformations: atoms clash and bonds are strained.
     *
     * @param cap  in kJ/mol/nm (above 0)
     */
    void setGuidanceForceCap(double cap);
    /** How many steps of the sampler are guided; 0 for all. */
    int getGuidanceSteps() const { return guidanceSteps; }
    /**
     * Set how many steps of the sampler are guided, the last ones before its very last, which has no noise to be
     * tilted. Each costs one evaluation of the forces.
     *
     * @param steps  0 (the default) for all
     */
    void setGuidanceSteps(int steps);
    /** The tests a proposal must pass, with their thresholds. */
    const GateSettings& getGateSettings() const { return gate; }
    /**
     * Set the tests a proposal must pass. Takes effect when the Context is created or reinitialized, the test of the
     * energy at once.
     */
    void setGateSettings(const GateSettings& settings);
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
    /** Times 0 = t_0 < ... < t_n = 1 of the sampler's steps; the model's own unless setTimeGrid() was called. */
    const std::vector<double>& getTimeGrid() const;
    /**
     * Use another time grid than the model's. Takes effect when the Context is created or reinitialized.
     *
     * @param grid  strictly increasing from 0 to 1; empty for the model's own
     */
    void setTimeGrid(const std::vector<double>& grid);
    /** Whether the network runs in double precision. */
    bool getUseDoublePrecision() const { return doublePrecision; }
    /** Set whether the network runs in double precision (default: single). */
    void setUseDoublePrecision(bool use);
    /** Whether the sampler is recorded as a CUDA graph. */
    bool getUseCudaGraphs() const { return cudaGraphs; }
    /**
     * On the CUDA platform, record the sampler as a CUDA graph at the first jump and replay it from then on: a small
     * network spends most of its time on launching kernels, and a replay is one launch. The jumps stay the same. Takes
     * effect when the Context is created or reinitialized; other platforms take no notice.
     */
    void setUseCudaGraphs(bool use);
    /** CPU threads of the network; 0 chooses: one for small molecules, torch's number for large ones. */
    int getNetworkThreads() const { return networkThreads; }
    /** Set the CPU threads of the network; 0 chooses. */
    void setNetworkThreads(int threads);
    /** Whether the record of each step holds the raw, the repaired and the relaxed energy. */
    bool getAnnotation() const { return annotation; }
    /**
     * Set whether each step leaves the energies of what it went through in its record (getLastJump()), so that a run
     * yields labelled conformations (default: false). Takes effect with the next step. All are potential energies of
     * the integration force groups, in kJ/mol:
     *
     * - energyProposal: the last proposal drawn, as the network made it, with its riding atoms and on its constraints.
     *   Earlier ones of the same step leave no energy. It is there even if a test of the gate before that of the energy
     *   refused the proposal, or the repair policy is Always; NaN if the coordinates are not finite.
     * - energyRepaired: the same proposal after its repair, or energyProposal if it was not repaired. Of a proposal
     *   whose repair was refused, what the repair reached.
     * - energyRelaxed: the positions at the end of the step, also if the step was molecular dynamics only.
     *
     * It costs one evaluation of the forces at the end of each step, and one of the energy in steps whose last proposal
     * the geometry refused for good. A Force that fails in these leaves NaN. They take no random number and leave
     * nothing changed, so the trajectory is the same, bit for bit, as long as forces are a function of the positions.
     * With a cutoff, platforms other than Reference keep a neighbour list, whose history shows in the last digit of the
     * forces: there, a proposal that was refused for good counts as would any energy that is asked for elsewhere.
     */
    void setAnnotation(bool annotate);
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
     * The step size of a JumpIntegrator follows from its model and its relaxation and cannot be set.
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
    long long getJumpNumber() const { return jumpNumber; }

protected:
    void initialize(OpenMM::ContextImpl& context);
    void cleanup();
    std::vector<std::string> getKernelNames();
    void createCheckpoint(std::ostream& stream) const;
    void loadCheckpoint(std::istream& stream);
    void serializeParameters(OpenMM::SerializationNode& node) const;
    void deserializeParameters(const OpenMM::SerializationNode& node);

private:
    void stepOnce();
    void advance(JumpRecord& record);
    std::unique_ptr<AcceptanceRule> makeRule() const;
    bool jump(JumpRecord& record);
    RefusalCause draw(JumpRecord& record);
    RefusalCause judge(JumpRecord& record);
    Guidance makeGuidance() const;
    bool isTooHigh(RefusalCause cause) const;
    void checkRelaxation();
    void checkForces(const OpenMM::ContextImpl& context) const;
    uint64_t getNoiseKey() const;
    void branchOff();
    void resume(const std::string& checkpoint);
    bool repair(JumpRecord& record);
    double minimize(JumpRecord& record);
    bool relax(JumpRecord& record);
    RefusalCause refuse(JumpRecord& record, RefusalCause cause);
    double computeEnergy(JumpRecord& record);
    void annotateRefused(JumpRecord& record, RefusalCause cause);
    double computeRelaxedEnergy(JumpRecord& record);
    void restoreState();
    void applyProposal();
    JumpKernel& jumpKernel();

    JumpModel model;
    MolecularGraph graph;
    double temperature, relaxationFriction, repairTolerance, tetherStrength;
    int relaxationSteps, maxAttempts, repairIterations, networkThreads, randomNumberSeed;
    RepairPolicy repairPolicy;
    Acceptance acceptance;
    int guidanceForceGroups, guidanceSteps;
    double guidanceStrength, guidanceForceCap;
    GuidanceSchedule guidanceSchedule;
    GuidancePoint guidancePoint;
    bool doublePrecision, cudaGraphs, annotation;
    GateSettings gate;
    std::shared_ptr<ProposalFilter> filter;
    std::vector<double> timeGrid;
    // State of the running simulation.
    OpenMM::Kernel kernel;
    long long jumpNumber;
    unsigned int noiseSeed;                   // randomNumberSeed, or the unique seed drawn for it
    unsigned int noiseBranch;                 // tells apart runs of this Context that begin at the same jump
    std::map<uint64_t, long long> drawnJumps; // for each seed and branch, how many jumps this Context has drawn
    OpenMM::Vec3 startBox[3];                 // periodic box vectors before the jump, nm
    std::unique_ptr<AcceptanceRule> rule;     // of the present step
    int degreesOfFreedom;                     // of what a jump moves
    bool hasEnvironment;                      // whether particles outside the graph may be in the way of a jump
    bool constrained;                         // whether the System constrains model atoms to each other
    bool reachedEnergy;                       // whether the last proposal was good enough to ask for its energy
    bool stepping;                            // whether step() is running
    JumpStatistics statistics;
    JumpRecord lastJump;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPINTEGRATOR_H_
