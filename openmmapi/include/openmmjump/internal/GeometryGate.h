#ifndef OPENMMJUMP_GEOMETRYGATE_H_
#define OPENMMJUMP_GEOMETRYGATE_H_

#include <utility>
#include <vector>

#include "openmm/Vec3.h"
#include "openmmjump/GateSettings.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/RejectionReason.h"

namespace JumpPlugin {

/**
 * Tests the geometry of a proposal: what the force field could not mend, or only at the price of another molecule.
 *
 * - *Bonds*: the length must be between minBondRatio and maxBondRatio times the sum of the covalent radii (Cordero et
 *   al., Dalton Trans. 2008, 2832). A bond that is triple, or may be one (order unknown, both atoms C, N or O with at
 *   most two neighbours, riders included), may be as short as 0.8 minBondRatio: triple bonds are that much shorter than
 * single ones.
 * - *Clashes*: two model atoms that are not bonded to each other or to a common neighbour must be at least clashRatio
 *   times the sum of their van der Waals radii apart (Bondi, J. Phys. Chem. 68, 441, 1964; Mantina et al., J. Phys.
 *   Chem. A 113, 5806, 2009). Hydrogen counts as 0.07 nm, as a hydrogen bond is much shorter than that sum, and an
 *   element that is no main-group non-metal as 0.12 nm, as ions sit close to what coordinates them. Only atoms of the
 *   graph are seen, and of those only the image they are given in.
 * - *Stereocentres*: the signed volume of the unit vectors from the first atom to the others (0.77 for a perfect
 *   tetrahedron, 0 for a plane) must have the sign it had before, and may not fall below 0.15 or half of what it was,
 *   whichever is less.
 * - *Stereo bonds*: the cosine of the torsion may not change its sign: the barrier between cis and trans is highest at
 *   90 degrees. Where three of the four atoms are on a line there is no torsion, and the test passes.
 *
 * Molecular dynamics at 300 K passes all tests.
 */
class OPENMM_EXPORT_JUMP GeometryGate {
public:
    /**
     * @param graph     the graph whose model atoms are tested
     * @param settings  which tests are made, and their thresholds
     */
    explicit GeometryGate(const MolecularGraph& graph, const GateSettings& settings = GateSettings());
    /**
     * Test a conformation. The tests are made in the order of RejectionReason and the first failure is returned.
     *
     * @param newAtoms  positions of the model atoms to test, in nm, molecules whole
     * @param oldAtoms  positions whose stereocentres and stereo bonds are right, in nm, molecules whole
     * @return NotFinite, BrokenBond, Clash, InvertedStereocenter, CisTransFlip or None
     * @throws OpenMM::OpenMMException if an array has the wrong length
     */
    RejectionReason check(const std::vector<OpenMM::Vec3>& newAtoms, const std::vector<OpenMM::Vec3>& oldAtoms) const;
    /** Whether all positions are finite. */
    bool isFinite(const std::vector<OpenMM::Vec3>& atoms) const;
    /** Index of the first bond that is too long or too short, -1 if there is none. */
    int findBrokenBond(const std::vector<OpenMM::Vec3>& atoms) const;
    /** Some two model atoms that are too close, (-1, -1) if there are none. Takes time and memory of order N. */
    std::pair<int, int> findClash(const std::vector<OpenMM::Vec3>& atoms) const;
    /** Index of the first stereocentre that is inverted or flat, -1 if there is none. */
    int findInvertedStereocenter(const std::vector<OpenMM::Vec3>& newAtoms,
                                 const std::vector<OpenMM::Vec3>& oldAtoms) const;
    /** Index of the first stereo bond that went from cis to trans or back, -1 if there is none. */
    int findFlippedStereoBond(const std::vector<OpenMM::Vec3>& newAtoms,
                              const std::vector<OpenMM::Vec3>& oldAtoms) const;

    /** A bond and its limits. */
    struct BondLimits {
        int atom1, atom2;
        double shortest2, longest2; ///< squared lengths in nm^2
    };
    /** Smallest signed volume of three unit vectors that still counts as a tetrahedral centre. */
    static constexpr double MinVolume = 0.15;
    /** Angles whose sine is below this (0.6 degrees off the line) define no torsion. */
    static constexpr double MinTorsionSine = 0.01;
    // What the tests compare with, for platforms that make them on a device.
    const GateSettings& getSettings() const { return settings; }
    const std::vector<BondLimits>& getBonds() const { return bonds; }
    /** For each model atom, clashRatio times its van der Waals radius, in nm. */
    const std::vector<double>& getContactRadii() const { return contactRadii; }
    /** For each model atom, the later atoms one or two bonds away, rising: they don't clash. */
    const std::vector<std::vector<int>>& getExclusions() const { return exclusions; }

private:
    bool clash(int atom1, int atom2, const std::vector<OpenMM::Vec3>& atoms) const;
    std::pair<int, int> findClashInCells(const std::vector<OpenMM::Vec3>& atoms) const;
    GateSettings settings;
    std::vector<BondLimits> bonds;
    std::vector<double> contactRadii;         // clashRatio times the van der Waals radius, nm
    std::vector<std::vector<int>> exclusions; // of each atom, the later atoms one or two bonds away, sorted
    std::vector<MolecularGraph::Stereocenter> stereocenters;
    std::vector<MolecularGraph::StereoBond> stereoBonds;
    double cellSize; // nm; no clash reaches further
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_GEOMETRYGATE_H_
