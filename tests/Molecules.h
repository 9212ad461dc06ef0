#ifndef OPENMMJUMP_TESTS_MOLECULES_H_
#define OPENMMJUMP_TESTS_MOLECULES_H_

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "openmm/HarmonicBondForce.h"
#include "openmm/System.h"
#include "openmm/Vec3.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpTests {

using JumpPlugin::MolecularGraph;
using OpenMM::Vec3;
using Positions = std::vector<Vec3>;

inline double norm(const Vec3& v) {
    return std::sqrt(v.dot(v));
}

/** A System of tests/data: amber14 in vacuum, bonds to hydrogen constrained. */
inline std::unique_ptr<OpenMM::System> loadSystem(const std::string& name) {
    std::ifstream stream(std::string(JUMP_TEST_DATA_DIR) + "/" + name + ".system.xml");
    return std::unique_ptr<OpenMM::System>(OpenMM::XmlSerializer::deserialize<OpenMM::System>(stream));
}

/** Coordinates of a PDB file, in nm. */
inline Positions loadPositions(const std::string& file) {
    std::ifstream stream(file);
    Positions positions;
    for (std::string line; std::getline(stream, line);)
        if (line.rfind("ATOM", 0) == 0 || line.rfind("HETATM", 0) == 0)
            positions.push_back(
                Vec3(std::stod(line.substr(30, 8)), std::stod(line.substr(38, 8)), std::stod(line.substr(46, 8))) *
                0.1);
    return positions;
}

/** Add the amide bonds, C(=O)-N, whose nitrogen has another neighbour, as stereo bonds. */
inline void addAmides(MolecularGraph& graph) {
    const auto element = [&](int atom) { return graph.getAtom(atom).atomicNumber; };
    for (int i = 0; i < graph.getNumBonds(); i++) {
        auto [carbon, nitrogen] = std::minmax(graph.getBond(i).atom1, graph.getBond(i).atom2);
        if (element(carbon) != 6 || element(nitrogen) != 7)
            continue;
        int before = -1, after = -1;
        bool carbonyl = false;
        for (int atom : graph.getNeighbors(carbon)) {
            carbonyl |= element(atom) == 8;
            if (element(atom) == 6)
                before = atom;
        }
        for (int atom : graph.getNeighbors(nitrogen))
            if (atom != carbon && after == -1)
                after = atom;
        if (carbonyl && before != -1 && after != -1)
            graph.addStereoBond(before, carbon, nitrogen, after);
    }
}

/**
 * The graph of a System of loadSystem(): every tetrahedral carbon with three heavy neighbours is a stereocentre, every
 * peptide bond a stereo bond.
 */
inline MolecularGraph makeGraph(const OpenMM::System& system) {
    const std::map<int, int> elements = {{12, 6}, {14, 7}, {16, 8}, {32, 16}}; // rounded mass -> atomic number
    MolecularGraph graph;
    std::map<int, int> atoms;
    for (int i = 0; i < system.getNumParticles(); i++)
        if (system.getParticleMass(i) > 2)
            atoms[i] = graph.addAtom(i, elements.at((int)std::lround(system.getParticleMass(i))));
    for (int i = 0; i < system.getNumForces(); i++)
        if (auto force = dynamic_cast<const OpenMM::HarmonicBondForce*>(&system.getForce(i)))
            for (int j = 0; j < force->getNumBonds(); j++) {
                int p1, p2;
                double length, k;
                force->getBondParameters(j, p1, p2, length, k);
                graph.addBond(atoms.at(p1), atoms.at(p2), 0);
            }
    std::vector<int> hydrogens(graph.getNumAtoms(), 0);
    for (int i = 0; i < system.getNumConstraints(); i++) {
        int p1, p2;
        double length;
        system.getConstraintParameters(i, p1, p2, length);
        if (atoms.count(p1) == 0)
            std::swap(p1, p2);
        graph.addRidingAtom(p2, atoms.at(p1));
        hydrogens[atoms.at(p1)]++;
    }
    for (int i = 0; i < graph.getNumAtoms(); i++) {
        const std::vector<int>& near = graph.getNeighbors(i);
        if (graph.getAtom(i).atomicNumber == 6 && near.size() == 3 && hydrogens[i] == 1)
            graph.addStereocenter(i, near[0], near[1], near[2]);
    }
    addAmides(graph);
    return graph;
}

inline Positions getAtoms(const MolecularGraph& graph, const Positions& positions) {
    Positions atoms;
    for (int i = 0; i < graph.getNumAtoms(); i++)
        atoms.push_back(positions[graph.getAtom(i).particle]);
    return atoms;
}

inline Positions getRiders(const MolecularGraph& graph, const Positions& positions) {
    Positions riders;
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        riders.push_back(positions[graph.getRidingAtom(i).particle]);
    return riders;
}

/** A rigid motion: rotation about an axis by an angle, then a shift. */
struct Motion {
    Vec3 axis, shift;
    double angle;

    Vec3 rotate(const Vec3& x) const {
        Vec3 n = axis / norm(axis);
        double c = std::cos(angle), s = std::sin(angle);
        return x * c + n.cross(x) * s + n * (n.dot(x) * (1 - c));
    }
    Vec3 operator()(const Vec3& x) const { return rotate(x) + shift; }
    Positions operator()(Positions x) const {
        for (Vec3& v : x)
            v = (*this)(v);
        return x;
    }
};

/** Random numbers with a fixed seed. */
class Random {
public:
    explicit Random(unsigned int seed) : engine(seed) {}
    double normal() { return gauss(engine); }
    Vec3 vector(double width = 1) { return Vec3(width * normal(), width * normal(), width * normal()); }
    Positions cloud(int numAtoms, double width = 1) {
        Positions result;
        for (int i = 0; i < numAtoms; i++)
            result.push_back(vector(width));
        return result;
    }
    /** Displace every position. */
    Positions shake(Positions x, double width) {
        for (Vec3& v : x)
            v += vector(width);
        return x;
    }
    Motion motion() { return {vector(), vector(), 3 * normal()}; }

private:
    std::mt19937 engine;
    std::normal_distribution<double> gauss;
};

inline double largestDistance(const Positions& a, const Positions& b) {
    double largest = a.size() == b.size() ? 0 : INFINITY;
    for (size_t i = 0; i < a.size() && i < b.size(); i++)
        largest = std::max(largest, norm(a[i] - b[i]));
    return largest;
}

} // namespace JumpTests

#endif // OPENMMJUMP_TESTS_MOLECULES_H_
