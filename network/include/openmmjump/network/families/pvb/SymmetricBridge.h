#ifndef OPENMMJUMP_NETWORK_SYMMETRICBRIDGE_H_
#define OPENMMJUMP_NETWORK_SYMMETRICBRIDGE_H_

#include "openmmjump/network/families/pvb/PvbNetwork.h"
#include "openmmjump/network/graph/InternalCoordinates.h"
#include "openmmjump/network/sampling/JumpInputs.h"
#include <memory>
#include <vector>

namespace JumpPlugin {

/**
 * A bridge whose path can be walked back, and whose density is known both ways: what Metropolis' criterion needs to
 * make jumps of any network exact (docs/theory/symmetric-bridge.md, equations 1 to 8).
 *
 * The path begins at the present conformation x itself, without noise of the encoder, and every step along the grid
 * 0 = t_0 < ... < t_K = 1 has noise, the last one included. With D the expected displacement to the end that the
 * network tells, phi = (t' - t) / (1 - t) and tau = sigma^2 (1 - t), a step is a draw from
 *
 *     N(Y + phi D, sigma^2 (t' - t) [(1 - phi) 1 + phi (tau H + t 1)^-1]),
 *
 * where H is the stiffness of the molecule at Y + D (InternalCoordinates): stiff directions get as much noise as a
 * harmonic end point with that stiffness leaves them. Rotations of x are held: along them D is that of a harmonic end
 * point at x with the rotation width. The grid must be symmetric, t_{K-k} = 1 - t_k: then the path from x to x' read
 * backwards is a path from x' to x of the same kind, conditioned on x'.
 *
 * Each molecule moves by itself, in the space in which its centre stays where it is. Densities are computed in double
 * precision, whatever the type of the network.
 */
class SymmetricBridge {
public:
    struct Settings {
        CoordinateWidths widths;
        double rotationWidth = 0.02; ///< A, of each of the three rotations as a unit vector of all coordinates
    };
    /** A path and the logarithms of its density. */
    struct Path {
        torch::Tensor points;     ///< (K + 1, N, 3) in A, float64; the first is where it began
        torch::Tensor logDensity; ///< (M) of each molecule's part, given its first point, float64
    };

    /**
     * @param network   frozen
     * @param timeGrid  symmetric, rising from 0 to 1
     * @throws std::invalid_argument for a grid that is not, or a width that is not above zero
     */
    SymmetricBridge(std::shared_ptr<const PvbNetwork> network, std::vector<double> timeGrid, const Settings& settings);
    /** Times t = u^p / (u^p + (1 - u)^p) at equal steps of u. */
    static std::vector<double> makeGrid(int64_t steps, double power);

    int64_t getNumSteps() const { return static_cast<int64_t>(timeGrid.size()) - 1; }
    /** Shape of each of the K draws of noise, of which number 0 is for the first step. */
    std::vector<int64_t> getNoiseShape(int64_t numAtoms) const { return {numAtoms, 6}; }
    /** Draw a path from the present conformation. */
    Path draw(const JumpInputs& inputs) const;
    /**
     * The logarithm of the density of each molecule's part of a path, given its first point.
     *
     * @param points  (K + 1, N, 3) in A
     * @return (M), float64
     */
    torch::Tensor computeLogDensity(const MoleculeBatch& batch, const torch::Tensor& points) const;
    /** A path read backwards. */
    static torch::Tensor reverse(const torch::Tensor& points) { return points.flip(0); }

private:
    struct Molecule;
    struct Gaussian;
    std::vector<Molecule> split(const MoleculeBatch& batch, const torch::Tensor& x) const;
    Gaussian makeStep(const Molecule& molecule, int64_t step, const torch::Tensor& y,
                      const torch::Tensor& displacement) const;
    torch::Tensor findDisplacement(const PvbNetwork::Context& context, const torch::Tensor& time,
                                   const torch::Tensor& y) const;

    std::shared_ptr<const PvbNetwork> network;
    std::vector<double> timeGrid;
    Settings settings;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_SYMMETRICBRIDGE_H_*/
