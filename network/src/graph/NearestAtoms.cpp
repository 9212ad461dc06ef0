#include "graph/NearestAtoms.h"
#include <algorithm>
#include <cmath>
#include <limits>

using namespace JumpPlugin;

namespace {

double squaredDistance(const double* x, int64_t i, int64_t j) {
    double dx = x[3 * i] - x[3 * j], dy = x[3 * i + 1] - x[3 * j + 1], dz = x[3 * i + 2] - x[3 * j + 2];
    return dx * dx + dy * dy + dz * dz;
}

/**
 * Keep the k smallest candidates: nearest first, equal distances by index.
 */
void keepNearest(std::vector<NearestAtoms::Candidate>& candidates, size_t k) {
    if (candidates.size() > k) {
        std::nth_element(candidates.begin(), candidates.begin() + k, candidates.end());
        candidates.resize(k);
    }
}

} // namespace

NearestAtoms::NearestAtoms(const double* positions, std::vector<int64_t> atoms, size_t k) :
    x(positions), atoms(std::move(atoms)), k(k) {
    useCells = this->atoms.size() > std::max<size_t>(256, 4 * k);
    if (useCells)
        buildCells();
}

const std::vector<NearestAtoms::Candidate>& NearestAtoms::find(int64_t center) {
    nearest.clear();
    if (useCells)
        searchCells(center);
    else {
        for (int64_t atom : atoms)
            add(center, atom);
        keepNearest(nearest, k);
    }
    return nearest;
}

void NearestAtoms::add(int64_t center, int64_t atom) {
    nearest.emplace_back(atom == center ? -1.0 : squaredDistance(x, center, atom), atom);
}

void NearestAtoms::buildCells() {
    double upper[3];
    for (int axis = 0; axis < 3; axis++) {
        lower[axis] = std::numeric_limits<double>::max();
        upper[axis] = -lower[axis];
        for (int64_t atom : atoms) {
            lower[axis] = std::min(lower[axis], x[3 * atom + axis]);
            upper[axis] = std::max(upper[axis], x[3 * atom + axis]);
        }
    }
    // About k/4 atoms in a cell, if the atoms fill their box, and never many more cells than atoms.
    double volume = 1;
    for (int axis = 0; axis < 3; axis++)
        volume *= upper[axis] - lower[axis] + 1;
    width = std::max(1.0, std::cbrt(volume * std::max<size_t>(k / 4, 1) / atoms.size()));
    double count;
    do {
        count = 1;
        for (int axis = 0; axis < 3; axis++)
            count *= std::floor((upper[axis] - lower[axis]) / width) + 1;
        if (count > 2.0 * atoms.size())
            width *= 1.5;
    } while (count > 2.0 * atoms.size());
    for (int axis = 0; axis < 3; axis++)
        cells[axis] = static_cast<int64_t>((upper[axis] - lower[axis]) / width) + 1;
    cellStart.assign(cells[0] * cells[1] * cells[2] + 1, 0);
    std::vector<int64_t> cellOf;
    for (int64_t atom : atoms) {
        int64_t cell[3];
        findCell(atom, cell);
        cellOf.push_back(flatten(cell[0], cell[1], cell[2]));
        cellStart[cellOf.back() + 1]++;
    }
    for (size_t cell = 1; cell < cellStart.size(); cell++)
        cellStart[cell] += cellStart[cell - 1];
    std::vector<int64_t> next(cellStart.begin(), cellStart.end() - 1), sorted(atoms.size());
    for (size_t index = 0; index < atoms.size(); index++)
        sorted[next[cellOf[index]]++] = atoms[index];
    atoms = std::move(sorted);
}

void NearestAtoms::findCell(int64_t atom, int64_t* cell) const {
    for (int axis = 0; axis < 3; axis++)
        cell[axis] = static_cast<int64_t>(std::floor((x[3 * atom + axis] - lower[axis]) / width));
}

void NearestAtoms::searchCells(int64_t center) {
    int64_t cell[3];
    findCell(center, cell);
    int64_t lastShell = 0, firstShell = 0; // a centre of another set may lie outside the box
    for (int axis = 0; axis < 3; axis++) {
        lastShell = std::max({lastShell, std::abs(cell[axis]), std::abs(cells[axis] - 1 - cell[axis])});
        firstShell = std::max({firstShell, -cell[axis], cell[axis] - (cells[axis] - 1)});
    }
    for (int64_t shell = firstShell; shell <= lastShell; shell++) {
        addShell(center, cell, shell);
        if (nearest.size() >= k) {
            // Atoms of farther shells are at least shell * width away.
            keepNearest(nearest, k);
            double farthest = std::max_element(nearest.begin(), nearest.end())->first;
            if (farthest < shell * width * shell * width)
                return;
        }
    }
}

void NearestAtoms::addShell(int64_t center, const int64_t* cell, int64_t shell) {
    int64_t from[3], to[3];
    for (int axis = 0; axis < 3; axis++) {
        from[axis] = std::max<int64_t>(cell[axis] - shell, 0);
        to[axis] = std::min(cell[axis] + shell, cells[axis] - 1);
    }
    for (int64_t i = from[0]; i <= to[0]; i++)
        for (int64_t j = from[1]; j <= to[1]; j++) {
            bool face = std::abs(i - cell[0]) == shell || std::abs(j - cell[1]) == shell;
            for (int64_t l = from[2]; l <= to[2]; l++) {
                if (!face && std::abs(l - cell[2]) != shell) {
                    l = std::max(l, cell[2] + shell - 1); // jump over the inside of the shell
                    continue;
                }
                int64_t flat = flatten(i, j, l);
                for (int64_t index = cellStart[flat]; index < cellStart[flat + 1]; index++)
                    add(center, atoms[index]);
            }
        }
}
