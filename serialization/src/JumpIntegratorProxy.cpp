#include "JumpIntegratorProxy.h"

#include <memory>

#include "JumpIntegrator.h"
#include "ModelNode.h"
#include "internal/Thermostat.h"
#include "openmm/OpenMMException.h"
#include "openmm/serialization/SerializationNode.h"

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
    gate.checkEnergy = node.getBoolProperty("checkEnergy");
    gate.minBondRatio = node.getDoubleProperty("minBondRatio");
    gate.maxBondRatio = node.getDoubleProperty("maxBondRatio");
    gate.clashRatio = node.getDoubleProperty("clashRatio");
    gate.maxEnergyIncrease = node.getDoubleProperty("maxEnergyIncrease");
    // Younger than version 1.
    gate.checkStereoBonds = node.getBoolProperty("checkStereoBonds", gate.checkStereoBonds);
    gate.checkConstraints = node.getBoolProperty("checkConstraints", gate.checkConstraints);
    gate.maxConstraintError = node.getDoubleProperty("maxConstraintError", gate.maxConstraintError);
    return gate;
}

/** Guidance is younger than version 1. */
void deserializeGuidance(const SerializationNode& node, JumpIntegrator& integrator) {
    if (!node.hasProperty("guidanceForceGroups"))
        return;
    integrator.setGuidanceForceGroups(node.getIntProperty("guidanceForceGroups"));
    integrator.setGuidanceStrength(node.getDoubleProperty("guidanceStrength"));
    integrator.setGuidanceSchedule((JumpIntegrator::GuidanceSchedule)node.getIntProperty("guidanceSchedule"));
    integrator.setGuidancePoint(
        (JumpIntegrator::GuidancePoint)node.getIntProperty("guidancePoint", JumpIntegrator::OnPath)); // younger still
    integrator.setGuidanceForceCap(node.getDoubleProperty("guidanceForceCap"));
    integrator.setGuidanceSteps(node.getIntProperty("guidanceSteps"));
}

/** Set the seed without touching that of the relaxation, which was read with the relaxation integrator. */
void setSeedOfJumpsOnly(JumpIntegrator& integrator, int seed) {
    Thermostat relaxation(integrator.getRelaxationIntegrator());
    const optional<int> relaxationSeed = relaxation.getRandomNumberSeed();
    integrator.setRandomNumberSeed(seed);
    if (relaxationSeed)
        relaxation.setRandomNumberSeed(*relaxationSeed);
}

} // namespace

JumpIntegratorProxy::JumpIntegratorProxy() : SerializationProxy("JumpIntegrator") {}

void JumpIntegratorProxy::serialize(const void* object, SerializationNode& node) const {
    node.setIntProperty("version", 1);
    const JumpIntegrator& integrator = *reinterpret_cast<const JumpIntegrator*>(object);
    node.setDoubleProperty("temperature", integrator.getTemperature());
    node.setIntProperty("relaxationSteps", integrator.getRelaxationSteps());
    node.setDoubleProperty("relaxationFriction", integrator.getRelaxationFriction());
    node.setIntProperty("maxAttempts", integrator.getMaxAttempts());
    node.setIntProperty("repairPolicy", integrator.getRepairPolicy());
    node.setIntProperty("acceptance", integrator.getAcceptance());
    node.setIntProperty("repairIterations", integrator.getRepairIterations());
    node.setDoubleProperty("repairTolerance", integrator.getRepairTolerance());
    node.setDoubleProperty("tetherStrength", integrator.getTetherStrength());
    node.setIntProperty("guidanceForceGroups", integrator.getGuidanceForceGroups());
    node.setDoubleProperty("guidanceStrength", integrator.getGuidanceStrength());
    node.setIntProperty("guidanceSchedule", integrator.getGuidanceSchedule());
    node.setIntProperty("guidancePoint", integrator.getGuidancePoint());
    node.setDoubleProperty("guidanceForceCap", integrator.getGuidanceForceCap());
    node.setIntProperty("guidanceSteps", integrator.getGuidanceSteps());
    node.setBoolProperty("useDoublePrecision", integrator.getUseDoublePrecision());
    node.setBoolProperty("useCudaGraphs", integrator.getUseCudaGraphs());
    node.setIntProperty("networkThreads", integrator.getNetworkThreads());
    node.setBoolProperty("annotation", integrator.getAnnotation());
    node.setIntProperty("randomSeed", integrator.getRandomNumberSeed());
    serializeGate(integrator.getGateSettings(), node.createChildNode("Gate"));
    // The model's own grid is part of the model: only a grid that replaces it is written.
    SerializationNode& grid = node.createChildNode("TimeGrid");
    if (integrator.getTimeGrid() != integrator.getModel().getTimeGrid())
        for (double time : integrator.getTimeGrid())
            grid.createChildNode("Time").setDoubleProperty("t", time);
    // The whole model file is embedded, so that what was saved runs anywhere.
    writeModel(integrator.getModel(), node.createChildNode("Model"));
    node.createChildNode("Graph", &integrator.getMolecularGraph());
    node.createChildNode("Relaxation", &integrator.getRelaxationIntegrator());
}

void* JumpIntegratorProxy::deserialize(const SerializationNode& node) const {
    if (node.getIntProperty("version") != 1)
        throw OpenMMException("Unsupported version number");
    const JumpModel model = readModel(node.getChildNode("Model"));
    const unique_ptr<MolecularGraph> graph(node.getChildNode("Graph").decodeObject<MolecularGraph>());
    unique_ptr<Integrator> relaxation(node.getChildNode("Relaxation").decodeObject<Integrator>());
    const double temperature = node.getDoubleProperty("temperature");
    unique_ptr<JumpIntegrator> integrator(new JumpIntegrator(model, *graph, temperature, relaxation.get()));
    relaxation.release();
    integrator->setRelaxationSteps(node.getIntProperty("relaxationSteps"));
    integrator->setRelaxationFriction(node.getDoubleProperty("relaxationFriction"));
    integrator->setMaxAttempts(node.getIntProperty("maxAttempts"));
    integrator->setRepairPolicy((JumpIntegrator::RepairPolicy)node.getIntProperty("repairPolicy"));
    // What is younger than version 1 has a default.
    integrator->setAcceptance((JumpIntegrator::Acceptance)node.getIntProperty("acceptance", JumpIntegrator::Gate));
    integrator->setRepairIterations(node.getIntProperty("repairIterations"));
    integrator->setRepairTolerance(node.getDoubleProperty("repairTolerance"));
    integrator->setTetherStrength(
        node.getDoubleProperty("tetherStrength", integrator->getTetherStrength())); // younger than version 1
    deserializeGuidance(node, *integrator);
    integrator->setUseDoublePrecision(node.getBoolProperty("useDoublePrecision"));
    integrator->setUseCudaGraphs(node.getBoolProperty("useCudaGraphs", false));
    integrator->setNetworkThreads(node.getIntProperty("networkThreads"));
    integrator->setAnnotation(node.getBoolProperty("annotation", false)); // younger than version 1
    setSeedOfJumpsOnly(*integrator, node.getIntProperty("randomSeed"));
    integrator->setGateSettings(deserializeGate(node.getChildNode("Gate")));
    vector<double> grid;
    for (auto& time : node.getChildNode("TimeGrid").getChildren())
        grid.push_back(time.getDoubleProperty("t"));
    integrator->setTimeGrid(grid);
    return integrator.release();
}

} // namespace JumpPlugin
