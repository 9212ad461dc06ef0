#include "openmmjump/internal/LearnedForceImpl.h"

#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

LearnedForceImpl::LearnedForceImpl(const LearnedForce& owner) :
    CustomCPPForceImpl(owner), owner(owner), wholeMolecules(owner.getMolecularGraph()) {}

void LearnedForceImpl::initialize(ContextImpl& context) {
    const MolecularGraph& graph = owner.getMolecularGraph();
    for (int i = 0; i < graph.getNumAtoms(); i++) {
        const MolecularGraph::Atom& atom = graph.getAtom(i);
        if (atom.particle >= context.getSystem().getNumParticles())
            throw OpenMMException("LearnedForce: the graph has the particle " + to_string(atom.particle) +
                                  ", but the System has " + to_string(context.getSystem().getNumParticles()));
        if (!owner.getModel().knowsAtom(atom.atomicNumber, atom.blockType))
            throw OpenMMException("LearnedForce: the model '" + owner.getModel().getName() +
                                  "' was not trained for particle " + to_string(atom.particle) + ": atomic number " +
                                  to_string(atom.atomicNumber));
    }
    network = make_unique<NetworkForce>(owner);
    CustomCPPForceImpl::initialize(context);
}

double LearnedForceImpl::computeForce(ContextImpl& context, const vector<Vec3>& positions, vector<Vec3>& forces) {
    Vec3 box[3];
    context.getPeriodicBoxVectors(box[0], box[1], box[2]);
    const WholePositions whole = wholeMolecules.read(positions, owner.usesPeriodicBoundaryConditions() ? box : nullptr);
    vector<Vec3> onAtoms;
    const double energy = network->compute(whole.atoms, context.getParameter(LearnedForce::Time()), onAtoms);
    fill(forces.begin(), forces.end(), Vec3());
    const MolecularGraph& graph = owner.getMolecularGraph();
    for (int i = 0; i < graph.getNumAtoms(); i++)
        forces[graph.getAtom(i).particle] = onAtoms[i];
    return energy;
}

map<string, double> LearnedForceImpl::getDefaultParameters() {
    return {{LearnedForce::Time(), owner.getDefaultTime()}};
}

vector<pair<int, int>> LearnedForceImpl::getBondedParticles() const {
    const MolecularGraph& graph = owner.getMolecularGraph();
    vector<pair<int, int>> bonds;
    for (int i = 0; i < graph.getNumBonds(); i++)
        bonds.emplace_back(graph.getAtom(graph.getBond(i).atom1).particle,
                           graph.getAtom(graph.getBond(i).atom2).particle);
    return bonds;
}

} // namespace JumpPlugin
