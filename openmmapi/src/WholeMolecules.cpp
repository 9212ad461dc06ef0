#include "openmmjump/internal/WholeMolecules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "openmm/Force.h"
#include "openmm/OpenMMException.h"

using namespace JumpPlugin;
using OpenMM::OpenMMException;
using OpenMM::System;
using OpenMM::Vec3;
using std::vector;

namespace {

/** The lattice vector that shortens a displacement when it is added (right for anything below half the box). */
Vec3 findShift(Vec3 delta, const Vec3* box) {
    Vec3 shift;
    for (int k = 2; k >= 0; k--) {
        Vec3 step = box[k] * -std::round(delta[k] / box[k][k]);
        shift += step;
        delta += step;
    }
    return shift;
}

/** The lattice vector that makes a displacement shortest, right for any displacement in a skewed box. */
Vec3 findBestShift(const Vec3& delta, const Vec3* box) {
    Vec3 first = findShift(delta, box), best = first;
    double shortest = (delta + first).dot(delta + first);
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++)
            for (int k = -1; k <= 1; k++) {
                Vec3 shift = first + box[0] * i + box[1] * j + box[2] * k;
                Vec3 moved = delta + shift;
                // The margin keeps the first image where two are equally near.
                if (moved.dot(moved) < shortest * (1 - 1e-9)) {
                    shortest = moved.dot(moved);
                    best = shift;
                }
            }
    return best;
}

/** Nearest contact of a molecule with those that are already placed. */
struct Contact {
    double distance2 = std::numeric_limits<double>::infinity();
    Vec3 delta; // from the placed atom to the molecule's
};

void updateContact(Contact& contact, const vector<int>& molecule, const vector<int>& placed, const vector<Vec3>& x,
                   const Vec3* box) {
    for (int i : placed)
        for (int j : molecule) {
            Vec3 delta = x[j] - x[i];
            Vec3 moved = delta + findShift(delta, box);
            if (moved.dot(moved) < contact.distance2)
                contact = {moved.dot(moved), delta};
        }
}

} // namespace

WholeMolecules::WholeMolecules(const MolecularGraph& graph) {
    vector<bool> seen(graph.getNumAtoms(), false);
    for (int first = 0; first < graph.getNumAtoms(); first++) {
        atomParticles.push_back(graph.getAtom(first).particle);
        if (seen[first])
            continue;
        seen[first] = true;
        vector<int> molecule = {first};
        for (size_t i = 0; i < molecule.size(); i++)
            for (int next : graph.getNeighbors(molecule[i]))
                if (!seen[next]) {
                    seen[next] = true;
                    links.push_back({next, molecule[i]});
                    molecule.push_back(next);
                }
        molecules.push_back(molecule);
    }
    for (int i = 0; i < graph.getNumRidingAtoms(); i++) {
        riderParticles.push_back(graph.getRidingAtom(i).particle);
        riderParents.push_back(graph.getRidingAtom(i).parent);
    }
}

bool WholeMolecules::isPeriodic(const System& system) {
    for (int i = 0; i < system.getNumForces(); i++)
        try {
            if (system.getForce(i).usesPeriodicBoundaryConditions())
                return true;
        } catch (const OpenMMException&) {
            // what a Force of somebody's own does if it was not written to tell
        }
    return false;
}

WholePositions WholeMolecules::read(const vector<Vec3>& positions, const Vec3* box) const {
    WholePositions whole;
    for (int particle : atomParticles)
        whole.atoms.push_back(positions[particle]);
    for (int particle : riderParticles)
        whole.riders.push_back(positions[particle]);
    whole.atomOffsets.resize(whole.atoms.size());
    whole.riderOffsets.resize(whole.riders.size());
    if (box != nullptr) {
        joinBonds(whole, box);
        joinMolecules(whole, box);
        joinRiders(whole, box);
    }
    return whole;
}

void WholeMolecules::write(const WholePositions& whole, vector<Vec3>& positions) const {
    for (size_t i = 0; i < atomParticles.size(); i++)
        positions[atomParticles[i]] = whole.atoms[i] - whole.atomOffsets[i];
    for (size_t i = 0; i < riderParticles.size(); i++)
        positions[riderParticles[i]] = whole.riders[i] - whole.riderOffsets[i];
}

void WholeMolecules::joinBonds(WholePositions& whole, const Vec3* box) const {
    for (const Link& link : links) {
        Vec3 shift = findShift(whole.atoms[link.atom] - whole.atoms[link.placed], box);
        whole.atoms[link.atom] += shift;
        whole.atomOffsets[link.atom] += shift;
    }
}

void WholeMolecules::joinMolecules(WholePositions& whole, const Vec3* box) const {
    vector<Contact> contacts(molecules.size());
    vector<int> waiting;
    for (int i = 1; i < (int)molecules.size(); i++)
        waiting.push_back(i);
    int placed = 0;
    while (!waiting.empty()) {
        for (int i : waiting)
            updateContact(contacts[i], molecules[i], molecules[placed], whole.atoms, box);
        auto nearest = std::min_element(waiting.begin(), waiting.end(),
                                        [&](int i, int j) { return contacts[i].distance2 < contacts[j].distance2; });
        placed = *nearest;
        waiting.erase(nearest);
        Vec3 shift = findBestShift(contacts[placed].delta, box);
        for (int atom : molecules[placed]) {
            whole.atoms[atom] += shift;
            whole.atomOffsets[atom] += shift;
        }
    }
}

void WholeMolecules::joinRiders(WholePositions& whole, const Vec3* box) const {
    for (size_t i = 0; i < riderParents.size(); i++) {
        Vec3 shift = findShift(whole.riders[i] - whole.atoms[riderParents[i]], box);
        whole.riders[i] += shift;
        whole.riderOffsets[i] += shift;
    }
}
