#ifndef OPENMMJUMP_MOLECULARGRAPHPROXY_H_
#define OPENMMJUMP_MOLECULARGRAPHPROXY_H_

#include "internal/windowsExportJump.h"
#include "openmm/serialization/SerializationProxy.h"

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
