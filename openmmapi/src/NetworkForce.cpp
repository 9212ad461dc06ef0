#include "openmmjump/internal/NetworkForce.h"

#include "NetworkBridge.h"
#include "openmmjump/LearnedForce.h"
#include "openmmjump/network/ModelFile.h"
#include "openmmjump/network/UniSimLoader.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

// The network's units: MJ/mol/nm for forces, though lengths are in Angstrom, and so 100 kJ/mol for energies.
constexpr double ForceUnit = 1000, EnergyUnit = 100;

} // namespace

class NetworkForce::Impl {
public:
    explicit Impl(const LearnedForce& force) :
        kind(force.getKind()), energyHead(force.getEnergyHead()), scale(force.getModel().getLengthScale()),
        batch(makeBatch(force.getMolecularGraph())) {
        const auto type = force.getUseDoublePrecision() ? torch::kFloat64 : torch::kFloat32;
        network = loadUniSim(force.getModel().getModelFile(), torch::TensorOptions(type));
        const UniSimConfig& config = network->getConfig();
        const string model = "LearnedForce: the model '" + force.getModel().getName() + "' has ";
        if (kind == LearnedForce::Energy && energyHead >= config.energyHeads)
            throw OpenMMException(model + to_string(config.energyHeads) + " energy heads, so there is no head " +
                                  to_string(energyHead));
        if (kind == LearnedForce::GuidanceKernel && !config.guidanceKernel)
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
        const torch::Tensor t = torch::full({}, time, network->options());
        double energy = 0;
        torch::Tensor force;
        if (kind == LearnedForce::Energy) {
            const auto found = network->energyAndForce(batch, t, x, energyHead);
            energy = EnergyUnit * found.energy.to(torch::kFloat64).sum().item<double>();
            force = found.force;
        } else
            force = -network->guidance(batch, t, x);
        forces.resize(atoms.size());
        torch::from_blob(forces.data(), {batch.getNumAtoms(), 3}, torch::kFloat64)
            .copy_(force.to(torch::kFloat64) * ForceUnit);
        return energy;
    }

private:
    LearnedForce::Kind kind;
    int energyHead, threads;
    double scale; // network length units per nm
    MoleculeBatch batch;
    shared_ptr<const UniSimNetwork> network;
};

NetworkForce::NetworkForce(const LearnedForce& force) :
    impl(translateErrors([&] { return make_unique<Impl>(force); })) {}

NetworkForce::~NetworkForce() = default;

double NetworkForce::compute(const vector<Vec3>& atoms, double time, vector<Vec3>& forces) const {
    return translateErrors([&] { return impl->compute(atoms, time, forces); });
}

} // namespace JumpPlugin
