#include "openmmjump/internal/GeometryGate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "openmm/OpenMMException.h"

using namespace JumpPlugin;
using OpenMM::OpenMMException;
using OpenMM::Vec3;
using std::pair;
using std::vector;

namespace {

/** Up to this many atoms comparing all pairs is faster than sorting them into cells. */
constexpr int MaxAllPairs = 100;
/** How much shorter than a single bond a triple bond is. */
constexpr double TripleBondFactor = 0.8;

/** Covalent radii in pm, from hydrogen on (Cordero 2008; 169 pm, that of curium, beyond it). */
constexpr int CovalentRadii[] = {
    31,  28,                                                                                  // H He
    128, 96,  84,  76,  71,  66,  57,  58,                                                    // Li - Ne
    166, 141, 121, 111, 107, 105, 102, 106,                                                   // Na - Ar
    203, 176, 170, 160, 153, 139, 139, 132, 126, 124, 132, 122, 122, 120, 119, 120, 120, 116, // K - Kr
    220, 195, 190, 175, 164, 154, 147, 146, 142, 139, 145, 144, 142, 139, 139, 138, 139, 140, // Rb - Xe
    244, 215,                                                                                 // Cs Ba
    207, 204, 203, 201, 199, 198, 198, 196, 194, 192, 192, 189, 190, 187, 187,                // La - Lu
    175, 170, 162, 151, 144, 141, 136, 136, 132, 145, 146, 148, 140, 150, 150,                // Hf - Rn
    260, 221, 215, 206, 200, 196, 190, 187, 180, 169};                                        // Fr - Cm
constexpr int NumCovalentRadii = sizeof(CovalentRadii) / sizeof(int);

double getCovalentRadius(int atomicNumber) {
    return 0.001 * CovalentRadii[std::min(atomicNumber, NumCovalentRadii) - 1];
}

/** Contact radii in pm, from hydrogen on: see the class documentation. 120 pm stands for what is no main-group
 * non-metal, here and beyond xenon. */
constexpr int DefaultContactRadius = 120;
constexpr int ContactRadii[] = {
    70,  140,                                                                                  // H He
    120, 120, 192, 170, 155, 152, 147, 154,                                                    // Li - Ne
    120, 120, 120, 210, 180, 180, 175, 188,                                                    // Na - Ar
    120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 185, 190, 185, 202,  // K - Kr
    120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 206, 198, 216}; // Rb - Xe
constexpr int NumContactRadii = sizeof(ContactRadii) / sizeof(int);

/** Radius in nm at which an atom keeps others away. */
double getContactRadius(int atomicNumber) {
    return 0.001 * (atomicNumber <= NumContactRadii ? ContactRadii[atomicNumber - 1] : DefaultContactRadius);
}

/** Number of neighbours of each model atom, riding atoms included. */
vector<int> countNeighbors(const MolecularGraph& graph) {
    vector<int> counts;
    for (int i = 0; i < graph.getNumAtoms(); i++)
        counts.push_back((int)graph.getNeighbors(i).size());
    for (int i = 0; i < graph.getNumRidingAtoms(); i++)
        counts[graph.getRidingAtom(i).parent]++;
    return counts;
}

bool mayBeTriple(const MolecularGraph& graph, const MolecularGraph::Bond& bond, const vector<int>& counts) {
    if (bond.order != 0)
        return bond.order == 3;
    for (int atom : {bond.atom1, bond.atom2}) {
        int z = graph.getAtom(atom).atomicNumber;
        if (z < 6 || z > 8 || counts[atom] > 2)
            return false;
    }
    return true;
}

vector<vector<int>> findExclusions(const MolecularGraph& graph) {
    vector<vector<int>> exclusions(graph.getNumAtoms());
    for (int atom = 0; atom < graph.getNumAtoms(); atom++) {
        vector<int>& near = exclusions[atom];
        for (int neighbor : graph.getNeighbors(atom)) {
            near.push_back(neighbor);
            for (int next : graph.getNeighbors(neighbor))
                near.push_back(next);
        }
        std::erase_if(near, [atom](int other) { return other <= atom; });
        std::sort(near.begin(), near.end());
        near.erase(std::unique(near.begin(), near.end()), near.end());
    }
    return exclusions;
}

double norm(const Vec3& v) {
    return std::sqrt(v.dot(v));
}

/** Signed volume of the unit vectors from the first atom to the three others; 0 if two atoms coincide. */
double computeVolume(const MolecularGraph::Stereocenter& center, const vector<Vec3>& x) {
    Vec3 a = x[center.atoms[1]] - x[center.atoms[0]];
    Vec3 b = x[center.atoms[2]] - x[center.atoms[0]];
    Vec3 c = x[center.atoms[3]] - x[center.atoms[0]];
    double product = norm(a) * norm(b) * norm(c);
    return product > 0 ? a.dot(b.cross(c)) / product : 0;
}

/** Cosine of the torsion about the middle bond; 0 if three of the atoms are on a line. */
double computeTorsionCosine(const MolecularGraph::StereoBond& bond, const vector<Vec3>& x) {
    const Vec3 first = x[bond.atoms[1]] - x[bond.atoms[0]];
    const Vec3 middle = x[bond.atoms[2]] - x[bond.atoms[1]];
    const Vec3 last = x[bond.atoms[3]] - x[bond.atoms[2]];
    const Vec3 normal1 = first.cross(middle), normal2 = middle.cross(last);
    const double length1 = norm(normal1), length2 = norm(normal2);
    if (!(length1 > GeometryGate::MinTorsionSine * norm(first) * norm(middle) &&
          length2 > GeometryGate::MinTorsionSine * norm(middle) * norm(last)))
        return 0;
    return normal1.dot(normal2) / (length1 * length2);
}

using Cell = std::array<int64_t, 3>;

Cell findCell(const Vec3& position, double cellSize) {
    // Far atoms share the outermost cells: slow then, but without overflow.
    constexpr double limit = 1 << 20;
    Cell cell;
    for (int k = 0; k < 3; k++)
        cell[k] = (int64_t)std::clamp(std::floor(position[k] / cellSize), -limit + 2, limit - 2);
    return cell;
}

/** Neighbouring cells along z have successive keys. */
int64_t getKey(const Cell& cell) {
    constexpr int64_t offset = 1 << 20;
    return ((cell[0] + offset) << 42) + ((cell[1] + offset) << 21) + (cell[2] + offset);
}

} // namespace

