#include "JumpIntegrator.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>

#include "Base64.h"
#include "JumpKernels.h"
#include "LearnedForce.h"
#include "internal/AcceptanceRule.h"
#include "internal/Constants.h"
#include "internal/Guidance.h"
#include "internal/RepairMinimizer.h"
#include "internal/Snapshot.h"
#include "internal/Thermostat.h"
#include "openmm/Context.h"
#include "openmm/LangevinMiddleIntegrator.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/internal/ForceImpl.h"
#include "openmm/internal/OSRngSeed.h"
#include "openmm/serialization/SerializationNode.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** Adds the wall time of its life to one stage of a record. */
class StageTimer {
public:
    StageTimer(JumpRecord& record, JumpStage stage) :
        total(record.seconds[(int)stage]), start(chrono::steady_clock::now()) {}
    ~StageTimer() { total += chrono::duration<double>(chrono::steady_clock::now() - start).count(); }

private:
    double& total;
    chrono::steady_clock::time_point start;
};

/** Keeps a flag up for the time of its life. */
class FlagScope {
public:
    explicit FlagScope(bool& flag) : flag(flag) { flag = true; }
    ~FlagScope() { flag = false; }
    FlagScope(const FlagScope&) = delete;

private:
    bool& flag;
};

/** Marks the beginning of our part of a checkpoint. */
constexpr array<char, 8> CheckpointTag = {'J', 'u', 'm', 'p', 'v', '2', '\r', '\n'};

template <class Value>
void writeRaw(ostream& stream, const Value& value) {
    stream.write((const char*)&value, sizeof(value));
}

template <class Value>
Value readRaw(istream& stream) {
    remove_const_t<Value> value{};
    stream.read((char*)&value, sizeof(value));
    return value;
}

void require(bool condition, const string& message) {
    if (!condition)
        throw OpenMMException("JumpIntegrator: " + message);
}

const string ConstrainedProposals =
    "the System constrains bonds between model atoms, and putting proposals on these constraints would falsify the "
    "Metropolis criterion: create the System without them";

string formatNumber(double value) {
    stringstream text;
    text << value;
    return text.str();
}

double requireTemperature(double temperature) {
    require(isfinite(temperature) && temperature > 0, "the temperature must be above 0 K");
    return temperature;
}

/** Whether a System constrains two model atoms, which a jump moves one by one: its end must be put on the constraints.
 */
bool constrainsModelAtoms(const System& system, const MolecularGraph& graph) {
    vector<bool> isModelAtom(system.getNumParticles(), false);
    for (int i = 0; i < graph.getNumAtoms(); i++)
        isModelAtom[graph.getAtom(i).particle] = true;
    for (int i = 0; i < system.getNumConstraints(); i++) {
        int particle1, particle2;
        double distance;
        system.getConstraintParameters(i, particle1, particle2, distance);
        if (isModelAtom[particle1] && isModelAtom[particle2])
            return true;
    }
    return false;
}

/**
 * Number of degrees of freedom of what a jump moves: three for each massive particle of the graph, less the constraints
 * on them.
 */
int countDegreesOfFreedom(const System& system, const MolecularGraph& graph) {
    vector<bool> jumps(system.getNumParticles(), false);
    for (int i = 0; i < graph.getNumAtoms(); i++)
        jumps[graph.getAtom(i).particle] = true;
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        jumps[graph.getRidingAtom(i).particle] = true;
    int dof = 0;
    for (int i = 0; i < system.getNumParticles(); i++)
        if (jumps[i] && system.getParticleMass(i) > 0)
            dof += 3;
    for (int i = 0; i < system.getNumConstraints(); i++) {
        int particle1, particle2;
        double distance;
        system.getConstraintParameters(i, particle1, particle2, distance);
        dof -= jumps[particle1];
    }
    return max(dof, 1);
}

/** Lets LearnedForces see the time of the sampler, for the time of its life. */
class SamplerTimeScope {
public:
    SamplerTimeScope(ContextImpl& context, Guidance& guidance) : context(context) {
        const auto& parameters = context.getParameters();
        const auto found = parameters.find(LearnedForce::Time());
        if (!guidance.isOn() || found == parameters.end())
            return;
        before = found->second;
        guidance.setTime = [&context](double t) { context.setParameter(LearnedForce::Time(), t); };
    }
    ~SamplerTimeScope() {
        if (before)
            context.setParameter(LearnedForce::Time(), *before);
    }
    SamplerTimeScope(const SamplerTimeScope&) = delete;

private:
    ContextImpl& context;
    optional<double> before;
};

