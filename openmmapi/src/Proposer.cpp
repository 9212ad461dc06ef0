#include "internal/Proposer.h"

#include <ATen/Parallel.h>

#include "JumpIntegrator.h"
#include "openmm/OpenMMException.h"
#include "openmmjump/network/BridgeSampler.h"
#include "openmmjump/network/CounterNoise.h"
#include "openmmjump/network/FileError.h"
#include "openmmjump/network/ModelFile.h"
#include "openmmjump/network/ModelTensors.h"
#include "openmmjump/network/PvbConfigReader.h"
#include "openmmjump/network/Torch.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** Below this many model atoms a second thread costs more than it helps. */
constexpr int SmallMolecule = 100;

/** Run something of the network; its exceptions become OpenMM's. */
template <class Action>
auto translateErrors(const Action& action) {
    try {
        return action();
    } catch (const c10::Error& error) {
        throw OpenMMException(string("The network failed: ") + error.what_without_backtrace());
    } catch (const invalid_argument& error) {
        throw OpenMMException(string("The network cannot be used: ") + error.what());
    } catch (const FileError& error) {
        throw OpenMMException(error.what());
    }
}

MoleculeBatch makeBatch(const MolecularGraph& graph) {
    const int64_t numAtoms = graph.getNumAtoms(), numBonds = graph.getNumBonds();
    torch::Tensor atomType = torch::empty({numAtoms}, torch::kInt64);
    torch::Tensor blockType = torch::empty({numAtoms}, torch::kInt64);
    torch::Tensor ligand = torch::empty({numAtoms}, torch::kInt64);
    torch::Tensor bonds = torch::empty({2, numBonds}, torch::kInt64);
    for (int64_t i = 0; i < numAtoms; i++) {
        const MolecularGraph::Atom& atom = graph.getAtom(i);
        atomType.data_ptr<int64_t>()[i] = atom.atomicNumber - 1;
        blockType.data_ptr<int64_t>()[i] = atom.blockType;
        ligand.data_ptr<int64_t>()[i] = atom.ligand;
    }
    for (int64_t i = 0; i < numBonds; i++) {
        bonds.data_ptr<int64_t>()[i] = graph.getBond(i).atom1;
        bonds.data_ptr<int64_t>()[numBonds + i] = graph.getBond(i).atom2;
    }
    return MoleculeBatch(atomType, blockType, bonds, ligand);
}

/** Use a number of threads within a scope, then go back to the number before. */
class ThreadScope {
public:
    explicit ThreadScope(int threads) : before(at::get_num_threads()) {
        if (threads != before)
            at::set_num_threads(threads);
    }
    ~ThreadScope() {
        if (at::get_num_threads() != before)
            at::set_num_threads(before);
    }

private:
    int before;
};

} // namespace

class Proposer::Impl {
public:
    explicit Impl(const JumpIntegrator& integrator) :
        batch(makeBatch(integrator.getMolecularGraph())), scale(integrator.getModel().getLengthScale()) {
        const ModelFile& file = integrator.getModel().getModelFile();
        const auto type = integrator.getUseDoublePrecision() ? torch::kFloat64 : torch::kFloat32;
        const PvbConfig config = readPvbConfig(file.getMetadata(), file.getFile().getName());
        auto network = make_shared<PvbNetwork>(config, loadTensors(file, type));
        network->freeze();
        sampler = make_unique<BridgeSampler>(network, integrator.getTimeGrid());
        threads = integrator.getNetworkThreads();
        if (threads == 0)
            threads = (batch.getNumAtoms() < SmallMolecule ? 1 : at::get_num_threads());
    }

    vector<Vec3> propose(const vector<Vec3>& positions, uint64_t seed, uint64_t jump, int attempt) const {
        const c10::InferenceMode inference;
        const ThreadScope scope(threads);
        const int64_t numAtoms = batch.getNumAtoms();
        // The network sees centred positions: single precision is not spent on where the molecule is.
        Vec3 center;
        for (const Vec3& position : positions)
            center += position / numAtoms;
        torch::Tensor x = torch::empty({numAtoms, 3}, torch::kFloat64);
        double* values = x.data_ptr<double>();
        for (int64_t i = 0; i < numAtoms; i++)
            for (int k = 0; k < 3; k++)
                values[3 * i + k] = scale * (positions[i][k] - center[k]);
        const CounterNoise noise(seed, jump, attempt);
        const torch::Tensor y = sampler->sample(batch, x, noise).to(torch::kFloat64).contiguous();
        vector<Vec3> result(numAtoms);
        const double* proposed = y.data_ptr<double>();
        for (int64_t i = 0; i < numAtoms; i++)
            for (int k = 0; k < 3; k++)
                result[i][k] = proposed[3 * i + k] / scale + center[k];
        return result;
    }

private:
    MoleculeBatch batch;
    double scale; // network length units per nm
    int threads;
    unique_ptr<BridgeSampler> sampler;
};

Proposer::Proposer(const JumpIntegrator& integrator) :
    impl(translateErrors([&] { return make_unique<Impl>(integrator); })) {}

Proposer::~Proposer() = default;

vector<Vec3> Proposer::propose(const vector<Vec3>& positions, uint64_t seed, uint64_t jump, int attempt) {
    return translateErrors([&] { return impl->propose(positions, seed, jump, attempt); });
}

} // namespace JumpPlugin
