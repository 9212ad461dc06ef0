#ifndef OPENMMJUMP_MOLECULARGRAPHPROXY_H_
#define OPENMMJUMP_MOLECULARGRAPHPROXY_H_

#include "openmm/serialization/SerializationProxy.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** Writes and reads a MolecularGraph as XML. */
class OPENMM_EXPORT_JUMP MolecularGraphProxy : public OpenMM::SerializationProxy {
public:
    MolecularGraphProxy();
    void serialize(const void* object, OpenMM::SerializationNode& node) const override;
    void* deserialize(const OpenMM::SerializationNode& node) const override;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_MOLECULARGRAPHPROXY_H_
