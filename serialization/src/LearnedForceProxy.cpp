#include "openmmjump/serialization/LearnedForceProxy.h"

#include <memory>

#include "openmm/OpenMMException.h"
#include "openmmjump/LearnedForce.h"
#include "openmmjump/serialization/ModelNode.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

LearnedForceProxy::LearnedForceProxy() : SerializationProxy("LearnedForce") {}

void LearnedForceProxy::serialize(const void* object, SerializationNode& node) const {
    node.setIntProperty("version", 1);
    const LearnedForce& force = *reinterpret_cast<const LearnedForce*>(object);
    node.setIntProperty("forceGroup", force.getForceGroup());
    node.setStringProperty("name", force.getName());
    node.setIntProperty("kind", force.getKind());
    node.setIntProperty("energyHead", force.getEnergyHead());
    node.setDoubleProperty("defaultTime", force.getDefaultTime());
    node.setBoolProperty("useDoublePrecision", force.getUseDoublePrecision());
    node.setBoolProperty("usesPeriodic", force.usesPeriodicBoundaryConditions());
    writeModel(force.getModel(), node.createChildNode("Model"));
    node.createChildNode("Graph", &force.getMolecularGraph());
}

void* LearnedForceProxy::deserialize(const SerializationNode& node) const {
    if (node.getIntProperty("version") != 1)
        throw OpenMMException("Unsupported version number");
    const unique_ptr<MolecularGraph> graph(node.getChildNode("Graph").decodeObject<MolecularGraph>());
    auto force = make_unique<LearnedForce>(readModel(node.getChildNode("Model")), *graph,
                                           (LearnedForce::Kind)node.getIntProperty("kind"));
    force->setForceGroup(node.getIntProperty("forceGroup"));
    force->setName(node.getStringProperty("name"));
    force->setEnergyHead(node.getIntProperty("energyHead"));
    force->setDefaultTime(node.getDoubleProperty("defaultTime"));
    force->setUseDoublePrecision(node.getBoolProperty("useDoublePrecision"));
    force->setUsesPeriodicBoundaryConditions(node.getBoolProperty("usesPeriodic"));
    return force.release();
}

} // namespace JumpPlugin
