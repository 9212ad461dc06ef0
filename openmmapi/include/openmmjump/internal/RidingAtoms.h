#ifndef OPENMMJUMP_RIDINGATOMS_H_
#define OPENMMJUMP_RIDINGATOMS_H_

#include <vector>

#include "openmm/System.h"
#include "openmm/Vec3.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpPlugin {

/**
 * Moves the riding atoms of a graph along with its model atoms.
 *
 * A rider is turned rigidly about its parent by the rotation that takes the parent's old local frame (see
 * MolecularGraph::FrameType) to the new one. So its distance to the parent and the distances between riders of one
 * parent are kept exactly, and as the rotation depends on model atoms only, the map of all coordinates preserves
 * volume whenever the map of the model atoms does.
 *
 * A frame that is undefined in the old or the new conformation (atoms on one line or on top of each other) falls back
 * to the next simpler one: Bisector and Axis to Direction, Direction to Translation. Both conformations are asked, so
 * that the way back undoes the way there.
 */
class OPENMM_EXPORT_JUMP RidingAtoms {
public:
    /** Bonds shorter than this, in nm, have no direction. */
    static constexpr double MinLength = 1e-6;
    /** Angles whose sine is below this (0.06 degrees off the line) span no plane. */
    static constexpr double MinSine = 1e-3;

    explicit RidingAtoms(const MolecularGraph& graph);
    /** Mass of each model atom of a graph together with what rides on it, in Da. */
    static std::vector<double> computeCarriedMasses(const OpenMM::System& system, const MolecularGraph& graph);
    /**
     * The particles whose forces act on each model atom of a graph: its own and those that ride on it, except virtual
     * sites, whose forces OpenMM itself hands on.
     */
    static std::vector<std::vector<int>> findCarriedParticles(const OpenMM::System& system,
                                                              const MolecularGraph& graph);
    /**
     * Move all riding atoms.
     *
     * @param oldAtoms  old positions of the model atoms, in nm, molecules whole
     * @param newAtoms  new positions of the model atoms, in nm
     * @param riders    positions of the riding atoms in the order of the graph, in nm: old on entry, each in the same
     *                  periodic image as its parent; new on return
     * @throws OpenMM::OpenMMException if an array has the wrong length
     */
    void place(const std::vector<OpenMM::Vec3>& oldAtoms, const std::vector<OpenMM::Vec3>& newAtoms,
               std::vector<OpenMM::Vec3>& riders) const;

private:
    int numAtoms;
    std::vector<MolecularGraph::RidingAtom> riding;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_RIDINGATOMS_H_
