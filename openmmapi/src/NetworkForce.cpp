#include "openmmjump/internal/NetworkForce.h"

#include "NetworkBridge.h"
#include "openmmjump/LearnedForce.h"
#include "openmmjump/network/model/ModelFile.h"
#include "openmmjump/network/model/ModelLoader.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

class NetworkForce::Impl {
public:
    explicit Impl(const LearnedForce& force) :
        kind(force.getKind()), energyHead(force.getEnergyHead()), scale(force.getModel().getLengthScale()),
        batch(makeBatch(force.getMolecularGraph())) {
        const auto type = force.getUseDoublePrecision() ? torch::kFloat64 : torch::kFloat32;
        network = loadEnergyModel(force.getModel().getModelFile(), torch::TensorOptions(type));
        const string model = "LearnedForce: the model '" + force.getModel().getName() + "' has ";
        if (kind == LearnedForce::Energy && energyHead >= network->getNumEnergyHeads())
            throw OpenMMException(model + to_string(network->getNumEnergyHeads()) +
                                  " energy heads, so there is no head " + to_string(energyHead));
        if (kind == LearnedForce::GuidanceKernel && !network->hasGuidanceKernel())
            throw OpenMMException(model + "no guidance kernel");
        threads = ThreadScope::choose(0, batch.getNumAtoms());
    }

    double compute(const vector<Vec3>& atoms, double time, vector<Vec3>& forces) const {
        const ThreadScope scope(threads);
        const torch::NoGradGuard noGrad; // of the parameters
        const torch::Tensor positions =
            torch::from_blob(const_cast<Vec3*>(atoms.data()), {batch.getNumAtoms(), 3}, torch::kFloat64);
        // Single precision is not spent on where the molecule is.
        const torch::Tensor x = ((positions - positions.mean(0, true)) * scale).to(network->options());
        double energy = 0;
        torch::Tensor force;
        if (kind == LearnedForce::Energy) {
            const auto found = network->computeEnergy(batch, time, x, energyHead);
            energy = found.energy.sum().item<double>();
            force = found.force;
        } else
            force = network->computeGuidance(batch, time, x);
        forces.resize(atoms.size());
        torch::from_blob(forces.data(), {batch.getNumAtoms(), 3}, torch::kFloat64).copy_(force);
        return energy;
    }

private:
    LearnedForce::Kind kind;
    int energyHead, threads;
    double scale; // network length units per nm
    MoleculeBatch batch;
    unique_ptr<const EnergyModel> network;
};

NetworkForce::NetworkForce(const LearnedForce& force) :
    impl(translateErrors([&] { return make_unique<Impl>(force); })) {}

NetworkForce::~NetworkForce() = default;

double NetworkForce::compute(const vector<Vec3>& atoms, double time, vector<Vec3>& forces) const {
    return translateErrors([&] { return impl->compute(atoms, time, forces); });
}

} // namespace JumpPlugin
