#ifndef OPENMMJUMP_WHOLEMOLECULES_H_
#define OPENMMJUMP_WHOLEMOLECULES_H_

#include <vector>

#include "openmm/System.h"
#include "openmm/Vec3.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpPlugin {

/** Positions of a graph's atoms with whole molecules, and how they were shifted to get there. All in nm. */
struct WholePositions {
    std::vector<OpenMM::Vec3> atoms;        ///< model atoms
    std::vector<OpenMM::Vec3> riders;       ///< riding atoms, each beside its parent
    std::vector<OpenMM::Vec3> atomOffsets;  ///< what was added to the System's positions of the model atoms
    std::vector<OpenMM::Vec3> riderOffsets; ///< what was added to the System's positions of the riding atoms
};

/**
 * Reads the atoms of a graph from the positions of a System as if there were no periodic box.
 *
 * Each molecule is put together along its bonds, each riding atom beside its parent. The first molecule keeps the
 * image of its first atom; the others follow one by one, always the one that is nearest to what is already there, in
 * its nearest image. The box may be triclinic, in OpenMM's reduced form.
 */
class OPENMM_EXPORT_JUMP WholeMolecules {
public:
    explicit WholeMolecules(const MolecularGraph& graph);
    /** Whether a System has a periodic box. A Force that does not tell whether it uses one is taken not to. */
    static bool isPeriodic(const OpenMM::System& system);
    /**
     * Read the atoms of the graph. Without a box the positions are taken as they are.
     *
     * @param positions  positions of all particles of the System, in nm
     * @param box        the three periodic box vectors, in nm, or nullptr if the System is not periodic
     */
    WholePositions read(const std::vector<OpenMM::Vec3>& positions, const OpenMM::Vec3* box) const;
    /**
     * Write the atoms of the graph back, each in the image it was read from. Other particles are left as they are.
     *
     * @param whole      new `atoms` and `riders`, with the offsets read() returned
     * @param positions  positions of all particles of the System, in nm
     */
    void write(const WholePositions& whole, std::vector<OpenMM::Vec3>& positions) const;

    /** An atom and the bonded atom that was placed before it. */
    struct Link {
        int atom, placed;
    };
    /** The links in an order that grows each molecule from its first atom. */
    const std::vector<Link>& getLinks() const { return links; }
    /** The model atoms of each molecule. */
    const std::vector<std::vector<int>>& getMolecules() const { return molecules; }

private:
    void joinBonds(WholePositions& whole, const OpenMM::Vec3* box) const;
    void joinMolecules(WholePositions& whole, const OpenMM::Vec3* box) const;
    void joinRiders(WholePositions& whole, const OpenMM::Vec3* box) const;
    std::vector<int> atomParticles, riderParticles, riderParents;
    std::vector<Link> links;
    std::vector<std::vector<int>> molecules;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_WHOLEMOLECULES_H_
