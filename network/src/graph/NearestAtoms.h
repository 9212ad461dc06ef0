#ifndef OPENMMJUMP_NETWORK_NEARESTATOMS_H_
#define OPENMMJUMP_NETWORK_NEARESTATOMS_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace JumpPlugin {

/**
 * Finds the nearest atoms of a set. Small sets are scanned; large ones are sorted into cubic cells, and shells of cells
 * are visited until no farther shell can hold a nearer atom.
 */
class NearestAtoms {
public:
    using Candidate = std::pair<double, int64_t>; // squared distance, atom

    /**
     * @param positions  x, y, z of all atoms; must outlive this object
     * @param atoms      the set
     */
    NearestAtoms(const double* positions, std::vector<int64_t> atoms, size_t k);
    /**
     * The k atoms of the set nearest to an atom (equal distances by index), which comes first if it belongs to the set
     * itself.
     */
    const std::vector<Candidate>& find(int64_t center);

private:
    void add(int64_t center, int64_t atom);
    void buildCells();
    void findCell(int64_t atom, int64_t* cell) const;
    int64_t flatten(int64_t i, int64_t j, int64_t l) const { return (i * cells[1] + j) * cells[2] + l; }
    void searchCells(int64_t center);
    void addShell(int64_t center, const int64_t* cell, int64_t shell);

    const double* x;
    std::vector<int64_t> atoms;
    size_t k;
    bool useCells;
    std::vector<Candidate> nearest;
    double lower[3] = {0, 0, 0}, width = 1;
    int64_t cells[3] = {1, 1, 1};
    std::vector<int64_t> cellStart;
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_NEARESTATOMS_H_*/
