#include "openmmjump/network/EdgeList.h"

using namespace JumpPlugin;
using torch::Tensor;

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