GeometryGate::GeometryGate(const MolecularGraph& graph, const GateSettings& settings) :
    settings(settings), exclusions(findExclusions(graph)), cellSize(0) {
    vector<int> counts = countNeighbors(graph);
    for (int i = 0; i < graph.getNumBonds(); i++) {
        const MolecularGraph::Bond& bond = graph.getBond(i);
        double length = getCovalentRadius(graph.getAtom(bond.atom1).atomicNumber) +
                        getCovalentRadius(graph.getAtom(bond.atom2).atomicNumber);
        double shortest = settings.minBondRatio * length * (mayBeTriple(graph, bond, counts) ? TripleBondFactor : 1);
        double longest = settings.maxBondRatio * length;
        bonds.push_back({bond.atom1, bond.atom2, shortest * shortest, longest * longest});
    }
    for (int i = 0; i < graph.getNumAtoms(); i++) {
        contactRadii.push_back(settings.clashRatio * getContactRadius(graph.getAtom(i).atomicNumber));
        cellSize = std::max(cellSize, 2 * contactRadii[i]);
    }
    for (int i = 0; i < graph.getNumStereocenters(); i++)
        stereocenters.push_back(graph.getStereocenter(i));
    for (int i = 0; i < graph.getNumStereoBonds(); i++)
        stereoBonds.push_back(graph.getStereoBond(i));
}

