#ifndef OPENMMJUMP_NETWORK_PVBNETWORK_H_
#define OPENMMJUMP_NETWORK_PVBNETWORK_H_

#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/families/pvb/PvbConfig.h"
#include "openmmjump/network/graph/MoleculeBatch.h"
#include "openmmjump/network/graph/NeighborGraph.h"
#include "openmmjump/network/layers/AtomFeatures.h"
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace JumpPlugin {

struct AtomNeighbors;
struct NeighborGeometry;
struct PvbTower;
struct TransformerInputs;

/**
 * The network of PVB (Pretrained Variational Bridge, arXiv 2602.07588; formulas in docs/theory/pvb.md, equations 4 to
 * 18): an equivariant transformer over neighbours. The encoder gives the variance of the bridge's
 * starting point Y0; the decoder gives the drift and the velocity at the point Y_t of a bridge that started at Y0.
 *
 * Positions are in Angstrom, shape (N, 3); the time t runs from 0 to 1. All methods are differentiable with respect to
 * the tensors and to the positions, work in the floating point type of the tensors (other positions are converted), and
 * may be called from several threads.
 */
class PvbNetwork {
public:
    /** What depends on the molecules, the tensors and Y0 alone: computed once for each jump. Made by prepare(). */
    class Context;
    /** The bridge's two vector fields, (N, 3) in A. */
    struct Fields {
        torch::Tensor velocity, drift;
    };

    /**
     * Make a network of tensors named as in the published state dict. The tensors are shared, not copied.
     *
     * @throws std::invalid_argument naming the tensor that is missing, unknown, of a wrong shape or type
     */
    PvbNetwork(const PvbConfig& config, const TensorMap& tensors);

    /**
     * The tensors of a network, in the order of the published one's parameters. The encoder's are absent where the
     * encoder is fixed. The published but unused `W_vec_mu.weight`, and the velocity head of an endpoint network, are
     * optional and not listed.
     */
    static std::vector<NamedShape> listTensors(const PvbConfig& config);
    /**
     * Fresh float32 tensors: embeddings N(0,1), weights Xavier uniform (heads: Xavier normal), biases 0
     * (docs/theory/pvb.md, equations 7 and 19).
     */
    static TensorMap initialize(const PvbConfig& config, uint64_t seed);

    const PvbConfig& getConfig() const { return config; }
    const TensorMap& getTensors() const { return tensors; }
    /** floating point type and device of the tensors */
    torch::TensorOptions options() const {
        return tensors.at("drf_ffn.linear_v.weight").options().requires_grad(false);
    }
    /** whether the tensors hold a velocity head */
    bool hasVelocity() const { return tensors.count("vel_ffn.linear_v.weight") > 0; }
    /**
     * Whether positions on the CPU are computed with the fused operations (default) or in the way of other devices: by
     * plain compositions of tensor operations whose shapes do not depend on the positions and whose results the host
     * never waits for.
     */
    void setFused(bool use) { fused = use; }
    bool getFused() const { return fused; }
    /**
     * Promise that the tensors will not change any more. What is derived from them is then computed once and not for
     * each jump, and where no gradient is recorded (torch::NoGradGuard or c10::InferenceMode), small molecules on the
     * CPU are evaluated on plain arrays, several times faster. Calls that record gradients are as before. Call it again
     * if the tensors have changed after all; not while other threads use the network.
     */
    void freeze();
    bool isFrozen() const { return frozen != nullptr; }

    /**
     * Logarithm of the variance of Y0 around x0, in ln A^2, (N, 3).
     */
    torch::Tensor logVariance(const MoleculeBatch& batch, const torch::Tensor& x0) const;
    /**
     * Compute what all calls of one jump share.
     *
     * @param y0  (N, 3) starting point of the bridge in A
     */
    std::shared_ptr<const Context> prepare(const MoleculeBatch& batch, const torch::Tensor& y0) const;
    /**
     * The drift of the bridge SDE in A, (N, 3).
     *
     * @param context  from prepare()
     * @param t        time between 0 and 1: a single number, or (M), one for each molecule
     * @param y        (N, 3) point of the bridge in A
     * @throws std::invalid_argument for an endpoint network at t = 1, where the drift is not defined, if t is on the
     * CPU; on another device the drift is not finite then
     */
    torch::Tensor drift(const Context& context, const torch::Tensor& t, const torch::Tensor& y) const;
    /** The velocity of the bridge's probability flow ODE in A, (N, 3). */
    torch::Tensor velocity(const Context& context, const torch::Tensor& t, const torch::Tensor& y) const;
    /** What the head `drf_ffn` predicts as it is: the drift, or the displacement Y1 - Y_t of an endpoint network. */
    torch::Tensor prediction(const Context& context, const torch::Tensor& t, const torch::Tensor& y) const;
    /**
     * Velocity (undefined if there is no such head) and prediction() from one pass of the decoder, for training.
     */
    Fields fields(const Context& context, const torch::Tensor& t, const torch::Tensor& y) const;

    /**
     * The encoder's features at x0.
     *
     * @param trace  if not null, gets the intermediate values of every layer, for tests
     */
    AtomFeatures encode(const MoleculeBatch& batch, const torch::Tensor& x0, TensorMap* trace = nullptr) const;
    /** The decoder's features at Y_t. */
    AtomFeatures decode(const Context& context, const torch::Tensor& t, const torch::Tensor& y,
                        TensorMap* trace = nullptr) const;

private:
    struct Frozen;
    PvbTower makeTower(const std::string& prefix, int64_t layers) const;
    AtomNeighbors findGraph(const MoleculeBatch& batch, const torch::Tensor& positions) const;
    NeighborGeometry measure(const AtomNeighbors& graph, const torch::Tensor& positions) const;
    torch::Tensor computeFeatures(const PvbTower& tower, const NeighborGeometry& geometry,
                                  const AtomNeighbors& graph) const;
    torch::Tensor embedNeighbors(const PvbTower& tower, const AtomNeighbors& graph, const torch::Tensor& nodes,
                                 const torch::Tensor& neighborEmbedding, const torch::Tensor& features,
                                 const torch::Tensor& cutoff) const;
    AtomFeatures runLayers(const PvbTower& tower, const TransformerInputs& inputs, const AtomFeatures& start,
                           const std::string& prefix, TensorMap* trace) const;
    torch::Tensor mixReference(const Context& context, const AtomNeighbors& graph, TensorMap* trace) const;
    torch::Tensor predict(const std::string& head, const Context& context, const torch::Tensor& t,
                          const torch::Tensor& y) const;
    torch::Tensor toDrift(const Context& context, const torch::Tensor& t, const torch::Tensor& prediction) const;
    torch::Tensor checkTime(const Context& context, const torch::Tensor& t) const;
    torch::Tensor timePerAtom(const Context& context, const torch::Tensor& t) const;
    const torch::Tensor& get(const std::string& name) const { return tensors.at(name); }
    torch::Tensor convert(const MoleculeBatch& batch, const torch::Tensor& positions, const char* name) const;

    PvbConfig config;
    TensorMap tensors;
    bool fused = true;
    std::shared_ptr<const Frozen> frozen; // null until freeze()
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_PVBNETWORK_H_*/
