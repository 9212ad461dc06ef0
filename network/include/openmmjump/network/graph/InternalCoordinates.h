#ifndef OPENMMJUMP_NETWORK_GRAPH_INTERNALCOORDINATES_H_
#define OPENMMJUMP_NETWORK_GRAPH_INTERNALCOORDINATES_H_

#include "openmmjump/network/graph/MoleculeBatch.h"
#include <array>
#include <string>
#include <vector>

namespace JumpPlugin {

/** How far internal coordinates of a molecule scatter about their means. */
struct CoordinateWidths {
    double bond = 0.03;         ///< A
    double angle = 0.0576;      ///< rad, 3.3 degrees
    double improper = 0.06;     ///< of the triple product of three unit vectors
    double stiffTorsion = 0.16; ///< rad, 9 degrees: about amide and double bonds
    double softTorsion = 0.4;   ///< rad: about all others
    double anything = 5;        ///< A: of any direction that no coordinate holds, such as where two bodies lie

    /** @throws std::invalid_argument naming the width that is not above zero */
    void validate() const;
};

/**
 * Bonds, angles, impropers and torsions of a molecule, as many as its bonds define: what holds its shape together. Each
 * bond, each pair of bonds at an atom, each triple of bonds at an atom, and one torsion about each inner bond.
 *
 * An improper is the triple product of the unit vectors from an atom to three bonded ones: 0 where it is planar, about
 * 0.7 or -0.7 where it is tetrahedral. Torsions are stiff about bonds of order 2 and those of amides.
 */
class InternalCoordinates {
public:
    enum class Kind { Bond, Angle, Improper, StiffTorsion, SoftTorsion };
    /** Atoms of the molecule, counted from its first: two, three (the middle one second), or four. */
    struct Coordinate {
        Kind kind;
        std::array<int64_t, 4> atoms;
    };

    /**
     * @param molecule  number of the molecule in the batch
     */
    InternalCoordinates(const MoleculeBatch& batch, int64_t molecule);
    const std::vector<Coordinate>& getCoordinates() const { return coordinates; }
    int64_t getNumAtoms() const { return numAtoms; }
    /**
     * The derivatives of all coordinates by the positions: Wilson's matrix B.
     *
     * @param x  (N, 3) in A, float64, on the CPU
     * @return (coordinates, 3 N)
     */
    torch::Tensor computeDerivatives(const torch::Tensor& x) const;
    /**
     * The stiffness of the molecule if each coordinate scatters independently by its width, B^T W B + 1 / w^2, with W
     * the inverse squares of the widths and w that of anything (docs/theory/symmetric-bridge.md, equation 6).
     *
     * @param x  (N, 3) in A, float64, on the CPU
     * @return (3 N, 3 N) in 1/A^2
     */
    torch::Tensor computeStiffness(const torch::Tensor& x, const CoordinateWidths& widths) const;

private:
    void addAngles(const MoleculeBatch& batch, int64_t first, int64_t atom);
    void addTorsion(const MoleculeBatch& batch, int64_t first, int64_t second, int64_t third);

    int64_t numAtoms;
    std::vector<Coordinate> coordinates;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_GRAPH_INTERNALCOORDINATES_H_*/