/** Whether an Integrator drives a Context. It does not say so, but one that does not refuses to step. */
bool isBound(Integrator& integrator) {
    try {
        integrator.step(0);
        return true;
    } catch (const OpenMMException&) {
        return false;
    }
}

/** The schedule that a model file names; its reader knows no other words. */
JumpIntegrator::GuidanceSchedule findSchedule(const JumpModel& model) {
    const string& word = model.getGuidanceSchedule();
    return word == "constant"  ? JumpIntegrator::Constant
           : word == "falling" ? JumpIntegrator::Falling
                               : JumpIntegrator::Rising;
}

} // namespace

JumpIntegrator::JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature,
                               double frictionCoeff, double stepSize) :
    JumpIntegrator(model, graph, temperature,
                   new LangevinMiddleIntegrator(requireTemperature(temperature), frictionCoeff, stepSize)) {}

JumpIntegrator::JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature,
                               Integrator* relaxation) :
    model(model), graph(graph), temperature(temperature), relaxationFriction(20.0), repairTolerance(100.0),
    tetherStrength(1000.0), relaxationSteps(50), maxAttempts(10), repairIterations(50), networkThreads(0),
    randomNumberSeed(0), repairPolicy(WhenNeeded), acceptance(Gate), guidanceForceGroups(0), guidanceSteps(0),
    guidanceStrength(1.0), guidanceForceCap(1000.0), guidanceSchedule(FromModel), guidancePoint(OnPath),
    doublePrecision(false), cudaGraphs(false), annotation(false), jumpNumber(0), noiseSeed(0), noiseBranch(0),
    degreesOfFreedom(0), hasEnvironment(false), constrained(false), reachedEnergy(false), stepping(false) {
    require(relaxation != nullptr, "the relaxation integrator is missing");
    require(!isBound(*relaxation), "the relaxation integrator is already in use by another Context");
    requireTemperature(temperature);
    addIntegrator(relaxation); // last: what fails takes nothing over
}

JumpIntegrator::~JumpIntegrator() = default;

void JumpIntegrator::setTemperature(double temp) {
    requireTemperature(temp);
    temperature = temp;
    Thermostat(getRelaxationIntegrator()).setTemperature(temp);
}

void JumpIntegrator::setRelaxationSteps(int steps) {
    require(steps >= 0, "the number of relaxation steps cannot be negative");
    relaxationSteps = steps;
}

void JumpIntegrator::setRelaxationFriction(double friction) {
    require(isfinite(friction) && friction >= 0, "the friction of the relaxation cannot be negative");
    relaxationFriction = friction;
}

void JumpIntegrator::setMaxAttempts(int attempts) {
    require(attempts >= 1, "the number of attempts must be at least 1");
    maxAttempts = attempts;
}

void JumpIntegrator::setRepairPolicy(RepairPolicy policy) {
    require(policy == Never || policy == WhenNeeded || policy == Always, "unknown repair policy");
    repairPolicy = policy;
}

void JumpIntegrator::setRepairIterations(int iterations) {
    require(iterations >= 1, "the number of repair iterations must be at least 1");
    repairIterations = iterations;
}

void JumpIntegrator::setRepairTolerance(double tolerance) {
    require(isfinite(tolerance) && tolerance > 0, "the repair tolerance must be above 0 kJ/mol/nm");
    repairTolerance = tolerance;
}

void JumpIntegrator::setAcceptance(Acceptance rule) {
    require(rule == Gate || rule == Metropolis, "unknown rule of acceptance");
    if (rule == Metropolis) {
        require(model.hasDensity(), "the model '" + model.getName() + "' (family '" + model.getFamily() +
                                        "') cannot tell how probable its proposals are, so they cannot be accepted "
                                        "by the Metropolis criterion");
        require(model.getPreservesOrientation() && model.getPreservesCenterOfMass(),
                "the model '" + model.getName() +
                    "' does not keep orientation and centre of mass by itself, and superposing its proposals would "
                    "falsify the Metropolis criterion");
        require(!constrained, ConstrainedProposals);
        require(guidanceForceGroups == 0, "guided jumps cannot be accepted by the Metropolis criterion, which needs "
                                          "the density of the model alone");
    }
    acceptance = rule;
}

