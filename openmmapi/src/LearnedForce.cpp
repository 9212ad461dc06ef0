#include "openmmjump/LearnedForce.h"

#include "SamplerTime.h"
#include "openmm/OpenMMException.h"
#include "openmmjump/internal/LearnedForceImpl.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

LearnedForce::LearnedForce(const JumpModel& model, const MolecularGraph& graph, Kind kind) :
    model(model), graph(graph), kind(kind), energyHead(0), defaultTime(0), doublePrecision(false), periodic(false) {
    if (!model.hasEnergies())
        throw OpenMMException("LearnedForce: the model '" + model.getName() + "' is of the family '" +
                              model.getFamily() + "', whose models have no energies or forces");
    if (kind != Energy && kind != GuidanceKernel)
        throw OpenMMException("LearnedForce: unknown kind of force");
    if (graph.getNumAtoms() == 0)
        throw OpenMMException("LearnedForce: the graph has no model atoms");
}

const string& LearnedForce::Time() {
    return SamplerTime::Name();
}

void LearnedForce::setEnergyHead(int head) {
    if (head < 0)
        throw OpenMMException("LearnedForce: the number of the energy head cannot be negative");
    energyHead = head;
}

void LearnedForce::setDefaultTime(double time) {
    if (!(time >= 0 && time <= 1))
        throw OpenMMException("LearnedForce: the time must be between 0 and 1");
    defaultTime = time;
}

void LearnedForce::setUseDoublePrecision(bool use) {
    doublePrecision = use;
}

void LearnedForce::setUsesPeriodicBoundaryConditions(bool use) {
    periodic = use;
}

ForceImpl* LearnedForce::createImpl() const {
    return new LearnedForceImpl(*this);
}

} // namespace JumpPlugin
