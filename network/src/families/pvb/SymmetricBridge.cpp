#include "openmmjump/network/families/pvb/SymmetricBridge.h"
#include "openmmjump/network/sampling/TimeGrid.h"
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;

namespace {

/** How unsymmetric a grid may be. */
constexpr double GridTolerance = 1e-12;
/** Rotations about an axis on which all atoms lie move nothing; below this length they count as none. */
constexpr double LeastRotation = 1e-6;

/** Orthonormal rotations (3 n, r) of a molecule (n, 3) about its centre; r is 3, or less where atoms lie on a line. */
Tensor findRotations(const Tensor& x) {
    std::vector<Tensor> columns;
    for (int axis = 0; axis < 3; axis++) {
        Tensor unit = torch::zeros({1, 3}, x.options());
        unit[0][axis] = 1;
        Tensor column = torch::linalg_cross(unit.expand_as(x), x).flatten();
        for (int pass = 0; pass < 2; pass++) // twice is enough
            for (const Tensor& other : columns)
                column = column - other * other.dot(column);
        const double length = column.norm().item<double>();
        if (length > LeastRotation)
            columns.push_back(column / length);
    }
    return columns.empty() ? torch::empty({x.numel(), 0}, x.options()) : torch::stack(columns, 1);
}

/** Without the part that moves the centre: of vectors (3 n). */
Tensor removeShift(const Tensor& vector) {
    const Tensor atoms = vector.view({-1, 3});
    return (atoms - atoms.mean(0, true)).flatten();
}

/** The logarithm of the determinant of a matrix with this Cholesky factor. */
double logDeterminant(const Tensor& factor) {
    return 2 * factor.diagonal().log().sum().item<double>();
}

} // namespace

/** What a path needs to know of one of its molecules. */
struct SymmetricBridge::Molecule {
    int64_t first, numAtoms;
    InternalCoordinates coordinates;
    Tensor x;         // (3 n) where the path began, centred
    Tensor rotations; // (3 n, r)

    Tensor cut(const Tensor& all) const { return all.narrow(0, first, numAtoms).flatten(); }
};

/**
 * A normal distribution in the centred space of a molecule, with the mean m and the covariance scale G^-1 K, where
 * K = (1 - phi) G + phi. The three shifts of the centre are directions of their own in both.
 */
struct SymmetricBridge::Gaussian {
    Tensor mean;                // (3 n)
    Tensor stiffness;           // G
    Tensor factorG, factorK;    // Cholesky factors
    double scale, phi, ofShift; // the last: what G has along a shift

    Tensor draw(const Tensor& noise) const {
        const Tensor free = noise.narrow(1, 0, 3).flatten(), held = noise.narrow(1, 3, 3).flatten();
        const Tensor bent = torch::linalg_solve_triangular(factorG.t(), held.unsqueeze(1), true).squeeze(1);
        return removeShift(mean + std::sqrt(scale) * (std::sqrt(1 - phi) * free + std::sqrt(phi) * bent));
    }

    double computeLogDensity(const Tensor& y) const {
        const Tensor deviation = removeShift(y - mean);
        const Tensor solved = torch::cholesky_solve(stiffness.mv(deviation).unsqueeze(1), factorK).squeeze(1);
        const double size = static_cast<double>(y.size(0) - 3);
        const double logOfShift = std::log(((1 - phi) * ofShift + phi) / ofShift);
        const double logDet = logDeterminant(factorK) - logDeterminant(factorG) - 3 * logOfShift;
        return -0.5 * (deviation.dot(solved).item<double>() / scale + logDet + size * std::log(2 * M_PI * scale));
    }
};

SymmetricBridge::SymmetricBridge(std::shared_ptr<const PvbNetwork> network, std::vector<double> timeGrid,
                                 const Settings& settings) :
    network(std::move(network)), timeGrid(std::move(timeGrid)), settings(settings) {
    checkTimeGrid(this->timeGrid, "SymmetricBridge");
    settings.widths.validate();
    if (!(settings.rotationWidth > 0))
        throw std::invalid_argument("SymmetricBridge: the width of rotations must be above zero.");
    const size_t last = this->timeGrid.size() - 1;
    for (size_t step = 0; step <= last; step++)
        if (std::abs(this->timeGrid[last - step] - (1 - this->timeGrid[step])) > GridTolerance)
            throw std::invalid_argument("SymmetricBridge: the time grid must be symmetric about 1/2, but number " +
                                        std::to_string(step) + " is not.");
}

std::vector<double> SymmetricBridge::makeGrid(int64_t steps, double power) {
    std::vector<double> grid = makeUniformGrid(steps);
    for (int64_t step = 0; 2 * step <= steps; step++) {
        const double u = std::pow(grid[step], power), v = std::pow(1 - grid[step], power);
        grid[step] = u / (u + v);
        grid[steps - step] = 1 - grid[step];
    }
    return grid;
}

std::vector<SymmetricBridge::Molecule> SymmetricBridge::split(const MoleculeBatch& batch, const Tensor& x) const {
    std::vector<Molecule> molecules;
    const std::vector<int64_t>& start = batch.getMoleculeStart();
    for (int64_t number = 0; number < batch.getNumMolecules(); number++) {
        const int64_t first = start[number], numAtoms = start[number + 1] - first;
        const Tensor centered = removeShift(x.narrow(0, first, numAtoms).flatten());
        molecules.push_back(
            {first, numAtoms, InternalCoordinates(batch, number), centered, findRotations(centered.view({-1, 3}))});
    }
    return molecules;
}

