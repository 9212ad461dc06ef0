#include "openmmjump/MolecularGraph.h"

#include <algorithm>
#include <unordered_map>

#include "openmm/OpenMMException.h"
#include "openmm/System.h"
#include "openmm/VirtualSite.h"
#include "openmmjump/JumpModel.h"

using namespace JumpPlugin;
using OpenMM::OpenMMException;
using OpenMM::System;
using std::string;
using std::to_string;
using std::vector;

namespace {

constexpr int NumElements = 118;
constexpr int NumBlocks = 138;

[[noreturn]] void fail(const string& sentence) {
    throw OpenMMException("MolecularGraph: " + sentence);
}

template <class T>
const T& getItem(const vector<T>& items, int index, const string& what) {
    if (index < 0 || index >= (int)items.size())
        fail("there is no " + what + " " + to_string(index) + ": the graph has " + to_string(items.size()));
    return items[index];
}

/** What one particle of the System is to the graph. */
struct Role {
    bool isModelAtom;
    int parent; // the model atom itself, or the one the particle rides on
};

using Roles = std::unordered_map<int, Role>;

Roles findRoles(const MolecularGraph& graph) {
    Roles roles;
    for (int i = 0; i < graph.getNumAtoms(); i++)
        roles[graph.getAtom(i).particle] = {true, i};
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        roles[graph.getRidingAtom(i).particle] = {false, graph.getRidingAtom(i).parent};
    return roles;
}

void checkExists(int particle, const string& what, const System& system) {
    if (particle >= system.getNumParticles())
        fail(what + " is particle " + to_string(particle) + ", but the System has only " +
             to_string(system.getNumParticles()) + " particles");
}

void checkModelAtoms(const MolecularGraph& graph, const System& system) {
    for (int i = 0; i < graph.getNumAtoms(); i++) {
        int particle = graph.getAtom(i).particle;
        checkExists(particle, "model atom " + to_string(i), system);
        if (system.isVirtualSite(particle))
            fail("model atom " + to_string(i) + " (particle " + to_string(particle) +
                 ") is a virtual site, which other particles place: make it a riding atom");
        if (system.getParticleMass(particle) == 0)
            fail("model atom " + to_string(i) + " (particle " + to_string(particle) +
                 ") has no mass, so it is held fixed and a jump cannot move it");
    }
}

void checkRidingAtoms(const MolecularGraph& graph, const System& system) {
    for (int i = 0; i < graph.getNumRidingAtoms(); i++) {
        int particle = graph.getRidingAtom(i).particle;
        checkExists(particle, "riding atom " + to_string(i), system);
        if (system.getParticleMass(particle) == 0 && !system.isVirtualSite(particle))
            fail("riding atom " + to_string(i) + " (particle " + to_string(particle) +
                 ") has no mass and is not a virtual site, so it is held fixed and a jump cannot move it");
    }
}

/** Whether two model atoms are a hydrogen and the heavy atom it is bonded to. */
bool isBondToHydrogen(const MolecularGraph& graph, int atom1, int atom2) {
    const vector<int>& near = graph.getNeighbors(atom1);
    return (graph.getAtom(atom1).atomicNumber == 1) != (graph.getAtom(atom2).atomicNumber == 1) &&
           std::find(near.begin(), near.end(), atom2) != near.end();
}

/**
 * A constraint survives a jump if both its particles move as one rigid piece with the same model atom. One of a bond to
 * a hydrogen that the model moves is restored after the jump, which concerns no atom but a heavy one and its hydrogens;
 * constraints of heavy atoms hang together, and satisfying them would change the whole molecule.
 */
void checkConstraint(int particle1, int particle2, const MolecularGraph& graph, const Roles& roles) {
    auto end = roles.end();
    auto role1 = roles.find(particle1), role2 = roles.find(particle2);
    if (role1 == end && role2 == end)
        return;
    string what = "the constraint between particles " + to_string(particle1) + " and " + to_string(particle2);
    if (role1 == end || role2 == end)
        fail(what + " joins the graph to a particle outside it, so a jump would break it: add particle " +
             to_string(role1 == end ? particle1 : particle2) + " as a riding atom or remove the constraint");
    if (role1->second.isModelAtom && role2->second.isModelAtom) {
        if (isBondToHydrogen(graph, role1->second.parent, role2->second.parent))
            return;
        fail(what + " joins two model atoms that are not a heavy atom and its hydrogen, and a jump moves them freely:" +
             " create the System with constraints=HBonds or without constraints");
    }
    if (role1->second.parent != role2->second.parent)
        fail(what + " joins a riding atom to an atom it does not ride on, so a jump would break it: create the" +
             " System with constraints=HBonds or without constraints");
}

void checkConstraints(const MolecularGraph& graph, const System& system) {
    Roles roles = findRoles(graph);
    for (int i = 0; i < system.getNumConstraints(); i++) {
        int particle1, particle2;
        double distance;
        system.getConstraintParameters(i, particle1, particle2, distance);
        checkConstraint(particle1, particle2, graph, roles);
    }
}

} // namespace

