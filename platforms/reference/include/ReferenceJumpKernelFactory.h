#ifndef OPENMMJUMP_REFERENCEJUMPKERNELFACTORY_H_
#define OPENMMJUMP_REFERENCEJUMPKERNELFACTORY_H_

#include "openmm/KernelFactory.h"

namespace JumpPlugin {

/** Makes the kernels of this plugin for platforms that keep positions where the host can reach them. */
class ReferenceJumpKernelFactory : public OpenMM::KernelFactory {
public:
    OpenMM::KernelImpl* createKernelImpl(std::string name, const OpenMM::Platform& platform,
                                         OpenMM::ContextImpl& context) const override;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_REFERENCEJUMPKERNELFACTORY_H_
