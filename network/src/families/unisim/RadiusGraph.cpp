#include "openmmjump/network/families/unisim/RadiusGraph.h"
#include "graph/NearPairs.h"
#include "graph/NearestAtoms.h"
#include <algorithm>
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using torch::Tensor;
using Edge = NeighborGraph::Edge;

namespace {

constexpr int64_t HydrogenType = 0; // atomic number - 1

/** Positions in double precision on the host. */
Tensor toCoordinates(const MoleculeBatch& batch, const Tensor& positions) {
    const int64_t n = batch.getNumAtoms();
    if (positions.dim() != 2 || positions.size(0) != n || positions.size(1) != 3)
        throw std::invalid_argument("RadiusGraph: positions must have the shape (" + std::to_string(n) + ", 3).");
    const Tensor coordinates = positions.detach().to(torch::kCPU, torch::kFloat64).contiguous();
    const double* x = coordinates.const_data_ptr<double>();
    for (int64_t index = 0; index < 3 * n; index++)
        if (!(std::abs(x[index]) <= RadiusGraph::FarthestPosition))
            throw std::invalid_argument("RadiusGraph: the position of atom " + std::to_string(index / 3) +
                                        " is not finite or farther away than 1e12 A.");
    return coordinates;
}

/** Collects the edges of one molecule after another. */
class EdgeCollector {
public:
    EdgeCollector(const double* x, const int64_t* atomType, const RadiusGraph::Rule& rule) :
        x(x), atomType(atomType), rule(rule) {}

    void addMolecule(int64_t firstAtom, int64_t lastAtom, const int64_t* mask) {
        std::vector<int64_t> body[2];
        for (int64_t atom = firstAtom; atom < lastAtom; atom++)
            body[mask[atom]].push_back(atom);
        for (const auto& atoms : body)
            addIntra(atoms);
        if (!body[0].empty() && !body[1].empty())
            addInter(body[0], body[1]);
    }

    std::vector<Edge> finish() {
        std::sort(intra.begin(), intra.end());
        std::sort(inter.begin(), inter.end());
        intra.insert(intra.end(), inter.begin(), inter.end());
        return std::move(intra);
    }

private:
    void addIntra(const std::vector<int64_t>& atoms) {
        for (int64_t atom : atoms)
            intra.emplace_back(atom, atom);
        for (const NearPairs::Pair& pair : NearPairs::find(x, atoms, rule.cutoff))
            addBoth(intra, pair.first, pair.second, pair.squaredDistance);
    }

    void addInter(const std::vector<int64_t>& others, const std::vector<int64_t>& ligand) {
        NearestAtoms search(x, others, rule.interNeighbors);
        for (int64_t atom : ligand)
            for (const auto& [squared, other] : search.find(atom))
                addBoth(inter, atom, other, squared);
    }

    void addBoth(std::vector<Edge>& edges, int64_t first, int64_t second, double squared) const {
        const bool hydrogen = atomType[first] == HydrogenType || atomType[second] == HydrogenType;
        if (hydrogen && squared > rule.hydrogenCutoff * rule.hydrogenCutoff)
            return;
        edges.emplace_back(first, second);
        edges.emplace_back(second, first);
    }

    const double* x;
    const int64_t* atomType;
    RadiusGraph::Rule rule;
    std::vector<Edge> intra, inter;
};

} // namespace

std::shared_ptr<const NeighborGraph> RadiusGraph::build(const MoleculeBatch& batch, const Tensor& positions,
                                                        const Rule& rule) {
    // The graph may outlive an inference mode that is on now, and be used in training.
    c10::InferenceMode noInferenceMode(false);
    torch::NoGradGuard noGrad;
    const Tensor coordinates = toCoordinates(batch, positions);
    EdgeCollector collector(coordinates.const_data_ptr<double>(), batch.getAtomType().const_data_ptr<int64_t>(), rule);
    const auto& start = batch.getMoleculeStart();
    for (int64_t molecule = 0; molecule < batch.getNumMolecules(); molecule++)
        collector.addMolecule(start[molecule], start[molecule + 1], batch.getEdgeMask().const_data_ptr<int64_t>());
    return std::make_shared<NeighborGraph>(NeighborGraph::fromEdges(start, collector.finish()));
}