int MolecularGraph::addAtom(int particle, int atomicNumber, int blockType, bool ligand) {
    checkNewParticle(particle);
    if (atomicNumber < 1 || atomicNumber > NumElements)
        fail("the atomic number " + to_string(atomicNumber) + " of particle " + to_string(particle) +
             " is not between 1 and " + to_string(NumElements));
    if (blockType < -1 || blockType >= NumBlocks)
        fail("the block type " + to_string(blockType) + " of particle " + to_string(particle) +
             " is not between 0 and " + to_string(NumBlocks - 1) + " (or -1 for the block of the element)");
    atoms.push_back({particle, atomicNumber, blockType == -1 ? atomicNumber - 1 : blockType, ligand});
    neighbors.emplace_back();
    particles.insert(particle);
    return getNumAtoms() - 1;
}

int MolecularGraph::addBond(int atom1, int atom2, int order) {
    checkAtom(atom1, "bond");
    checkAtom(atom2, "bond");
    if (atom1 == atom2)
        fail("model atom " + to_string(atom1) + " cannot be bonded to itself");
    if (order < 0 || order > 3)
        fail("the bond order " + to_string(order) + " is not 1, 2, 3 or 0 (unknown)");
    const vector<int>& known = neighbors[atom1];
    if (std::find(known.begin(), known.end(), atom2) != known.end())
        fail("the bond between model atoms " + to_string(atom1) + " and " + to_string(atom2) + " was added before");
    bonds.push_back({atom1, atom2, order});
    neighbors[atom1].push_back(atom2);
    neighbors[atom2].push_back(atom1);
    return getNumBonds() - 1;
}

int MolecularGraph::addStereocenter(int atom1, int atom2, int atom3, int atom4) {
    const std::array<int, 4> center = {atom1, atom2, atom3, atom4};
    checkFourAtoms(center, "stereocentre");
    stereocenters.push_back({center});
    return getNumStereocenters() - 1;
}

int MolecularGraph::addStereoBond(int atom1, int atom2, int atom3, int atom4) {
    const std::array<int, 4> four = {atom1, atom2, atom3, atom4};
    checkFourAtoms(four, "stereo bond");
    for (int i = 1; i < 4; i++) {
        const vector<int>& near = neighbors[four[i]];
        if (std::find(near.begin(), near.end(), four[i - 1]) == near.end())
            fail("model atoms " + to_string(four[i - 1]) + " and " + to_string(four[i]) +
                 " of a stereo bond are not bonded: add their bond first");
    }
    stereoBonds.push_back({four});
    return getNumStereoBonds() - 1;
}

int MolecularGraph::addRidingAtom(int particle, int parent, int reference1, int reference2, FrameType frame) {
    checkNewParticle(particle);
    string what = "riding atom (particle " + to_string(particle) + ")";
    if (frame < Translation || frame > Bisector)
        fail("the frame type " + to_string((int)frame) + " of the " + what + " does not exist");
    checkAtom(parent, what);
    const int references[] = {reference1, reference2};
    const int needed = frame == Translation ? 0 : frame == Direction ? 1 : 2;
    for (int i = 0; i < 2; i++) {
        if (i >= needed && references[i] != -1)
            fail("the " + what + " names a reference atom that its frame does not use: pass -1");
        if (i < needed)
            checkAtom(references[i], what);
        if (i < needed && (references[i] == parent || references[i] == references[1 - i]))
            fail("the parent and the reference atoms of the " + what + " must be different");
    }
    ridingAtoms.push_back({particle, parent, reference1, reference2, frame});
    particles.insert(particle);
    return getNumRidingAtoms() - 1;
}

