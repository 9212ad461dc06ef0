#include "openmmjump/serialization/JumpIntegratorProxy.h"

#include <memory>

#include "openmm/OpenMMException.h"
#include "openmm/serialization/SerializationNode.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/internal/IntegratorTemperature.h"
#include "openmmjump/serialization/ModelNode.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

void serializeGate(const GateSettings& gate, SerializationNode& node) {
    node.setBoolProperty("checkBonds", gate.checkBonds);
    node.setBoolProperty("checkClashes", gate.checkClashes);
    node.setBoolProperty("checkStereocenters", gate.checkStereocenters);
    node.setBoolProperty("checkStereoBonds", gate.checkStereoBonds);
    node.setBoolProperty("checkConstraints", gate.checkConstraints);
    node.setBoolProperty("checkEnergy", gate.checkEnergy);
    node.setDoubleProperty("minBondRatio", gate.minBondRatio);
    node.setDoubleProperty("maxBondRatio", gate.maxBondRatio);
    node.setDoubleProperty("clashRatio", gate.clashRatio);
    node.setDoubleProperty("maxConstraintError", gate.maxConstraintError);
    node.setDoubleProperty("maxEnergyIncrease", gate.maxEnergyIncrease);
}

GateSettings deserializeGate(const SerializationNode& node) {
    GateSettings gate;
    gate.checkBonds = node.getBoolProperty("checkBonds");
    gate.checkClashes = node.getBoolProperty("checkClashes");
    gate.checkStereocenters = node.getBoolProperty("checkStereocenters");
    gate.checkStereoBonds = node.getBoolProperty("checkStereoBonds");
    gate.checkConstraints = node.getBoolProperty("checkConstraints");
    gate.checkEnergy = node.getBoolProperty("checkEnergy");
    gate.minBondRatio = node.getDoubleProperty("minBondRatio");
    gate.maxBondRatio = node.getDoubleProperty("maxBondRatio");
    gate.clashRatio = node.getDoubleProperty("clashRatio");
    gate.maxConstraintError = node.getDoubleProperty("maxConstraintError");
    gate.maxEnergyIncrease = node.getDoubleProperty("maxEnergyIncrease");
    return gate;
}

void serializeRepair(const RepairSettings& repair, SerializationNode& node) {
    node.setIntProperty("policy", repair.policy);
    node.setIntProperty("iterations", repair.iterations);
    node.setDoubleProperty("tolerance", repair.tolerance);
    node.setDoubleProperty("tetherStrength", repair.tetherStrength);
}

RepairSettings deserializeRepair(const SerializationNode& node) {
    RepairSettings repair;
    repair.policy = (RepairSettings::Policy)node.getIntProperty("policy");
    repair.iterations = node.getIntProperty("iterations");
    repair.tolerance = node.getDoubleProperty("tolerance");
    repair.tetherStrength = node.getDoubleProperty("tetherStrength");
    return repair;
}

void serializeGuidance(const GuidanceSettings& guidance, SerializationNode& node) {
    node.setIntProperty("forceGroups", guidance.forceGroups);
    node.setDoubleProperty("strength", guidance.strength);
    node.setIntProperty("schedule", guidance.schedule);
    node.setIntProperty("point", guidance.point);
    node.setDoubleProperty("forceCap", guidance.forceCap);
    node.setIntProperty("steps", guidance.steps);
}

GuidanceSettings deserializeGuidance(const SerializationNode& node) {
    GuidanceSettings guidance;
    guidance.forceGroups = node.getIntProperty("forceGroups");
    guidance.strength = node.getDoubleProperty("strength");
    guidance.schedule = (GuidanceSettings::Schedule)node.getIntProperty("schedule");
    guidance.point = (GuidanceSettings::Point)node.getIntProperty("point");
    guidance.forceCap = node.getDoubleProperty("forceCap");
    guidance.steps = node.getIntProperty("steps");
    return guidance;
}

/** The model's own time grid is part of the model: only one that replaces it is written. */
void serializeSampler(const SamplerSettings& sampler, SerializationNode& node) {
    node.setBoolProperty("useDoublePrecision", sampler.useDoublePrecision);
    node.setBoolProperty("useCudaGraphs", sampler.useCudaGraphs);
    node.setIntProperty("threads", sampler.threads);
    for (double time : sampler.timeGrid)
        node.createChildNode("Time").setDoubleProperty("t", time);
}

