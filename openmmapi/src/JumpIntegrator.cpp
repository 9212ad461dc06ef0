#include "JumpIntegrator.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "JumpKernels.h"
#include "openmm/Context.h"
#include "openmm/LangevinMiddleIntegrator.h"
#include "openmm/LocalEnergyMinimizer.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/internal/OSRngSeed.h"
#include "openmm/serialization/SerializationNode.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

constexpr double BOLTZ = 8.31446261815324e-3; // kJ/mol/K

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

/** Raises the friction of a LangevinMiddleIntegrator for the time of its life. */
class FrictionRaiser {
public:
    FrictionRaiser(Integrator& integrator, double least) :
        langevin(dynamic_cast<LangevinMiddleIntegrator*>(&integrator)),
        friction(langevin ? langevin->getFriction() : 0) {
        if (langevin && friction < least)
            langevin->setFriction(least);
    }
    ~FrictionRaiser() {
        if (langevin)
            langevin->setFriction(friction);
    }

private:
    LangevinMiddleIntegrator* langevin;
    double friction;
};

void require(bool condition, const string& message) {
    if (!condition)
        throw OpenMMException("JumpIntegrator: " + message);
}

double requireTemperature(double temperature) {
    require(isfinite(temperature) && temperature > 0, "the temperature must be above 0 K");
    return temperature;
}

/** Number of independent velocities: three for each massive particle, less the constraints. */
int countDegreesOfFreedom(const System& system) {
    int dof = -system.getNumConstraints();
    for (int i = 0; i < system.getNumParticles(); i++)
        if (system.getParticleMass(i) > 0)
            dof += 3;
    return max(dof, 1);
}

/** A refusal that minimisation may mend: nothing moves an atom through a stereocentre or back from NaN. */
bool isMendable(RefusalCause cause) {
    return cause == RefusalCause::BrokenBond || cause == RefusalCause::Clash || cause == RefusalCause::Energy;
}

} // namespace

JumpIntegrator::JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature,
                               double frictionCoeff, double stepSize) :
    JumpIntegrator(model, graph, temperature,
                   new LangevinMiddleIntegrator(requireTemperature(temperature), frictionCoeff, stepSize)) {}

JumpIntegrator::JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature,
                               Integrator* relaxation) :
    model(model), graph(graph), temperature(temperature), relaxationFriction(20.0), repairTolerance(100.0),
    relaxationSteps(50), maxAttempts(10), repairIterations(50), networkThreads(0), randomNumberSeed(0),
    repairPolicy(WhenNeeded), doublePrecision(false), cudaGraphs(false), jumpNumber(0), noiseSeed(0),
    maxEnergyIncrease(0), hasEnvironment(false) {
    require(relaxation != nullptr, "the relaxation integrator is missing");
    requireTemperature(temperature);
    addIntegrator(relaxation); // last: what fails takes nothing over
}