void JumpIntegrator::setTetherStrength(double strength) {
    require(isfinite(strength) && strength >= 0, "the tether strength cannot be negative");
    tetherStrength = strength;
}

void JumpIntegrator::setGuidanceForceGroups(int groups) {
    require(groups == 0 || acceptance == Gate, "jumps that are accepted by the Metropolis criterion cannot be guided: "
                                               "it needs the density of the model alone");
    guidanceForceGroups = groups;
}

void JumpIntegrator::setGuidanceStrength(double strength) {
    require(isfinite(strength) && strength >= 0, "the strength of the guidance cannot be negative");
    guidanceStrength = strength;
}

void JumpIntegrator::setGuidanceSchedule(GuidanceSchedule schedule) {
    require(schedule >= Constant && schedule <= FromModel, "unknown schedule of the guidance");
    guidanceSchedule = schedule;
}

void JumpIntegrator::setGuidancePoint(GuidancePoint point) {
    require(point == OnPath || point == EndPoint, "unknown point of the guidance");
    guidancePoint = point;
}

void JumpIntegrator::setGuidanceForceCap(double cap) {
    require(isfinite(cap) && cap > 0, "the largest guiding force must be above 0 kJ/mol/nm");
    guidanceForceCap = cap;
}

void JumpIntegrator::setGuidanceSteps(int steps) {
    require(steps >= 0, "the number of guided steps cannot be negative");
    guidanceSteps = steps;
}

void JumpIntegrator::setGateSettings(const GateSettings& settings) {
    require(settings.minBondRatio >= 0 && settings.maxBondRatio > settings.minBondRatio,
            "the bond ratios of the gate must satisfy 0 <= minBondRatio < maxBondRatio");
    require(settings.clashRatio >= 0, "the clash ratio of the gate cannot be negative");
    require(settings.maxConstraintError > 0, "the constraint error of the gate must be above 0");
    require(settings.maxEnergyIncrease >= 0, "the energy increase of the gate cannot be negative");
    gate = settings;
}

void JumpIntegrator::setProposalFilter(shared_ptr<ProposalFilter> proposalFilter) {
    filter = std::move(proposalFilter);
}

const vector<double>& JumpIntegrator::getTimeGrid() const {
    return timeGrid.empty() ? model.getTimeGrid() : timeGrid;
}

void JumpIntegrator::setTimeGrid(const vector<double>& grid) {
    if (!grid.empty()) {
        require(grid.size() >= 2 && grid.front() == 0 && grid.back() == 1, "the time grid must go from 0 to 1");
        for (size_t i = 1; i < grid.size(); i++)
            require(grid[i] > grid[i - 1], "the time grid must be strictly increasing");
    }
    timeGrid = grid;
}

void JumpIntegrator::setUseDoublePrecision(bool use) {
    doublePrecision = use;
}

void JumpIntegrator::setUseCudaGraphs(bool use) {
    cudaGraphs = use;
}

void JumpIntegrator::setNetworkThreads(int threads) {
    require(threads >= 0, "the number of network threads cannot be negative");
    networkThreads = threads;
}

void JumpIntegrator::setAnnotation(bool annotate) {
    annotation = annotate;
}

void JumpIntegrator::setRandomNumberSeed(int seed) {
    randomNumberSeed = seed;
    Thermostat(getRelaxationIntegrator()).setRandomNumberSeed(seed);
}

double JumpIntegrator::getStepSize() const {
    return model.getLagTime() + relaxationSteps * getRelaxationIntegrator().getStepSize();
}

void JumpIntegrator::setStepSize(double size) {
    require(size == getStepSize(),
            "the step size is the lag time of the model plus the relaxation and cannot be set; set the step size of "
            "the relaxation integrator instead");
}

void JumpIntegrator::initialize(ContextImpl& contextRef) {
    if (owner != NULL && &contextRef.getOwner() != owner)
        throw OpenMMException("This Integrator is already bound to a context");
    const System& system = contextRef.getSystem();
    graph.validate(system, model);
    constrained = constrainsModelAtoms(system, graph);
    require(!constrained || acceptance != Metropolis, ConstrainedProposals);
    checkRelaxation();
    checkForces(contextRef);
    CompoundIntegrator::initialize(contextRef);
    context = &contextRef;
    owner = &contextRef.getOwner();
    noiseSeed = (randomNumberSeed == 0 ? (unsigned int)osrngseed() : (unsigned int)randomNumberSeed);
    noiseBranch = 0;
    drawnJumps.clear();
    degreesOfFreedom = countDegreesOfFreedom(system, graph);
    hasEnvironment = graph.getNumAtoms() + graph.getNumRidingAtoms() < system.getNumParticles();
    kernel = context->getPlatform().createKernel(JumpKernel::Name(), contextRef);
    jumpKernel().initialize(system, *this);
}

