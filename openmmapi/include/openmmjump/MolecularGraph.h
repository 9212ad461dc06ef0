#ifndef OPENMMJUMP_MOLECULARGRAPH_H_
#define OPENMMJUMP_MOLECULARGRAPH_H_

#include <array>
#include <string>
#include <unordered_set>
#include <vector>

#include "openmmjump/internal/windowsExportJump.h"

namespace OpenMM {
class System;
}

namespace JumpPlugin {

class JumpModel;

/**
 * What a transfer operator sees of a System.
 *
 * A graph holds *model atoms*, which the network moves (for many models the heavy atoms), with their bonds,
 * stereocentres and stereo bonds, and *riding atoms*, all other particles of the same molecules (hydrogens, virtual
 * sites), each of which keeps its coordinates in a local frame made of model atoms. Particles of the System that are
 * neither stay where they are.
 *
 * From Python a graph is made with MolecularGraph.fromTopology(); in C++ it is built with the add methods:
 *
 *     MolecularGraph graph;
 *     int c = graph.addAtom(0, 6, 5);   // particle 0 of the System: carbon, element block of carbon
 *     int o = graph.addAtom(1, 8, 7);
 *     graph.addBond(c, o, 2);
 *
 * Indices called `atom` count the model atoms of the graph; indices called `particle` count the particles of the
 * System.
 */
class OPENMM_EXPORT_JUMP MolecularGraph {
public:
    /** One atom that the network moves. */
    struct Atom {
        int particle;     ///< index of the particle in the System
        int atomicNumber; ///< 1 to 118
        int blockType;    ///< 0-117 element blocks (atomic number - 1), 118-137 amino acids
        bool ligand;      ///< true if the atom belongs to a ligand
    };

    /** A covalent bond between two model atoms. */
    struct Bond {
        int atom1, atom2; ///< model atoms
        int order;        ///< 1, 2, 3; 0 if unknown
    };

    /** Four model atoms (center, a, b, c) or (a, b, c, d) whose signed volume must keep its sign. */
    struct Stereocenter {
        std::array<int, 4> atoms; ///< model atoms; the sign of (x1-x0) . ((x2-x0) x (x3-x0)) is preserved
    };

    /**
     * Four model atoms in a row, a-b-c-d, whose bond b-c does not rotate: a jump may not take them from cis to trans or
     * back. Double bonds and the bonds of amides are such.
     */
    struct StereoBond {
        std::array<int, 4> atoms; ///< model atoms; the sign of the cosine of their torsion is preserved
    };

    /** How the local frame of a riding atom is built from its parent p and the reference atoms r1 and r2. */
    enum FrameType : int {
        /** Translates with p only (p has no other model atom near it). */
        Translation = 0,
        /** Turns with the direction p->r1 by the smallest rotation (two model atoms only). */
        Direction = 1,
        /** First axis along p->r1, second in the plane of r2: keeps the angle rider-p-r1 exactly. */
        Axis = 2,
        /** First axis along the bisector of p->r1 and p->r2, second in their plane. */
        Bisector = 3
    };

    /** A particle that keeps its coordinates in a local frame of model atoms. */
    struct RidingAtom {
        int particle;    ///< index of the particle in the System
        int parent;      ///< model atom the rider hangs on
        int reference1;  ///< model atom, or -1 for Translation
        int reference2;  ///< model atom, or -1 for Translation and Direction
        FrameType frame; ///< how the frame is built
    };

    /**
     * Add a model atom.
     *
     * @param particle      index of the particle in the System
     * @param atomicNumber  atomic number, 1 to 118
     * @param blockType     block type, 0 to 137; -1 takes the element block (atomicNumber - 1)
     * @param ligand        whether the atom belongs to a ligand
     * @return the index of the model atom
     * @throws OpenMM::OpenMMException if a number is out of range or the particle was added before
     */
    int addAtom(int particle, int atomicNumber, int blockType = -1, bool ligand = false);
    /**
     * Add a covalent bond between two model atoms. Each pair is added once, in either order.
     *
     * @return the index of the bond
     */
    int addBond(int atom1, int atom2, int order = 1);
    /**
     * Add a stereocentre: four different model atoms whose signed volume must keep its sign in a jump.
     *
     * @return the index of the stereocentre
     */
    int addStereocenter(int atom1, int atom2, int atom3, int atom4);
    /**
     * Add a stereo bond: four different model atoms a-b-c-d, each bonded to the next, that must stay cis or trans in a
     * jump.
     *
     * @return the index of the stereo bond
     */
    int addStereoBond(int atom1, int atom2, int atom3, int atom4);
    /**
     * Add a riding atom with its frame. See FrameType for which references each frame needs.
     *
     * @return the index of the riding atom
     */
    int addRidingAtom(int particle, int parent, int reference1, int reference2, FrameType frame);
    /**
     * Add a riding atom and choose its frame from the bonds added so far: Bisector if the parent has two or more
     * neighbours, Axis if it has one neighbour with another neighbour, Direction or Translation in smaller molecules.
     *
     * @return the index of the riding atom
     */
    int addRidingAtom(int particle, int parent);

    int getNumAtoms() const;
    const Atom& getAtom(int index) const;
    int getNumBonds() const;
    const Bond& getBond(int index) const;
    int getNumStereocenters() const;
    const Stereocenter& getStereocenter(int index) const;
    int getNumStereoBonds() const;
    const StereoBond& getStereoBond(int index) const;
    int getNumRidingAtoms() const;
    const RidingAtom& getRidingAtom(int index) const;
    /** The model atoms bonded to a model atom, in the order in which the bonds were added. */
    const std::vector<int>& getNeighbors(int atom) const;
    /**
     * The molecule each model atom belongs to, numbered from 0 in order of appearance (connected components of the
     * bonds). Each is read whole across a periodic box before a jump.
     */
    std::vector<int> getMolecules() const;
    /**
     * Check the graph against the System it will be used with and the model that will move it.
     *
     * @throws OpenMM::OpenMMException naming the atom and the fault: a particle the System does not have, a massless
     *         model atom, a constraint between a rider and an atom it does not ride on, or between model atoms other
     *         than a heavy atom and its hydrogen, an atom the model was not trained for
     */
    void validate(const OpenMM::System& system, const JumpModel& model) const;
    /** Check the graph against the System alone, as above. */
    void validate(const OpenMM::System& system) const;

private:
    void checkAtom(int atom, const std::string& what) const;
    void checkNewParticle(int particle) const;
    void checkFourAtoms(const std::array<int, 4>& four, const std::string& what) const;
    std::vector<Atom> atoms;
    std::vector<Bond> bonds;
    std::vector<Stereocenter> stereocenters;
    std::vector<StereoBond> stereoBonds;
    std::vector<RidingAtom> ridingAtoms;
    std::vector<std::vector<int>> neighbors; // of each model atom
    std::unordered_set<int> particles;       // of model and riding atoms
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_MOLECULARGRAPH_H_
