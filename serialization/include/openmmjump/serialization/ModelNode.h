#ifndef OPENMMJUMP_MODELNODE_H_
#define OPENMMJUMP_MODELNODE_H_

#include "openmm/serialization/SerializationNode.h"
#include "openmmjump/JumpModel.h"
#include "openmmjump/internal/Base64.h"

namespace JumpPlugin {

/** Write a whole model file into a node, so that what was saved runs anywhere. */
inline void writeModel(const JumpModel& model, OpenMM::SerializationNode& node) {
    node.setStringProperty("name", model.getName()).setStringProperty("data", encodeBase64(model.getBytes()));
}

/** Read what writeModel() wrote. */
inline JumpModel readModel(const OpenMM::SerializationNode& node) {
    return JumpModel::fromBytes(decodeBase64(node.getStringProperty("data")), node.getStringProperty("name"));
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_MODELNODE_H_