void JumpIntegrator::checkRelaxation() {
    const optional<double> other = Thermostat(getRelaxationIntegrator()).getTemperature();
    if (other && abs(*other - temperature) > 1e-6 * temperature)
        throw OpenMMException("JumpIntegrator: the relaxation integrator has a temperature of " + formatNumber(*other) +
                              " K, but the jumps one of " + formatNumber(temperature) + " K");
    for (const string& name : CompoundIntegrator::getKernelNames()) {
        require(name != "IntegrateVariableLangevinStep" && name != "IntegrateVariableVerletStep",
                "the relaxation integrator has variable time steps, so a step of jump and relaxation would not have a "
                "fixed size: use one with a fixed step size");
        require(name != "IntegrateRPMDStep", "the relaxation integrator is an RPMDIntegrator, which keeps copies of "
                                             "the positions of its own and would undo every jump");
        require(name != JumpKernel::Name(), "the relaxation integrator is itself a JumpIntegrator");
    }
}

void JumpIntegrator::checkForces(const ContextImpl& contextRef) const {
    for (const ForceImpl* force : contextRef.getForceImpls())
        for (const string& name : const_cast<ForceImpl*>(force)->getKernelNames())
            require(name != "CalcDrudeForce", "the System has a DrudeForce, but a jump gives every particle the "
                                              "velocities of the temperature and would heat the Drude oscillators");
}

void JumpIntegrator::cleanup() {
    kernel = Kernel();
    CompoundIntegrator::cleanup();
}

vector<string> JumpIntegrator::getKernelNames() {
    vector<string> names = CompoundIntegrator::getKernelNames();
    names.push_back(JumpKernel::Name());
    return names;
}

JumpKernel& JumpIntegrator::jumpKernel() {
    return kernel.getAs<JumpKernel>();
}

void JumpIntegrator::step(int steps) {
    if (context == NULL)
        throw OpenMMException("This Integrator is not bound to a context!");
    require(!stepping, "a step is running already, and a filter must not begin another");
    const FlagScope scope(stepping);
    for (int i = 0; i < steps; i++)
        stepOnce();
}

void JumpIntegrator::stepOnce() {
    const double startTime = context->getTime();
    const long long startCount = context->getStepCount();
    context->updateContextState();
    jumpKernel().storeState(*context);
    context->getPeriodicBoxVectors(startBox[0], startBox[1], startBox[2]);
    JumpRecord record;
    try {
        advance(record);
    } catch (...) {
        // Whatever a Force, the network or the dynamics threw, the caller gets the Context back as it was.
        restoreState();
        context->setTime(startTime);
        context->setStepCount(startCount);
        throw;
    }
    record.energyRelaxed = computeRelaxedEnergy(record);
    context->setTime(startTime + getStepSize());
    context->setStepCount(startCount + 1);
    jumpNumber++;
    drawnJumps[getNoiseKey()] = max(drawnJumps[getNoiseKey()], jumpNumber);
    statistics.addStep(record);
    lastJump = record;
}

void JumpIntegrator::advance(JumpRecord& record) {
    record.energyBefore = computeEnergy(record);
    require(isfinite(record.energyBefore), "the potential energy is not finite before the jump");
    rule = makeRule();
    record.accepted = jump(record);
    if (relax(record))
        return;
    // The dynamics blew up: treat the jump as refused, and fall back on dynamics from the old state.
    restoreState();
    if (record.accepted) {
        refuse(record, RefusalCause::NotFinite);
        record.accepted = false;
        if (relax(record))
            return;
    }
    throw OpenMMException("JumpIntegrator: the relaxation led to coordinates that are not finite");
}

