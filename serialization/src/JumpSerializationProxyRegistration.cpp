#include "JumpIntegrator.h"
#include "JumpIntegratorProxy.h"
#include "LearnedForce.h"
#include "LearnedForceProxy.h"
#include "MolecularGraph.h"
#include "MolecularGraphProxy.h"
#include "openmm/serialization/SerializationProxy.h"

using namespace JumpPlugin;
using namespace OpenMM;

/** Runs when the library is loaded, so that OpenMM's XmlSerializer knows our classes. */
extern "C" void __attribute__((constructor)) registerJumpSerializationProxies() {
    SerializationProxy::registerProxy(typeid(JumpIntegrator), new JumpIntegratorProxy());
    SerializationProxy::registerProxy(typeid(LearnedForce), new LearnedForceProxy());
    SerializationProxy::registerProxy(typeid(MolecularGraph), new MolecularGraphProxy());
}
