#include "openmm/serialization/SerializationProxy.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/LearnedForce.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/serialization/JumpIntegratorProxy.h"
#include "openmmjump/serialization/LearnedForceProxy.h"
#include "openmmjump/serialization/MolecularGraphProxy.h"

using namespace JumpPlugin;
using namespace OpenMM;

/** Runs when the library is loaded, so that OpenMM's XmlSerializer knows our classes. */
extern "C" void __attribute__((constructor)) registerJumpSerializationProxies() {
    SerializationProxy::registerProxy(typeid(JumpIntegrator), new JumpIntegratorProxy());
    SerializationProxy::registerProxy(typeid(LearnedForce), new LearnedForceProxy());
    SerializationProxy::registerProxy(typeid(MolecularGraph), new MolecularGraphProxy());
}