unique_ptr<AcceptanceRule> JumpIntegrator::makeRule() const {
    if (acceptance == Metropolis)
        return make_unique<MetropolisCriterion>(BOLTZ * temperature, getNoiseKey(), jumpNumber);
    double maxIncrease = gate.maxEnergyIncrease;
    if (!gate.checkEnergy)
        maxIncrease = numeric_limits<double>::infinity();
    else if (maxIncrease == 0)
        maxIncrease = 6 * BOLTZ * temperature * sqrt(0.5 * degreesOfFreedom);
    return make_unique<EnergyCeiling>(maxIncrease);
}

bool JumpIntegrator::jump(JumpRecord& record) {
    RefusalCause cause = RefusalCause::None;
    const int most = (rule->isExact() ? 1 : maxAttempts);
    while (record.attempts < most) {
        cause = draw(record);
        if (cause == RefusalCause::None)
            return true;
        if (isTooHigh(cause) && hasEnvironment && repairPolicy == WhenNeeded)
            break; // what is in the way of this proposal is in the way of the next
    }
    // Nothing moves an atom through a stereocentre or back from NaN.
    const bool mendable = cause == RefusalCause::BrokenBond || cause == RefusalCause::Clash || isTooHigh(cause);
    if (repairPolicy == WhenNeeded && !rule->isExact() && mendable && repair(record))
        return true;
    annotateRefused(record, cause);
    restoreState();
    return false;
}

bool JumpIntegrator::isTooHigh(RefusalCause cause) const {
    // Energies overflow where atoms overlap.
    return cause == RefusalCause::Energy || (cause == RefusalCause::NotFinite && reachedEnergy);
}

RefusalCause JumpIntegrator::draw(JumpRecord& record) {
    reachedEnergy = false;
    if (annotation)
        record.energyProposal = record.energyRepaired = numeric_limits<double>::quiet_NaN(); // of an earlier proposal
    {
        StageTimer timer(record, JumpStage::Network);
        Guidance guidance = makeGuidance();
        const SamplerTimeScope scope(*context, guidance);
        jumpKernel().propose(*context, getNoiseKey(), jumpNumber, record.attempts, guidance);
        record.guidanceEvaluations += guidance.evaluations;
        record.seconds[(int)JumpStage::Guidance] += guidance.seconds;
        record.seconds[(int)JumpStage::Network] -= guidance.seconds;
    }
    record.attempts++;
    RefusalCause cause;
    {
        StageTimer timer(record, JumpStage::Placement);
        cause = jumpKernel().place(*context);
        // The geometry of a proposal that constraints will change is tested when they have.
        if ((rule->isExact() || constrained) && cause != RefusalCause::NotFinite)
            cause = RefusalCause::None;
        if (cause == RefusalCause::None) {
            applyProposal();
            cause = jumpKernel().checkConstraints(*context);
        }
        if (cause == RefusalCause::None && constrained)
            cause = jumpKernel().checkGeometry(*context);
    }
    if (cause != RefusalCause::None)
        return refuse(record, cause);
    if (repairPolicy == Always && !rule->isExact())
        return repair(record) ? RefusalCause::None : record.refusal;
    reachedEnergy = true;
    record.energyProposal = record.energyRepaired = computeEnergy(record);
    return refuse(record, judge(record));
}

Guidance JumpIntegrator::makeGuidance() const {
    Guidance guidance;
    guidance.forceGroups = guidanceForceGroups;
    guidance.strength = guidanceStrength;
    guidance.forceCap = guidanceForceCap;
    guidance.atEndPoint = guidancePoint == EndPoint;
    guidance.steps = guidanceSteps;
    guidance.kT = BOLTZ * temperature;
    const GuidanceSchedule schedule = guidanceSchedule == FromModel ? findSchedule(model) : guidanceSchedule;
    guidance.weight = [schedule](double t) { return schedule == Rising ? t : schedule == Falling ? 1 - t : 1.0; };
    require(!guidance.isOn() || getTimeGrid().size() > 2,
            "the sampler takes a single step, without noise, so there is nothing that forces could guide");
    return guidance;
}

RefusalCause JumpIntegrator::judge(JumpRecord& record) {
    if (!isfinite(record.energyRepaired))
        return RefusalCause::NotFinite;
    const RefusalCause cause = rule->judge(jumpKernel(), *context, record);
    if (cause != RefusalCause::None)
        return cause;
    const shared_ptr<ProposalFilter> asked = filter; // which may set another one meanwhile
    return asked == nullptr || asked->accept(*owner) ? RefusalCause::None : RefusalCause::Veto;
}

