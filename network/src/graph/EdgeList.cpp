#include "openmmjump/network/graph/EdgeList.h"
#include "openmmjump/network/graph/NeighborGraph.h"

using namespace JumpPlugin;
using torch::Tensor;

std::shared_ptr<const EdgeList> EdgeList::fromGraph(const NeighborGraph& graph, const torch::TensorOptions& options) {
    const int64_t n = graph.numAtoms;
    const Tensor degree = graph.centerStart.narrow(0, 1, n) - graph.centerStart.narrow(0, 0, n);
    auto list = std::make_shared<EdgeList>();
    list->numAtoms = n;
    list->width = degree.max().item<int64_t>();
    const Tensor column = torch::arange(list->width, torch::kInt64).unsqueeze(0);
    const Tensor real = column < degree.unsqueeze(1);
    const Tensor place = graph.centerStart.narrow(0, 0, n).unsqueeze(1) + column;
    const Tensor edge = graph.centerEdges.index_select(0, place.clamp_max(graph.getNumEdges() - 1).flatten());
    const Tensor center = torch::arange(n, torch::kInt64).unsqueeze(1).expand_as(real).flatten();
    const Tensor source = graph.edges.select(0, 0).index_select(0, edge);
    list->center = center.to(options.device());
    list->source = torch::where(real.flatten(), source, center).to(options.device());
    list->bond = (graph.getEdgeBond().index_select(0, edge) * real.flatten()).to(options);
    if (!real.all().item<bool>())
        list->weight = real.flatten().to(options);
    return list;
}

Tensor EdgeList::sum(const Tensor& messages) const {
    const int64_t table = numAtoms * width, rest = source.size(0) - table;
    Tensor total = messages.narrow(0, 0, table).unflatten(0, {numAtoms, width}).sum(1);
    if (rest == 0)
        return total;
    // Unlike index_add, this sorts the indices on a GPU: the order of the sum is always the same.
    return total.index_put({center.narrow(0, table, rest)}, messages.narrow(0, table, rest), true);
}

Tensor EdgeList::order(const MoleculeBatch& batch) const {
    Tensor mask = batch.getEdgeMask().to(source.device());
    Tensor inter = (mask.index_select(0, source) != mask.index_select(0, center)).to(torch::kInt64);
    Tensor key = (inter * numAtoms + source) * numAtoms + center;
    if (!weight.defined())
        return key.argsort();
    Tensor real = weight.nonzero().flatten();
    return real.index_select(0, key.index_select(0, real).argsort());
}
