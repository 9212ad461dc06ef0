#include "openmmjump/internal/Proposer.h"

#include <chrono>

#include "NetworkBridge.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/Torch.h"
#include "openmmjump/network/model/ModelLoader.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/SamplerRunner.h"
#include "openmmjump/network/sampling/TensorNoise.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** No atom of a molecule moves that far in a jump, in nm. */
constexpr double MaxGuidedDistance = 10;

/** The positions as a tensor (N, 3) that shares their memory. */
torch::Tensor wrap(const AtomArray& atoms, int64_t numAtoms, torch::Device device) {
    const auto type = atoms.doublePrecision ? torch::kFloat64 : torch::kFloat32;
    // Told where the memory lies, torch need not ask the driver.
    return at::for_blob(atoms.data, {numAtoms, 3})
        .strides({atoms.stride, 1})
        .options(torch::TensorOptions(type).device(device))
        .target_device(device)
        .make_tensor();
}

/** The mean of positions (N, 3) in double precision, (1, 3). */
torch::Tensor findCenter(const torch::Tensor& x) {
    const torch::Tensor parts = x * (1.0 / x.size(0));
    if (!x.is_cpu())
        return parts.sum(0, true);
    // In the order of the atoms: the same bits on every processor, whatever the width of its vector registers.
    return parts.cumsum(0).narrow(0, x.size(0) - 1, 1);
}

} // namespace

class Proposer::Impl {
public:
    Impl(const ProposerSettings& settings, torch::Device device, unique_ptr<SamplerRunner> runner) :
        batch(makeBatch(settings.graph)),
        timeGrid(settings.sampler.timeGrid.empty() ? settings.model.getTimeGrid() : settings.sampler.timeGrid),
        traits(settings.model.getModelFile().getFamily().getTraits()), scale(settings.model.getLengthScale()),
        runner(runner != nullptr ? std::move(runner) : make_unique<SamplerRunner>()) {
        const auto type = settings.sampler.useDoublePrecision ? torch::kFloat64 : torch::kFloat32;
        sampler = loadSampler(settings.model.getModelFile(), timeGrid, torch::TensorOptions(type).device(device));
        options = sampler->options();
        threads = ThreadScope::choose(settings.sampler.threads, batch.getNumAtoms());
    }

    GuidanceCost propose(const AtomArray& positions, const AtomArray& proposal, const JumpConditions& jump,
                         const Guidance& guidance, const ForceSource& source) {
        const c10::InferenceMode inference;
        const ThreadScope scope(threads);
        setConditions(jump);
        const int64_t numAtoms = batch.getNumAtoms();
        const torch::Tensor x = wrap(positions, numAtoms, options.device()).to(torch::kFloat64);
        const torch::Tensor center = findOrigin(x);
        const torch::Tensor x0 = ((x - center) * scale).to(options);
        const torch::Tensor noise = drawNoise(CounterNoise({jump.noise}));
        GuidanceCost cost;
        torch::Tensor y;
        if (guidance.isOn()) // forces of the System cannot be recorded
            y = sample(x0, noise, makeGuidance(guidance, source, x0, center, cost));
        else
            y = runner->run([this](auto&... tensors) { return sample(tensors..., {}); }, x0, noise);
        wrap(proposal, numAtoms, options.device()).copy_(y.to(torch::kFloat64) / scale + center);
        return cost;
    }

    double computeLogDensityRatio(const AtomArray& positions, const AtomArray& proposal) const {
        const c10::InferenceMode inference;
        const ThreadScope scope(threads);
        const auto load = [&](const AtomArray& atoms) {
            return wrap(atoms, batch.getNumAtoms(), options.device()).to(torch::kFloat64);
        };
        const torch::Tensor center = findOrigin(load(positions));
        const torch::Tensor x = (load(positions) - center) * scale, y = (load(proposal) - center) * scale;
        return findLogDensity(y, x) - findLogDensity(x, y);
    }

private:
    void setConditions(const JumpConditions& jump) {
        if ((traits.takesLagTime && jump.lagTime != conditions.lagTime) ||
            (traits.takesTemperature && jump.temperature != conditions.temperature))
            runner->forget(); // a recording holds them as constants
        conditions = jump;
    }

    /** A network sees centred positions: single precision is not spent on where the molecule is. */
    torch::Tensor findOrigin(const torch::Tensor& x) const {
        return sampler->dependsOnPosition() ? torch::zeros({1, 3}, x.options()) : findCenter(x);
    }

    /** All noise of a jump on the device of the network, (draws, N, ...), brought there in one copy. */
    torch::Tensor drawNoise(const NoiseSource& source) const {
        const vector<int64_t> shape = sampler->getNoiseShape(batch.getNumAtoms());
        vector<int64_t> all = {sampler->getNumDraws()};
        all.insert(all.end(), shape.begin(), shape.end());
        const auto host = options.device(torch::kCPU);
        torch::Tensor noise = torch::empty(all, host.pinned_memory(options.device().is_cuda()));
        for (int64_t step = 0; step < all[0]; step++)
            noise[step].copy_(source.draw(step, shape, host));
        return noise.to(options, true);
    }

