#ifndef OPENMMJUMP_NETWORK_MOLECULEBATCH_H_
#define OPENMMJUMP_NETWORK_MOLECULEBATCH_H_

#include "openmmjump/network/Torch.h"
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

namespace JumpPlugin {

class EdgeFinder;
class NeighborGraph;

/**
 * What a network knows of the atoms besides their positions: N atoms of M molecules, one molecule after the other.
 * Immutable; copies share their data.
 */
class MoleculeBatch {
public:
    /** atom types are atomic numbers minus 1 */
    static constexpr int64_t NumAtomTypes = 118;
    /** block types are atom types (small molecules) or 118 + the index of a residue (docs/theory/pvb.md, equation 1) */
    static constexpr int64_t NumBlockTypes = 138;
    static constexpr int64_t MaxBondOrder = 3;

    /**
     * Make a batch. All tensors hold integers of any width.
     *
     * @param atomType   (N) atomic number - 1
     * @param blockType  (N) kind of residue or, in small molecules, the atom type once more
     * @param bonds      (2, E) bonded atoms, in one direction or both
     * @param edgeMask   (N) 1 for the atoms of a ligand in a complex, 0 for all others; undefined means all 0
     * @param molecule   (N) number of the molecule of each atom, rising from 0 without gaps; undefined means one
     * molecule
     * @param bondOrder  (E) 1, 2, 3 for the bonds as given, 0 where it is not known; undefined means all 0
     * @param stereocenters  (C, 4) atoms whose signed volume tells a stereocentre from its mirror image; undefined
     * means none
     * @throws std::invalid_argument for a wrong shape or value
     */
    MoleculeBatch(const torch::Tensor& atomType, const torch::Tensor& blockType, const torch::Tensor& bonds,
                  const torch::Tensor& edgeMask = {}, const torch::Tensor& molecule = {},
                  const torch::Tensor& bondOrder = {}, const torch::Tensor& stereocenters = {});

    /**
     * Several copies of the batch, one after the other.
     */
    MoleculeBatch repeat(int64_t copies) const;

    int64_t getNumAtoms() const { return atomType.size(0); }
    int64_t getNumMolecules() const { return static_cast<int64_t>(moleculeStart.size()) - 1; }
    /** (N) int64 */
    const torch::Tensor& getAtomType() const { return atomType; }
    /** (N) int64 */
    const torch::Tensor& getBlockType() const { return blockType; }
    /** (2, E) int64, every bond in both directions, sorted */
    const torch::Tensor& getBonds() const { return bonds; }
    /** (E) int64, the order of each of getBonds(): 1, 2, 3, or 0 where it is not known */
    const torch::Tensor& getBondOrder() const { return bondOrder; }
    /** (C, 4) int64, the atoms of each stereocentre in the order whose signed volume is to be kept */
    const torch::Tensor& getStereocenters() const { return stereocenters; }
    /** (N) int64 */
    const torch::Tensor& getEdgeMask() const { return edgeMask; }
    /** (N) int64 */
    const torch::Tensor& getMolecule() const { return molecule; }
    /** first atom of each molecule, and N at the end */
    const std::vector<int64_t>& getMoleculeStart() const { return moleculeStart; }
    /** whether any atom belongs to a ligand */
    bool hasLigand() const { return ligand; }
    /** whether two atoms are bonded */
    bool isBonded(int64_t first, int64_t second) const;
    /** the neighbours of an atom along bonds, rising */
    std::pair<const int64_t*, const int64_t*> getBondedAtoms(int64_t atom) const {
        return {bondedAtoms.data() + bondStart[atom], bondedAtoms.data() + bondStart[atom + 1]};
    }
    /**
     * Whether the neighbour graph is complete whatever the positions: in every molecule at most k ligand atoms and at
     * most k others.
     */
    bool hasCompleteGraph(int64_t k) const { return largestGroup <= k; }
    /**
     * A graph stored with storeGraph() for this k, or nothing. Only complete graphs are stored.
     */
    std::shared_ptr<const NeighborGraph> findGraph(int64_t k) const;
    void storeGraph(int64_t k, std::shared_ptr<const NeighborGraph> graph) const;

    /** Integers of every atom, (N) int64 each, on some device. */
    struct DeviceAtoms {
        torch::Tensor atomType, blockType, molecule;
    };
    /** The atoms on a device; they are brought there once. */
    DeviceAtoms getAtoms(torch::Device device) const;
    /**
     * What finds the edges to k neighbours by tensor operations; it is made once.
     *
     * @param options  type and device of the positions
     */
    std::shared_ptr<const EdgeFinder> getEdgeFinder(int64_t k, const torch::TensorOptions& options) const;

private:
    using DeviceKey = std::pair<torch::DeviceType, torch::DeviceIndex>;
    using FinderKey = std::tuple<int64_t, DeviceKey, torch::ScalarType>;
    struct Cache {
        std::mutex mutex;
        std::map<int64_t, std::shared_ptr<const NeighborGraph>> graphs;
        std::map<DeviceKey, DeviceAtoms> atoms;
        std::map<FinderKey, std::shared_ptr<const EdgeFinder>> finders;
    };
    void findMolecules();
    void buildBonds();

    torch::Tensor atomType, blockType, bonds, bondOrder, stereocenters, edgeMask, molecule;
    std::vector<int64_t> moleculeStart, bondStart, bondedAtoms;
    int64_t largestGroup = 0;
    bool ligand = false;
    std::shared_ptr<Cache> cache = std::make_shared<Cache>();
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_MOLECULEBATCH_H_*/