RejectionReason GeometryGate::check(const vector<Vec3>& newAtoms, const vector<Vec3>& oldAtoms) const {
    if (newAtoms.size() != contactRadii.size() || oldAtoms.size() != contactRadii.size())
        throw OpenMMException("GeometryGate: the number of positions is not that of the graph");
    if (!isFinite(newAtoms))
        return RejectionReason::NotFinite;
    if (settings.checkBonds && findBrokenBond(newAtoms) != -1)
        return RejectionReason::BrokenBond;
    if (settings.checkClashes && findClash(newAtoms).first != -1)
        return RejectionReason::Clash;
    if (settings.checkStereocenters && findInvertedStereocenter(newAtoms, oldAtoms) != -1)
        return RejectionReason::InvertedStereocenter;
    if (settings.checkStereoBonds && findFlippedStereoBond(newAtoms, oldAtoms) != -1)
        return RejectionReason::CisTransFlip;
    return RejectionReason::None;
}

bool GeometryGate::isFinite(const vector<Vec3>& atoms) const {
    return std::all_of(atoms.begin(), atoms.end(),
                       [](const Vec3& x) { return std::isfinite(x[0]) && std::isfinite(x[1]) && std::isfinite(x[2]); });
}

int GeometryGate::findBrokenBond(const vector<Vec3>& atoms) const {
    for (size_t i = 0; i < bonds.size(); i++) {
        Vec3 delta = atoms[bonds[i].atom2] - atoms[bonds[i].atom1];
        double length2 = delta.dot(delta);
        if (!(length2 >= bonds[i].shortest2 && length2 <= bonds[i].longest2))
            return (int)i;
    }
    return -1;
}

bool GeometryGate::clash(int atom1, int atom2, const vector<Vec3>& atoms) const {
    Vec3 delta = atoms[atom2] - atoms[atom1];
    double closest = contactRadii[atom1] + contactRadii[atom2];
    if (delta.dot(delta) >= closest * closest)
        return false;
    auto [first, second] = std::minmax(atom1, atom2);
    return !std::binary_search(exclusions[first].begin(), exclusions[first].end(), second);
}

pair<int, int> GeometryGate::findClash(const vector<Vec3>& atoms) const {
    int numAtoms = (int)atoms.size();
    if (numAtoms > MaxAllPairs)
        return findClashInCells(atoms);
    for (int i = 0; i < numAtoms; i++)
        for (int j = i + 1; j < numAtoms; j++)
            if (clash(i, j, atoms))
                return {i, j};
    return {-1, -1};
}

pair<int, int> GeometryGate::findClashInCells(const vector<Vec3>& atoms) const {
    if (!(cellSize > 0))
        return {-1, -1};
    vector<pair<int64_t, int>> sorted; // (cell, atom)
    for (int i = 0; i < (int)atoms.size(); i++)
        sorted.push_back({getKey(findCell(atoms[i], cellSize)), i});
    std::sort(sorted.begin(), sorted.end());
    for (auto [key, atom] : sorted) {
        Cell cell = findCell(atoms[atom], cellSize);
        for (int64_t x = cell[0] - 1; x <= cell[0] + 1; x++)
            for (int64_t y = cell[1] - 1; y <= cell[1] + 1; y++) {
                int64_t first = getKey({x, y, cell[2] - 1});
                auto other = std::lower_bound(sorted.begin(), sorted.end(), pair<int64_t, int>(first, -1));
                for (; other != sorted.end() && other->first <= first + 2; other++)
                    if (other->second > atom && clash(atom, other->second, atoms))
                        return {atom, other->second};
            }
    }
    return {-1, -1};
}

int GeometryGate::findInvertedStereocenter(const vector<Vec3>& newAtoms, const vector<Vec3>& oldAtoms) const {
    for (size_t i = 0; i < stereocenters.size(); i++) {
        double oldVolume = computeVolume(stereocenters[i], oldAtoms);
        double newVolume = std::copysign(1.0, oldVolume) * computeVolume(stereocenters[i], newAtoms);
        if (!(newVolume > 0 && newVolume >= std::min(MinVolume, 0.5 * std::fabs(oldVolume))))
            return (int)i;
    }
    return -1;
}

int GeometryGate::findFlippedStereoBond(const vector<Vec3>& newAtoms, const vector<Vec3>& oldAtoms) const {
    for (size_t i = 0; i < stereoBonds.size(); i++)
        if (computeTorsionCosine(stereoBonds[i], oldAtoms) * computeTorsionCosine(stereoBonds[i], newAtoms) < 0)
            return (int)i;
    return -1;
}