int MolecularGraph::addRidingAtom(int particle, int parent) {
    checkAtom(parent, "riding atom (particle " + to_string(particle) + ")");
    const vector<int>& near = neighbors[parent];
    if (near.empty())
        return addRidingAtom(particle, parent, -1, -1, Translation);
    if (near.size() > 1)
        return addRidingAtom(particle, parent, near[0], near[1], Bisector);
    for (int next : neighbors[near[0]])
        if (next != parent)
            return addRidingAtom(particle, parent, near[0], next, Axis);
    return addRidingAtom(particle, parent, near[0], -1, Direction);
}

int MolecularGraph::getNumAtoms() const {
    return (int)atoms.size();
}

const MolecularGraph::Atom& MolecularGraph::getAtom(int index) const {
    return getItem(atoms, index, "model atom");
}

int MolecularGraph::getNumBonds() const {
    return (int)bonds.size();
}

const MolecularGraph::Bond& MolecularGraph::getBond(int index) const {
    return getItem(bonds, index, "bond");
}

int MolecularGraph::getNumStereocenters() const {
    return (int)stereocenters.size();
}

const MolecularGraph::Stereocenter& MolecularGraph::getStereocenter(int index) const {
    return getItem(stereocenters, index, "stereocentre");
}

int MolecularGraph::getNumStereoBonds() const {
    return (int)stereoBonds.size();
}

const MolecularGraph::StereoBond& MolecularGraph::getStereoBond(int index) const {
    return getItem(stereoBonds, index, "stereo bond");
}

int MolecularGraph::getNumRidingAtoms() const {
    return (int)ridingAtoms.size();
}

const MolecularGraph::RidingAtom& MolecularGraph::getRidingAtom(int index) const {
    return getItem(ridingAtoms, index, "riding atom");
}

const vector<int>& MolecularGraph::getNeighbors(int atom) const {
    return getItem(neighbors, atom, "model atom");
}

vector<int> MolecularGraph::getMolecules() const {
    vector<int> molecules(atoms.size(), -1);
    vector<int> pending;
    int count = 0;
    for (int first = 0; first < getNumAtoms(); first++) {
        if (molecules[first] != -1)
            continue;
        molecules[first] = count;
        pending.push_back(first);
        while (!pending.empty()) {
            int atom = pending.back();
            pending.pop_back();
            for (int next : neighbors[atom])
                if (molecules[next] == -1) {
                    molecules[next] = count;
                    pending.push_back(next);
                }
        }
        count++;
    }
    return molecules;
}

void MolecularGraph::validate(const System& system) const {
    if (atoms.empty())
        fail("the graph has no model atoms");
    checkModelAtoms(*this, system);
    checkRidingAtoms(*this, system);
    checkConstraints(*this, system);
}

void MolecularGraph::validate(const System& system, const JumpModel& model) const {
    validate(system);
    for (int i = 0; i < getNumAtoms(); i++)
        if (!model.knowsAtom(atoms[i].atomicNumber, atoms[i].blockType))
            fail("the model '" + model.getName() + "' was not trained for model atom " + to_string(i) + " (particle " +
                 to_string(atoms[i].particle) + "): atomic number " + to_string(atoms[i].atomicNumber) +
                 ", block type " + to_string(atoms[i].blockType));
}

void MolecularGraph::checkAtom(int atom, const string& what) const {
    if (atom < 0 || atom >= getNumAtoms())
        fail("a " + what + " refers to model atom " + to_string(atom) + ", but the graph has " +
             to_string(atoms.size()) + " model atoms");
}

void MolecularGraph::checkFourAtoms(const std::array<int, 4>& four, const string& what) const {
    for (int atom : four) {
        checkAtom(atom, what);
        if (std::count(four.begin(), four.end(), atom) > 1)
            fail("model atom " + to_string(atom) + " occurs twice in a " + what + ", which needs four different atoms");
    }
}

void MolecularGraph::checkNewParticle(int particle) const {
    if (particle < 0)
        fail("the particle index " + to_string(particle) + " is negative");
    if (particles.count(particle) > 0)
        fail("particle " + to_string(particle) + " was added before");
}