void JumpIntegrator::setTemperature(double temp) {
    requireTemperature(temp);
    temperature = temp;
    if (auto* langevin = dynamic_cast<LangevinMiddleIntegrator*>(&getRelaxationIntegrator()))
        langevin->setTemperature(temp);
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

void JumpIntegrator::setGateSettings(const GateSettings& settings) {
    require(settings.minBondRatio >= 0 && settings.maxBondRatio > settings.minBondRatio,
            "the bond ratios of the gate must satisfy 0 <= minBondRatio < maxBondRatio");
    require(settings.clashRatio >= 0, "the clash ratio of the gate cannot be negative");
    require(settings.maxEnergyIncrease >= 0, "the energy increase of the gate cannot be negative");
    gate = settings;
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

void JumpIntegrator::setRandomNumberSeed(int seed) {
    randomNumberSeed = seed;
    if (auto* langevin = dynamic_cast<LangevinMiddleIntegrator*>(&getRelaxationIntegrator()))
        langevin->setRandomNumberSeed(seed);
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
    CompoundIntegrator::initialize(contextRef);
    context = &contextRef;
    owner = &contextRef.getOwner();
    noiseSeed = (randomNumberSeed == 0 ? (unsigned int)osrngseed() : (unsigned int)randomNumberSeed);
    hasEnvironment = graph.getNumAtoms() + graph.getNumRidingAtoms() < system.getNumParticles();
    kernel = context->getPlatform().createKernel(JumpKernel::Name(), contextRef);
    jumpKernel().initialize(system, *this);
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
    context->setTime(startTime + getStepSize());
    context->setStepCount(startCount + 1);
    jumpNumber++;
    statistics.addStep(record);
    lastJump = record;
}

void JumpIntegrator::advance(JumpRecord& record) {
    record.energyBefore = computeEnergy(record);
    require(isfinite(record.energyBefore), "the potential energy is not finite before the jump");
    const double dof = countDegreesOfFreedom(context->getSystem());
    maxEnergyIncrease = gate.maxEnergyIncrease;
    if (maxEnergyIncrease == 0)
        maxEnergyIncrease = 6 * BOLTZ * temperature * sqrt(0.5 * dof);
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

bool JumpIntegrator::jump(JumpRecord& record) {
    RefusalCause cause = RefusalCause::None;
    while (record.attempts < maxAttempts) {
        cause = draw(record);
        if (cause == RefusalCause::None)
            return true;
        if (cause == RefusalCause::Energy && hasEnvironment && repairPolicy == WhenNeeded)
            break; // what is in the way of this proposal is in the way of the next
    }
    if (repairPolicy == WhenNeeded && isMendable(cause) && repair(record))
        return true;
    restoreState();
    return false;
}

RefusalCause JumpIntegrator::draw(JumpRecord& record) {
    {
        StageTimer timer(record, JumpStage::Network);
        jumpKernel().propose(*context, noiseSeed, jumpNumber, record.attempts);
    }
    record.attempts++;
    RefusalCause cause;
    {
        StageTimer timer(record, JumpStage::Placement);
        cause = jumpKernel().place(*context);
        if (cause == RefusalCause::None)
            applyProposal();
    }
    if (cause != RefusalCause::None)
        return refuse(record, cause);
    if (repairPolicy == Always)
        return repair(record) ? RefusalCause::None : record.refusal;
    record.energyProposal = record.energyRepaired = computeEnergy(record);
    return refuse(record, testEnergy(record.energyProposal, record));
}

RefusalCause JumpIntegrator::testEnergy(double energy, const JumpRecord& record) const {
    if (!isfinite(energy))
        return RefusalCause::NotFinite;
    if (gate.checkEnergy && energy > record.energyBefore + maxEnergyIncrease)
        return RefusalCause::Energy;
    return RefusalCause::None;
}

bool JumpIntegrator::repair(JumpRecord& record) {
    RefusalCause cause;
    {
        StageTimer timer(record, JumpStage::Repair);
        applyProposal();
        LocalEnergyMinimizer::minimize(*owner, repairTolerance, repairIterations);
        cause = jumpKernel().checkGeometry(*context);
    }
    record.energyRepaired = computeEnergy(record);
    if (cause == RefusalCause::None)
        cause = testEnergy(record.energyRepaired, record);
    record.repaired = (cause == RefusalCause::None);
    refuse(record, cause);
    return record.repaired;
}

bool JumpIntegrator::relax(JumpRecord& record) {
    StageTimer timer(record, JumpStage::Relaxation);
    const FrictionRaiser raiser(getRelaxationIntegrator(), record.accepted ? relaxationFriction : 0);
    if (record.accepted) {
        jumpKernel().drawVelocities(*context, temperature, getConstraintTolerance(), noiseSeed, jumpNumber);
        stateChanged(State::Velocities);
    }
    getRelaxationIntegrator().step(relaxationSteps);
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

void JumpIntegrator::createCheckpoint(ostream& stream) const {
    CompoundIntegrator::createCheckpoint(stream);
    stream.write((const char*)&jumpNumber, sizeof(jumpNumber));
    stream.write((const char*)&noiseSeed, sizeof(noiseSeed));
}

void JumpIntegrator::loadCheckpoint(istream& stream) {
    CompoundIntegrator::loadCheckpoint(stream);
    long long jump;
    unsigned int seed;
    stream.read((char*)&jump, sizeof(jump));
    stream.read((char*)&seed, sizeof(seed));
    require(bool(stream), "the checkpoint is cut off, or was made with another integrator");
    jumpNumber = jump;
    noiseSeed = seed;
}

void JumpIntegrator::serializeParameters(SerializationNode& node) const {
    CompoundIntegrator::serializeParameters(node);
    node.setLongProperty("jumpNumber", jumpNumber);
    node.setLongProperty("noiseSeed", noiseSeed);
}

void JumpIntegrator::deserializeParameters(const SerializationNode& node) {
    // OpenMM takes for granted that there is a child for each integrator.
    require(node.hasProperty("jumpNumber") && node.hasProperty("noiseSeed") &&
                (int)node.getChildren().size() >= getNumIntegrators(),
            "the State was saved with another integrator, so its integrator parameters cannot be used");
    CompoundIntegrator::deserializeParameters(node);
    jumpNumber = node.getLongProperty("jumpNumber");
    noiseSeed = (unsigned int)node.getLongProperty("noiseSeed");
}

} // namespace JumpPlugin