bool JumpIntegrator::repair(JumpRecord& record) {
    RefusalCause cause;
    {
        StageTimer timer(record, JumpStage::Repair);
        applyProposal();
        record.energyRepaired = minimize(record);
        cause = jumpKernel().checkGeometry(*context);
        if (cause == RefusalCause::None)
            cause = jumpKernel().checkConstraints(*context);
    }
    if (cause == RefusalCause::None)
        cause = judge(record);
    record.repaired = (cause == RefusalCause::None);
    refuse(record, cause);
    return record.repaired;
}

double JumpIntegrator::minimize(JumpRecord& record) {
    RepairMinimizer::Settings settings;
    settings.maxEvaluations = repairIterations;
    settings.forceTolerance = repairTolerance;
    settings.tetherStrength = tetherStrength;
    settings.constraintTolerance = getConstraintTolerance();
    settings.forceGroups = getIntegrationForceGroups();
    // Going on below the old energy would take heat out of all that surrounds the jump.
    const auto isMended = [&](double energy) {
        return repairPolicy != Always && isfinite(energy) && energy <= record.energyBefore &&
               jumpKernel().checkGeometry(*context) == RefusalCause::None;
    };
    const RepairMinimizer::Result result = RepairMinimizer(*context, jumpKernel(), settings).minimize(isMended);
    stateChanged(State::Positions);
    stateChanged(State::Velocities);
    if (annotation && isnan(record.energyProposal))
        record.energyProposal = result.firstEnergy;
    record.repairEvaluations += result.evaluations;
    return result.energy;
}

bool JumpIntegrator::relax(JumpRecord& record) {
    StageTimer timer(record, JumpStage::Relaxation);
    // Dynamics that depend on whether a proposal was accepted would falsify an exact acceptance.
    const FrictionRaiser raiser(getRelaxationIntegrator(),
                                record.accepted && !rule->isExact() ? relaxationFriction : 0);
    if (record.accepted) {
        const double offset = getVelocityTimeOffset();
        if (offset != 0)
            context->calcForcesAndEnergy(true, false, getIntegrationForceGroups());
        jumpKernel().drawVelocities(*context, temperature, offset, getConstraintTolerance(), getNoiseKey(), jumpNumber);
        stateChanged(State::Velocities);
    }
    getRelaxationIntegrator().step(relaxationSteps);
    if (raiser.hasRaised()) {
        // At high friction the last kick of the noise along constraints would be counted as kinetic energy. Langevin
        // dynamics begin a step by taking it away, so this changes no trajectory.
        context->applyVelocityConstraints(getConstraintTolerance());
        stateChanged(State::Velocities);
    }
    return jumpKernel().checkGeometry(*context) != RefusalCause::NotFinite;
}

// Kernels write to positions and velocities behind the back of the relaxation integrator, which may keep forces.

void JumpIntegrator::applyProposal() {
    jumpKernel().apply(*context, getConstraintTolerance());
    stateChanged(State::Positions);
}

void JumpIntegrator::restoreState() {
    jumpKernel().restoreState(*context);
    Vec3 box[3];
    context->getPeriodicBoxVectors(box[0], box[1], box[2]);
    if (!equal(begin(box), end(box), begin(startBox))) {
        // A barostat moved during the relaxation. OpenMM lets positions be while it sets the box, but not to the bit.
        context->setPeriodicBoxVectors(startBox[0], startBox[1], startBox[2]);
        jumpKernel().restoreState(*context);
    }
    stateChanged(State::Positions);
    stateChanged(State::Velocities);
}

RefusalCause JumpIntegrator::refuse(JumpRecord& record, RefusalCause cause) {
    if (cause != RefusalCause::None) {
        record.refusal = cause;
        record.refusals[(int)cause]++;
    }
    return cause;
}

double JumpIntegrator::computeEnergy(JumpRecord& record) {
    StageTimer timer(record, JumpStage::Energy);
    return context->calcForcesAndEnergy(false, true, getIntegrationForceGroups());
}

/** The energy of a proposal that the gate refused before it came to energies. The state must be restored afterwards. */
void JumpIntegrator::annotateRefused(JumpRecord& record, RefusalCause cause) {
    if (!annotation || cause == RefusalCause::NotFinite || !isnan(record.energyProposal))
        return;
    try {
        applyProposal();
        record.energyProposal = record.energyRepaired = computeEnergy(record);
    } catch (const exception&) {
        // No conformation that anyone asked for: without annotation the step would have gone on.
    }
}

