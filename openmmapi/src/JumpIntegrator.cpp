#include "openmmjump/JumpIntegrator.h"

#include <array>
#include <cmath>
#include <sstream>

#include "JumpScope.h"
#include "JumpStep.h"
#include "RawStream.h"
#include "RelaxationCheck.h"
#include "Require.h"
#include "openmm/Context.h"
#include "openmm/LangevinMiddleIntegrator.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include "openmm/serialization/SerializationNode.h"
#include "openmmjump/JumpKernels.h"
#include "openmmjump/internal/Base64.h"
#include "openmmjump/internal/IntegratorTemperature.h"
#include "openmmjump/internal/JumpNoise.h"
#include "openmmjump/internal/Snapshot.h"
#include "openmmjump/network/sampling/NoiseStreams.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

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

const string OneChild = "its relaxation integrator is given to its constructor and is the only one: ";
const string ConstrainedProposals =
    "the System constrains bonds between model atoms, and putting proposals on these constraints would falsify the "
    "Metropolis criterion: create the System without them";

double requireTemperature(double temperature) {
    require(isfinite(temperature) && temperature > 0, "the temperature must be above 0 K");
    return temperature;
}

} // namespace

JumpIntegrator::JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature,
                               double frictionCoeff, double stepSize) :
    JumpIntegrator(model, graph, temperature,
                   new LangevinMiddleIntegrator(requireTemperature(temperature), frictionCoeff, stepSize)) {}

JumpIntegrator::JumpIntegrator(const JumpModel& model, const MolecularGraph& graph, double temperature,
                               Integrator* relaxation) :
    model(model), graph(graph), temperature(temperature), lagTime(model.getLagTime()), noise(make_unique<JumpNoise>()),
    scope(make_unique<JumpScope>()) {
    RelaxationCheck(relaxation).requireFree();
    requireTemperature(temperature);
    CompoundIntegrator::addIntegrator(relaxation); // last: what fails takes nothing over
}

JumpIntegrator::~JumpIntegrator() = default;

void JumpIntegrator::setTemperature(double temp) {
    requireTemperature(temp);
    temperature = temp;
    IntegratorTemperature(getRelaxationIntegrator()).setTemperature(temp);
}

void JumpIntegrator::setLagTime(double lag) {
    const double shortest = model.getShortestLagTime(), longest = model.getLongestLagTime();
    require(
        lag >= shortest && lag <= longest,
        "the model '" + model.getName() + "' jumps " +
            (shortest == longest ? formatNumber(shortest) : formatNumber(shortest) + " to " + formatNumber(longest)) +
            " ps, not " + formatNumber(lag));
    lagTime = lag;
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
    constexpr int most = NoiseStreams::MaxAttempt + 1;
    require(attempts >= 1, "the number of attempts must be at least 1");
    require(attempts <= most, "the number of attempts must be at most " + to_string(most));
    maxAttempts = attempts;
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
        require(!scope->constrainsModelAtoms, ConstrainedProposals);
        require(guidanceSettings.forceGroups == 0,
                "guided jumps cannot be accepted by the Metropolis criterion, which needs "
                "the density of the model alone");
    }
    acceptance = rule;
}

void JumpIntegrator::setGateSettings(const GateSettings& settings) {
    settings.validate();
    gateSettings = settings;
}

void JumpIntegrator::setRepairSettings(const RepairSettings& settings) {
    settings.validate();
    repairSettings = settings;
}

void JumpIntegrator::setGuidanceSettings(const GuidanceSettings& settings) {
    settings.validate();
    require(settings.forceGroups == 0 || acceptance == Gate,
            "jumps that are accepted by the Metropolis criterion cannot be guided: it needs the density of the model "
            "alone");
    guidanceSettings = settings;
}

void JumpIntegrator::setSamplerSettings(const SamplerSettings& settings) {
    settings.validate();
    samplerSettings = settings;
}

const vector<double>& JumpIntegrator::getTimeGrid() const {
    return samplerSettings.timeGrid.empty() ? model.getTimeGrid() : samplerSettings.timeGrid;
}

void JumpIntegrator::setProposalFilter(shared_ptr<ProposalFilter> proposalFilter) {
    filter = std::move(proposalFilter);
}

