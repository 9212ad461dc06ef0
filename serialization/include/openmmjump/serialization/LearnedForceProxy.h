#ifndef OPENMMJUMP_LEARNEDFORCEPROXY_H_
#define OPENMMJUMP_LEARNEDFORCEPROXY_H_

#include "openmm/serialization/SerializationProxy.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** Writes and reads a LearnedForce as XML. */
class OPENMM_EXPORT_JUMP LearnedForceProxy : public OpenMM::SerializationProxy {
public:
    LearnedForceProxy();
    void serialize(const void* object, OpenMM::SerializationNode& node) const override;
    void* deserialize(const OpenMM::SerializationNode& node) const override;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_LEARNEDFORCEPROXY_H_
