#ifndef OPENMMJUMP_NETWORK_UNISIMNETWORK_H_
#define OPENMMJUMP_NETWORK_UNISIMNETWORK_H_

#include "openmmjump/network/TensorMap.h"
#include "openmmjump/network/families/unisim/UniSimConfig.h"
#include "openmmjump/network/graph/MoleculeBatch.h"
#include "openmmjump/network/graph/NeighborGraph.h"
#include "openmmjump/network/layers/AtomFeatures.h"
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace JumpPlugin {

struct TransformerLayer;

/**
 * The network of UniSim (arXiv 2506.03157; formulas in docs/theory/unisim.md, equations 5 to 12): an equivariant
 * transformer over the atoms of a RadiusGraph with an expanded embedding of the elements, and on it heads for
 *
 *  - the energies of several data sets, whose negative gradient is a force,
 *  - the velocity and the denoiser of a stochastic interpolant between conformations one lag time apart,
 *  - and, with a second network of the same kind, the guidance kernel F_t = (1 - t) B0 + t B1 + t (1 - t) M.
 *
 * It sees the elements and the positions, no bonds. Scalars are invariant and vectors turn along under rotations and
 * reflections alike: the handedness of a result is that of the conformation it starts from.
 *
 * Positions are in Angstrom, shape (N, 3). Forces are in MJ/mol/nm as published, whatever the gradient is taken by, so
 * an energy is in units of 100 kJ/mol. The time t runs from 0 to 1 and is a single number, or (M), one for each
 * molecule. All methods are differentiable with respect to the tensors and to the positions, work in the floating point
 * type of the tensors (other positions are converted), and may be called from several threads.
 */
class UniSimNetwork {
public:
    /** Energy of each molecule, (M) in 100 kJ/mol, and the forces, (N, 3) in MJ/mol/nm. */
    struct EnergyAndForce {
        torch::Tensor energy, force;
    };
    /** Outputs of the vector heads, (N, 3): velScale times the velocity in A, and the expected noise. */
    struct Fields {
        torch::Tensor velocity, denoiser;
    };
    /** Outputs of the heads B0, B1 and M of the guidance kernel, (N, 3) in MJ/mol/nm. */
    struct GuidanceHeads {
        torch::Tensor start, end, middle;
    };
    /** What a step of a sampler asks for; `guidance` is F_t, undefined unless asked for. */
    struct Evaluation {
        Fields fields;
        torch::Tensor guidance;
    };

    /**
     * Make a network of named tensors. The tensors are shared, not copied.
     *
     * @throws std::invalid_argument naming the tensor that is missing, unknown, of a wrong shape or type
     */
    UniSimNetwork(const UniSimConfig& config, const TensorMap& tensors);

    /**
     * The tensors of a network: the published names under `encoder.net.`; the heads `energy_heads.0.` ..., `velocity.`
     * and `denoiser.`; the guidance kernel's network under `guidance.net.` and its heads `guidance.b0.`, `guidance.b1.`
     * and `guidance.m.`.
     */
    static std::vector<NamedShape> listTensors(const UniSimConfig& config);
    /**
     * Fresh float32 tensors: embeddings N(0,1), weights Xavier uniform (heads: Xavier normal), biases 0; radial
     * functions as published (docs/theory/pvb.md, equations 7 and 19).
     */
    static TensorMap initialize(const UniSimConfig& config, uint64_t seed);

    const UniSimConfig& getConfig() const { return config; }
    const TensorMap& getTensors() const { return tensors; }
    /** floating point type and device of the tensors */
    torch::TensorOptions options() const {
        return tensors.at("encoder.net.out_norm.weight").options().requires_grad(false);
    }
    /**
     * Whether positions on the CPU are computed with the fused operations (default) or in the way of other devices, by
     * plain compositions of tensor operations.
     */
    void setFused(bool use) { fused = use; }
    bool getFused() const { return fused; }
    /**
     * Promise that the tensors will not change any more: what is derived from them is then computed once and not for
     * each call that records no gradient. Call it again if the tensors have changed after all; not while other threads
     * use the network.
     */
    void freeze();
    bool isFrozen() const { return frozen != nullptr; }

    /** The base network's features at x. */
    AtomFeatures encode(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& x) const;
    /**
     * Energy of each molecule by one of the energy heads, (M), in 100 kJ/mol.
     *
     * @param head  from 0
     * @throws std::invalid_argument if there is no such head
     */
    torch::Tensor energy(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& x,
                         int64_t head) const;
    /**
     * Negative gradient of energy(), (N, 3), in MJ/mol/nm. It can be differentiated if gradients are recorded and the
     * positions or a tensor require them.
     */
    torch::Tensor force(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& x, int64_t head) const;
    /** energy() and force() from one pass of the network. */
    EnergyAndForce energyAndForce(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& x,
                                  int64_t head) const;
    /**
     * The vector heads at the point y of the interpolant.
     *
     * @throws std::invalid_argument if the network has no vector heads
     */
    Fields fields(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& y) const;
    /**
     * The heads of the guidance kernel at y. They see the sum of its own network's scalars and the base network's.
     *
     * @throws std::invalid_argument if the network has no guidance kernel
     */
    GuidanceHeads guidanceHeads(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& y) const;
    /** F_t at y, (N, 3), in MJ/mol/nm: at t = 0 and 1 the gradient of the potential energy. */
    torch::Tensor guidance(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& y) const;
    /**
     * fields(), and guidance() if asked for, from one pass of the base network.
     *
     * @param maxAtoms  if there are more atoms, they are evaluated in tiles of at most so many, each with all the atoms
     * that reach it in layers + 1 steps along edges: at most (layers + 1) cutoff away, 25 A, or farther between two
     * bodies. The result is the same but for rounding. 0 for no limit.
     */
    Evaluation evaluate(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& y, bool guidance,
                        int64_t maxAtoms = 0) const;

private:
    struct Frozen;
    struct Scene;
    std::vector<TransformerLayer> makeLayers(const std::string& prefix) const;
    Scene makeScene(const MoleculeBatch& batch, const torch::Tensor& t, const torch::Tensor& x) const;
    void setGraph(Scene& scene, std::shared_ptr<const NeighborGraph> graph) const;
    torch::Tensor embed(const std::string& prefix, const Scene& scene, const torch::Tensor& cutoff,
                        const torch::Tensor& rbf) const;
    AtomFeatures encode(const std::string& prefix, const Scene& scene) const;
    GuidanceHeads runGuidance(const Scene& scene, const AtomFeatures& base) const;
    Evaluation evaluateScene(const Scene& scene, bool guidance) const;
    Evaluation evaluateTiles(const Scene& scene, bool guidance, int64_t maxAtoms) const;
    void requireGuidance() const;
    torch::Tensor timePerAtom(const MoleculeBatch& batch, const torch::Tensor& t) const;
    const torch::Tensor& get(const std::string& name) const { return tensors.at(name); }

    UniSimConfig config;
    TensorMap tensors;
    bool fused = true;
    std::shared_ptr<const Frozen> frozen; // null until freeze()
};

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_UNISIMNETWORK_H_*/