    /** ln q(x1 | x0) of the present jump. */
    double findLogDensity(const torch::Tensor& x0, const torch::Tensor& x1) const {
        const CounterNoise noise({conditions.noise});
        return sampler->computeLogDensity({batch, x0, noise, {}, conditions.lagTime, conditions.temperature}, x1);
    }

    torch::Tensor sample(const torch::Tensor& x0, const torch::Tensor& noise, const Sampler::Guidance& guidance) const {
        const TensorNoise source(noise[0], noise.narrow(0, 1, noise.size(0) - 1));
        return sampler->sample({batch, x0, source, guidance, conditions.lagTime, conditions.temperature});
    }

    /** What the forces of a source add to the drift, in length units of the network. */
    Sampler::Guidance makeGuidance(const Guidance& guidance, const ForceSource& source, const torch::Tensor& x0,
                                   const torch::Tensor& center, GuidanceCost& cost) const {
        const GuidanceSettings& settings = guidance.settings;
        const int64_t skipped = settings.steps == 0 ? 0 : max<int64_t>(0, timeGrid.size() - 2 - settings.steps);
        const bool atEndPoint = settings.point == GuidanceSettings::EndPoint;
        const auto findGain = [this, &guidance](double t) {
            return sampler->getVarianceRate(t) * guidance.getWeight(t) * guidance.settings.strength /
                   (guidance.kT * scale);
        };
        const auto force = [=, this, &guidance, &cost](const torch::Tensor& y, double t) -> torch::Tensor {
            if (!isNear(y, x0))
                return torch::zeros_like(y);
            const auto start = chrono::steady_clock::now();
            const int64_t numAtoms = batch.getNumAtoms();
            wrap(source.points, numAtoms, options.device()).copy_(y.to(torch::kFloat64) / scale + center);
            guidance.setTime(atEndPoint ? 1 : t);
            source.compute();
            const torch::Tensor forces = wrap(source.forces, numAtoms, options.device()).to(torch::kFloat64);
            cost.evaluations++;
            cost.seconds += chrono::duration<double>(chrono::steady_clock::now() - start).count();
            return (findGain(t) * clip(forces, guidance.settings.forceCap)).to(y.options());
        };
        const auto isOn = [=, this](double t) { return t >= timeGrid[skipped] && findGain(t) != 0; };
        return {force, atEndPoint, isOn};
    }

    /** Whether it makes sense to ask for forces: neighbour lists of scattered atoms may need endless memory. */
    bool isNear(const torch::Tensor& y, const torch::Tensor& x0) const {
        return ((y - x0).abs() < MaxGuidedDistance * scale).all().item<bool>();
    }

    /** Forces (N, 3), none longer than a cap. The force on an atom that overlaps with another may not be finite. */
    static torch::Tensor clip(const torch::Tensor& forces, double cap) {
        const torch::Tensor length = forces.norm(2, 1, true);
        return torch::where(length.isfinite(), forces * (cap / length.clamp_min(cap)), torch::zeros_like(forces));
    }

    MoleculeBatch batch;
    vector<double> timeGrid;
    ModelFamily::Traits traits;
    JumpConditions conditions;    // of the present jump
    double scale;                 // network length units per nm
    torch::TensorOptions options; // type and device of the network
    int threads;
    unique_ptr<Sampler> sampler;
    unique_ptr<SamplerRunner> runner;
};

Proposer::Proposer(const ProposerSettings& settings) : Proposer(settings, nullptr) {}

Proposer::Proposer(const ProposerSettings& settings, unique_ptr<SamplerRunner> runner) :
    impl(translateErrors([&] { return make_unique<Impl>(settings, torch::kCPU, std::move(runner)); })) {}

Proposer::Proposer(const ProposerSettings& settings, int cudaDevice, unique_ptr<SamplerRunner> runner) :
    impl(translateErrors([&] {
        const torch::Device device(torch::kCUDA, static_cast<torch::DeviceIndex>(cudaDevice));
        return make_unique<Impl>(settings, device, std::move(runner));
    })) {}

Proposer::~Proposer() = default;

GuidanceCost Proposer::propose(const AtomArray& positions, const AtomArray& proposal, const JumpConditions& jump,
                               const Guidance& guidance, const ForceSource& source) {
    return translateErrors([&] { return impl->propose(positions, proposal, jump, guidance, source); });
}

double Proposer::computeLogDensityRatio(const AtomArray& positions, const AtomArray& proposal) const {
    return translateErrors([&] { return impl->computeLogDensityRatio(positions, proposal); });
}

} // namespace JumpPlugin