/** Where the network expects each molecule to end, as displacements (N, 3) in A, float64. */
Tensor SymmetricBridge::findDisplacement(const PvbNetwork::Context& context, const Tensor& time,
                                         const Tensor& y) const {
    const Tensor drift = network->drift(context, time.to(network->options()), y.to(network->options()));
    return drift.to(torch::kCPU, torch::kFloat64);
}

SymmetricBridge::Gaussian SymmetricBridge::makeStep(const Molecule& molecule, int64_t step, const Tensor& y,
                                                    const Tensor& displacement) const {
    const double t = timeGrid[step], dt = timeGrid[step + 1] - t, phi = std::min(dt / (1 - t), 1.0);
    const double sigma = network->getConfig().sigma, tau = sigma * sigma * (1 - t);
    const double width2 = settings.rotationWidth * settings.rotationWidth;
    const Tensor& r = molecule.rotations;
    // A harmonic end point at x pulls rotations back: E[x1 | Y] = width^2 Y / (tau + t width^2) along them.
    const Tensor turned = r.t().mv(y), target = turned * (width2 / (tau + t * width2) - 1);
    Tensor d = removeShift(displacement);
    d = d + r.mv(target - r.t().mv(d));
    Tensor h = molecule.coordinates.computeStiffness((y + d).view({-1, 3}).contiguous(), settings.widths);
    h = h - r.mm(r.t().mm(h));
    h = h - h.mm(r).mm(r.t()) + r.mm(r.t()) / width2;
    const Tensor one = torch::eye(h.size(0), h.options());
    const Tensor g = tau * h + t * one;
    const double ofShift = tau / (settings.widths.anything * settings.widths.anything) + t;
    return {y + phi * d,
            g,
            torch::linalg_cholesky(g),
            torch::linalg_cholesky((1 - phi) * g + phi * one),
            sigma * sigma * dt,
            phi,
            ofShift};
}

SymmetricBridge::Path SymmetricBridge::draw(const JumpInputs& inputs) const {
    const torch::NoGradGuard noGrad;
    const Tensor x = inputs.x0.to(torch::kCPU, torch::kFloat64);
    const std::vector<Molecule> molecules = split(inputs.batch, x);
    const auto context = network->prepare(inputs.batch, x.to(network->options()));
    std::vector<Tensor> points = {x};
    std::vector<double> logDensity(molecules.size());
    for (int64_t step = 0; step < getNumSteps(); step++) {
        const double t = timeGrid[step];
        const Tensor& y = points.back();
        const Tensor displacement = (1 - t) * findDisplacement(*context, torch::full({}, t, torch::kFloat64), y);
        const Tensor noise = inputs.noise.draw(step, getNoiseShape(x.size(0)), torch::TensorOptions(torch::kFloat64));
        const Tensor next = torch::empty_like(x);
        for (size_t number = 0; number < molecules.size(); number++) {
            const Molecule& molecule = molecules[number];
            const Tensor now = molecule.cut(y), centered = removeShift(now);
            const Gaussian gaussian = makeStep(molecule, step, centered, molecule.cut(displacement));
            const Tensor moved = gaussian.draw(noise.narrow(0, molecule.first, molecule.numAtoms));
            logDensity[number] += gaussian.computeLogDensity(moved);
            next.narrow(0, molecule.first, molecule.numAtoms).copy_((moved + (now - centered)).view({-1, 3}));
        }
        points.push_back(next);
    }
    return {torch::stack(points), torch::tensor(logDensity, torch::kFloat64)};
}

Tensor SymmetricBridge::computeLogDensity(const MoleculeBatch& batch, const Tensor& points) const {
    const torch::NoGradGuard noGrad;
    const int64_t steps = getNumSteps(), numAtoms = batch.getNumAtoms();
    if (points.dim() != 3 || points.size(0) != steps + 1 || points.size(1) != numAtoms || points.size(2) != 3)
        throw std::invalid_argument("SymmetricBridge: a path must have the shape (" + std::to_string(steps + 1) + ", " +
                                    std::to_string(numAtoms) + ", 3).");
    const Tensor path = points.to(torch::kCPU, torch::kFloat64).contiguous();
    // All steps are known, so the network is asked once for all of them.
    const MoleculeBatch all = batch.repeat(steps);
    const Tensor times = torch::tensor(timeGrid, torch::kFloat64).narrow(0, 0, steps);
    const Tensor start = path[0].to(network->options());
    const auto context = network->prepare(all, start.repeat({steps, 1}));
    const Tensor displacements = findDisplacement(*context, times.repeat_interleave(batch.getNumMolecules()),
                                                  path.narrow(0, 0, steps).reshape({-1, 3}))
                                     .view({steps, numAtoms, 3}) *
                                 (1 - times).view({-1, 1, 1});
    std::vector<double> logDensity;
    for (const Molecule& molecule : split(batch, path[0])) {
        double sum = 0;
        for (int64_t step = 0; step < steps; step++) {
            const Tensor now = removeShift(molecule.cut(path[step])), next = removeShift(molecule.cut(path[step + 1]));
            sum += makeStep(molecule, step, now, molecule.cut(displacements[step])).computeLogDensity(next);
        }
        logDensity.push_back(sum);
    }
    return torch::tensor(logDensity, torch::kFloat64);
}