void JumpIntegrator::setRecordEnergies(bool record) {
    recordEnergies = record;
}

void JumpIntegrator::setRandomNumberSeed(int seed) {
    randomNumberSeed = seed;
    IntegratorTemperature(getRelaxationIntegrator()).setRandomNumberSeed(seed);
}

double JumpIntegrator::getStepSize() const {
    return lagTime + relaxationSteps * getRelaxationIntegrator().getStepSize();
}

void JumpIntegrator::setStepSize(double size) {
    require(size == getStepSize(),
            "the step size is the lag time plus the relaxation and cannot be set; set the step size of the relaxation "
            "integrator instead");
}

long long JumpIntegrator::getJumpNumber() const {
    return noise->getJump();
}

int JumpIntegrator::addIntegrator(Integrator*) {
    throw OpenMMException("JumpIntegrator: " + OneChild + "none can be added");
}

void JumpIntegrator::setCurrentIntegrator(int) {
    throw OpenMMException("JumpIntegrator: " + OneChild + "there is no other to choose");
}

void JumpIntegrator::initialize(ContextImpl& contextRef) {
    if (owner != NULL && &contextRef.getOwner() != owner)
        throw OpenMMException("This Integrator is already bound to a context");
    require(getNumIntegrators() == 1, OneChild + "none can be added");
    const System& system = contextRef.getSystem();
    graph.validate(system, model);
    *scope = JumpScope(system, graph);
    require(!scope->constrainsModelAtoms || acceptance != Metropolis, ConstrainedProposals);
    RelaxationCheck(&getRelaxationIntegrator()).requireTemperature(temperature);
    RelaxationCheck::requireFixedSteps(CompoundIntegrator::getKernelNames());
    RelaxationCheck::requireForces(contextRef);
    CompoundIntegrator::initialize(contextRef);
    context = &contextRef;
    owner = &contextRef.getOwner();
    noise->begin(randomNumberSeed);
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
    require(!stepping, "a step is running already, and a filter must not begin another");
    const FlagScope running(stepping);
    for (int i = 0; i < steps; i++) {
        lastJump = JumpStep(*this, *context, jumpKernel(), *scope, *noise).run();
        noise->finishJump();
        statistics.addStep(lastJump);
    }
}

void JumpIntegrator::createCheckpoint(ostream& stream) const {
    writeRaw(stream, CheckpointTag);
    CompoundIntegrator::createCheckpoint(stream);
    noise->createCheckpoint(stream);
}

void JumpIntegrator::loadCheckpoint(istream& stream) {
    const auto tag = readRaw<decltype(CheckpointTag)>(stream);
    require(stream && tag == CheckpointTag,
            "the checkpoint is cut off, or was made with another integrator or version");
    CompoundIntegrator::loadCheckpoint(stream);
    JumpNoise loaded = *noise;
    loaded.loadCheckpoint(stream);
    // OpenMM takes whatever it has read for the number of the present child.
    const bool intact = stream && getCurrentIntegrator() == 0;
    if (!intact)
        CompoundIntegrator::setCurrentIntegrator(0);
    require(intact, "the checkpoint is cut off or damaged");
    *noise = loaded;
}

void JumpIntegrator::serializeParameters(SerializationNode& node) const {
    CompoundIntegrator::serializeParameters(node);
    noise->serialize(node);
    if (context != nullptr) {
        stringstream checkpoint(ios_base::in | ios_base::out | ios_base::binary);
        context->createCheckpoint(checkpoint);
        node.setStringProperty("checkpoint", encodeBase64(checkpoint.str()));
    }
}

void JumpIntegrator::deserializeParameters(const SerializationNode& node) {
    // OpenMM takes for granted that there is a child for each integrator.
    require(JumpNoise::isIn(node) && (int)node.getChildren().size() == getNumIntegrators(),
            "the State was saved with another integrator, so its integrator parameters cannot be used");
    CompoundIntegrator::deserializeParameters(node);
    const bool fresh = noise->deserialize(node);
    if (!fresh || context == nullptr || !node.hasProperty("checkpoint"))
        return;
    const JumpNoise given = *noise;
    Snapshot(*context).loadCheckpoint(*context, decodeBase64(node.getStringProperty("checkpoint")));
    *noise = given;
}

} // namespace JumpPlugin