SamplerSettings deserializeSampler(const SerializationNode& node) {
    SamplerSettings sampler;
    sampler.useDoublePrecision = node.getBoolProperty("useDoublePrecision");
    sampler.useCudaGraphs = node.getBoolProperty("useCudaGraphs");
    sampler.threads = node.getIntProperty("threads");
    for (const SerializationNode& time : node.getChildren())
        sampler.timeGrid.push_back(time.getDoubleProperty("t"));
    return sampler;
}

/** Set the seed without touching that of the relaxation, which was read with the relaxation integrator. */
void setSeedOfJumpsOnly(JumpIntegrator& integrator, int seed) {
    IntegratorTemperature relaxation(integrator.getRelaxationIntegrator());
    const optional<int> relaxationSeed = relaxation.getRandomNumberSeed();
    integrator.setRandomNumberSeed(seed);
    if (relaxationSeed)
        relaxation.setRandomNumberSeed(*relaxationSeed);
}

} // namespace

JumpIntegratorProxy::JumpIntegratorProxy() : SerializationProxy("JumpIntegrator") {}

void JumpIntegratorProxy::serialize(const void* object, SerializationNode& node) const {
    node.setIntProperty("version", 2);
    const JumpIntegrator& integrator = *reinterpret_cast<const JumpIntegrator*>(object);
    node.setDoubleProperty("temperature", integrator.getTemperature());
    node.setDoubleProperty("lagTime", integrator.getLagTime());
    node.setIntProperty("relaxationSteps", integrator.getRelaxationSteps());
    node.setDoubleProperty("relaxationFriction", integrator.getRelaxationFriction());
    node.setIntProperty("maxAttempts", integrator.getMaxAttempts());
    node.setIntProperty("acceptance", integrator.getAcceptance());
    node.setBoolProperty("recordEnergies", integrator.getRecordEnergies());
    node.setIntProperty("randomSeed", integrator.getRandomNumberSeed());
    serializeGate(integrator.getGateSettings(), node.createChildNode("Gate"));
    serializeRepair(integrator.getRepairSettings(), node.createChildNode("Repair"));
    serializeGuidance(integrator.getGuidanceSettings(), node.createChildNode("Guidance"));
    serializeSampler(integrator.getSamplerSettings(), node.createChildNode("Sampler"));
    // The whole model file is embedded, so that what was saved runs anywhere.
    writeModel(integrator.getModel(), node.createChildNode("Model"));
    node.createChildNode("Graph", &integrator.getMolecularGraph());
    node.createChildNode("Relaxation", &integrator.getRelaxationIntegrator());
}

void* JumpIntegratorProxy::deserialize(const SerializationNode& node) const {
    if (node.getIntProperty("version") != 2)
        throw OpenMMException("Unsupported version number");
    const JumpModel model = readModel(node.getChildNode("Model"));
    const unique_ptr<MolecularGraph> graph(node.getChildNode("Graph").decodeObject<MolecularGraph>());
    unique_ptr<Integrator> relaxation(node.getChildNode("Relaxation").decodeObject<Integrator>());
    const double temperature = node.getDoubleProperty("temperature");
    unique_ptr<JumpIntegrator> integrator(new JumpIntegrator(model, *graph, temperature, relaxation.get()));
    relaxation.release();
    integrator->setLagTime(node.getDoubleProperty("lagTime"));
    integrator->setRelaxationSteps(node.getIntProperty("relaxationSteps"));
    integrator->setRelaxationFriction(node.getDoubleProperty("relaxationFriction"));
    integrator->setMaxAttempts(node.getIntProperty("maxAttempts"));
    integrator->setAcceptance((JumpIntegrator::Acceptance)node.getIntProperty("acceptance"));
    integrator->setRecordEnergies(node.getBoolProperty("recordEnergies"));
    setSeedOfJumpsOnly(*integrator, node.getIntProperty("randomSeed"));
    integrator->setGateSettings(deserializeGate(node.getChildNode("Gate")));
    integrator->setRepairSettings(deserializeRepair(node.getChildNode("Repair")));
    integrator->setGuidanceSettings(deserializeGuidance(node.getChildNode("Guidance")));
    integrator->setSamplerSettings(deserializeSampler(node.getChildNode("Sampler")));
    return integrator.release();
}

} // namespace JumpPlugin
