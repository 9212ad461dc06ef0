#ifndef OPENMMJUMP_JUMPINTEGRATORPROXY_H_
#define OPENMMJUMP_JUMPINTEGRATORPROXY_H_

#include "openmm/serialization/SerializationProxy.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** Writes and reads a JumpIntegrator as XML. */
class OPENMM_EXPORT_JUMP JumpIntegratorProxy : public OpenMM::SerializationProxy {
public:
    JumpIntegratorProxy();
    void serialize(const void* object, OpenMM::SerializationNode& node) const override;
    void* deserialize(const OpenMM::SerializationNode& node) const override;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPINTEGRATORPROXY_H_
