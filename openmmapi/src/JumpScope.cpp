#include "JumpScope.h"

#include <algorithm>
#include <vector>

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

JumpScope::JumpScope(const System& system, const MolecularGraph& graph) {
    vector<bool> isModelAtom(system.getNumParticles(), false);
    for (int i = 0; i < graph.getNumAtoms(); i++)
        isModelAtom[graph.getAtom(i).particle] = true;
    vector<bool> jumps = isModelAtom;
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        jumps[graph.getRidingAtom(i).particle] = true;
    hasEnvironment = graph.getNumAtoms() + graph.getNumRidingAtoms() < system.getNumParticles();
    int dof = 0;
    for (int i = 0; i < system.getNumParticles(); i++)
        if (jumps[i] && system.getParticleMass(i) > 0)
            dof += 3;
    for (int i = 0; i < system.getNumConstraints(); i++) {
        int particle1, particle2;
        double distance;
        system.getConstraintParameters(i, particle1, particle2, distance);
        dof -= jumps[particle1];
        constrainsModelAtoms = constrainsModelAtoms || (isModelAtom[particle1] && isModelAtom[particle2]);
    }
    degreesOfFreedom = max(dof, 1);
}

} // namespace JumpPlugin