double JumpIntegrator::computeRelaxedEnergy(JumpRecord& record) {
    if (annotation) {
        StageTimer timer(record, JumpStage::Energy);
        try {
            // With the forces, as Context::getState() does: those that the relaxation left must stay valid.
            return context->calcForcesAndEnergy(true, true, getIntegrationForceGroups());
        } catch (const exception&) {
            // The next step asks again, and fails as it would without annotation.
        }
    }
    return numeric_limits<double>::quiet_NaN();
}

void JumpIntegrator::createCheckpoint(ostream& stream) const {
    writeRaw(stream, CheckpointTag);
    CompoundIntegrator::createCheckpoint(stream);
    writeRaw(stream, jumpNumber);
    writeRaw(stream, noiseSeed);
    writeRaw(stream, noiseBranch);
}

void JumpIntegrator::loadCheckpoint(istream& stream) {
    const auto tag = readRaw<decltype(CheckpointTag)>(stream);
    require(stream && tag == CheckpointTag,
            "the checkpoint is cut off, or was made with another integrator or version");
    CompoundIntegrator::loadCheckpoint(stream);
    const auto jump = readRaw<decltype(jumpNumber)>(stream);
    const auto seed = readRaw<decltype(noiseSeed)>(stream), branch = readRaw<decltype(noiseBranch)>(stream);
    // OpenMM takes whatever it has read for the number of the present child.
    const bool intact = stream && getCurrentIntegrator() >= 0 && getCurrentIntegrator() < getNumIntegrators();
    if (!intact)
        setCurrentIntegrator(0);
    require(intact, "the checkpoint is cut off or damaged");
    jumpNumber = jump;
    noiseSeed = seed;
    noiseBranch = branch;
}

void JumpIntegrator::serializeParameters(SerializationNode& node) const {
    CompoundIntegrator::serializeParameters(node);
    node.setLongProperty("jumpNumber", jumpNumber);
    node.setLongProperty("noiseSeed", noiseSeed);
    node.setLongProperty("noiseBranch", noiseBranch);
    if (context != nullptr) {
        stringstream checkpoint(ios_base::in | ios_base::out | ios_base::binary);
        context->createCheckpoint(checkpoint);
        node.setStringProperty("checkpoint", encodeBase64(checkpoint.str()));
    }
}

void JumpIntegrator::deserializeParameters(const SerializationNode& node) {
    // OpenMM takes for granted that there is a child for each integrator.
    require(node.hasProperty("jumpNumber") && node.hasProperty("noiseSeed") &&
                (int)node.getChildren().size() == getNumIntegrators(),
            "the State was saved with another integrator, so its integrator parameters cannot be used");
    CompoundIntegrator::deserializeParameters(node);
    jumpNumber = node.getLongProperty("jumpNumber");
    noiseSeed = (unsigned int)node.getLongProperty("noiseSeed");
    noiseBranch = (unsigned int)node.getLongProperty("noiseBranch", 0); // younger than version 1
    const auto drawn = drawnJumps.find(getNoiseKey());
    if (drawn != drawnJumps.end() && jumpNumber < drawn->second)
        branchOff();
    else if (context != nullptr && node.hasProperty("checkpoint"))
        resume(decodeBase64(node.getStringProperty("checkpoint")));
}

uint64_t JumpIntegrator::getNoiseKey() const {
    return (uint64_t(noiseBranch) << 32) | noiseSeed;
}

/** Go on with noise that this Context has not used yet. */
void JumpIntegrator::branchOff() {
    do
        noiseBranch++;
    while (drawnJumps.count(getNoiseKey()) > 0);
    drawnJumps[getNoiseKey()] = jumpNumber;
}

void JumpIntegrator::resume(const string& checkpoint) {
    const Snapshot given(*context);
    const long long jump = jumpNumber;
    const unsigned int seed = noiseSeed, branch = noiseBranch;
    try {
        stringstream stream(checkpoint, ios_base::in | ios_base::binary);
        context->loadCheckpoint(stream);
        if (!given.agreesWith(*context))
            given.restore(*context); // the State was edited, or holds only a part of what the checkpoint holds
    } catch (const OpenMMException&) {
        given.restore(*context); // made on another platform or device: random numbers begin anew
    }
    jumpNumber = jump;
    noiseSeed = seed;
    noiseBranch = branch;
}

} // namespace JumpPlugin
