#include "openmmjump/network/families/unisim/InterpolantSampler.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "ModelFileCases.h"
#include "UniSimCases.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/families/pvb/BridgeSampler.h"
#include "openmmjump/network/files/FileError.h"
#include "openmmjump/network/model/ModelFile.h"
#include "openmmjump/network/model/ModelLoader.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/TensorNoise.h"
#include "openmmjump/network/sampling/TimeGrid.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

std::vector<double> toList(const Tensor& values) {
    const double* data = values.const_data_ptr<double>();
    return {data, data + values.numel()};
}

TensorNoise stepNoise(const Tensor& noise) {
    return TensorNoise(torch::Tensor(), noise);
}

/** A network whose config's settings (not sizes) are changed. */
std::shared_ptr<UniSimNetwork> changed(const std::shared_ptr<UniSimNetwork>& network, const SettingValues& settings) {
    SettingValues values = network->getConfig().toValues();
    for (const auto& [key, value] : settings)
        values[key] = value;
    return std::make_shared<UniSimNetwork>(UniSimConfig::fromValues(values), network->getTensors());
}

const std::string NarrowArchitecture =
    R"({"hidden_dim":32,"ffn_dim":48,"rbf_dim":8,"expansion_dim":4,"heads":4,"layers":2,"inter_neighbors":16,)"
    R"("energy_heads":2,"vector_heads":true,"guidance_kernel":true,"cutoff":5.0,"hydrogen_cutoff":3.5,)"
    R"("noise_scale":0.2,"vel_scale":0.5})";

ModelMetadata narrowMetadata() {
    ModelMetadata metadata;
    metadata.name = "narrow";
    metadata.family = "unisim";
    metadata.settings = narrowUniSim()->getConfig().toValues();
    metadata.lengthScale = 10;
    metadata.lagTime = 100;
    metadata.temperature = 300;
    metadata.timeGrid = {0, 0.5, 1};
    return metadata;
}

/** The text of a metadata entry with this architecture and sampler. */
std::string narrowText(const std::string& architecture, const std::string& sampler = R"("type":"interpolant")") {
    return R"({"format":1,"name":"narrow","family":"unisim","architecture":)" + architecture +
           R"(,"length_scale":10,"lag_time":100,"temperature":300,"sampler":{)" + sampler +
           R"(,"time_grid":[0,0.5,1],"step_noise":"euler"},"preserves":{"orientation":false,"center_of_mass":false}})";
}

/** A model file of this metadata entry. */
ModelFile makeFile(const std::string& text, const SafetensorsFile::Tensors& tensors) {
    return ModelFile::fromBytes(
        SafetensorsFile::fromTensors(tensors, {{ModelFile::metadataKey, text}}, caseName).getBytes(), caseName);
}

/** A network whose velocity and denoiser are 0, of sigma 0.7 A: what remains is noise and guidance. */
std::shared_ptr<UniSimNetwork> stillNetwork(SettingValues settings) {
    const auto network = narrowUniSim(true, false, false);
    for (const char* name : {"velocity.linear_v.weight", "denoiser.linear_v.weight"})
        network->getTensors().at(name).zero_();
    settings["noise_scale"] = 0.7 * network->getConfig().noiseScale / network->getConfig().sigma();
    return changed(network, settings);
}

/** The narrow network's tensors as those of a file; they live as long as the network. */
SafetensorsFile::Tensors toStored(const TensorMap& tensors) {
    SafetensorsFile::Tensors stored;
    for (const auto& [name, tensor] : tensors)
        stored[name] = {StoredType::F64,
                        tensor.sizes().vec(),
                        {static_cast<const char*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
    return stored;
}

void expectRefused(const std::string& text, const SafetensorsFile::Tensors& tensors, const std::string& words) {
    try {
        makeFile(text, tensors);
        ADD_FAILURE() << "no exception; expected: " << words;
    } catch (const FileError& error) {
        EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
}

} // namespace

class InterpolantParity : public testing::TestWithParam<std::string> {};

// Whole jumps of the textbook form in NumPy, whose graph changes from step to step.
TEST_P(InterpolantParity, States) {
    const TensorMap numbers = readUniSimCase(GetParam());
    const MoleculeBatch batch = makeUniSimBatch(numbers.at("atom_type"), numbers.at("edge_mask"));
    const TensorNoise noise = stepNoise(numbers.at("noise"));
    for (bool fused : {true, false}) {
        const InterpolantSampler guided(narrowUniSim(fused), toList(numbers.at("grid")));
        const InterpolantSampler free(narrowUniSim(fused, false, false), toList(numbers.at("grid")));
        expectClose(guided.sampleStates({batch, numbers.at("x"), noise}), numbers.at("guided_states"), 1e-10);
        expectClose(free.sampleStates({batch, numbers.at("x"), noise}), numbers.at("states"), 1e-10);
        EXPECT_GT(relativeError(numbers.at("guided_states"), numbers.at("states")), 1e-6);
        const InterpolantSampler bridge(changed(narrowUniSim(fused), {{"step_noise", "bridge"}, {"order", 2.0}}),
                                        toList(numbers.at("grid")));
        expectClose(bridge.sampleStates({batch, numbers.at("x"), noise}), numbers.at("bridge_states"), 1e-10);
        EXPECT_GT(relativeError(numbers.at("bridge_states"), numbers.at("guided_states")), 1e-3);
        expectClose(free.sample({batch, numbers.at("x"), noise}), numbers.at("states")[4], 1e-10);
    }
}

INSTANTIATE_TEST_SUITE_P(NumPy, InterpolantParity,
                         testing::Values("chain", "stray", "small_body", "far_body", "complex"));

// The drift is b + (sigma^2 / 2) score (docs/theory/unisim.md, equation 21), the clip of gamma included.
TEST(InterpolantSampler, DriftIsTheTextbookOne) {
    const auto network = narrowUniSim(true, false, false);
    const InterpolantSampler sampler(network);
    const MoleculeBatch batch = makeMixedAtoms(14, 4);
    const Tensor y = randomPositions(14, 2);
    const double sigma = network->getConfig().sigma();
    for (double t : {0.0, 0.001, 0.3, 0.5, 0.8, 0.999, 1.0}) {
        const auto fields = network->fields(batch, timeOf(t), y);
        const double gamma = sigma * std::max(std::sqrt(t * (1 - t)), 0.1);
        const Tensor b = fields.velocity / 0.5 + (0.5 - t) * sigma * sigma / gamma * fields.denoiser;
        const Tensor score = -fields.denoiser / gamma;
        expectClose(sampler.drift(batch, t, y), b + sigma * sigma / 2 * score, 1e-12, std::to_string(t));
    }
}

TEST(InterpolantSampler, StrengthZeroLeavesTheGuidanceOut) {
    const MoleculeBatch batch = makeMixedAtoms(14);
    const Tensor y = randomPositions(14, 2);
    const auto network = narrowUniSim();
    const Tensor free = InterpolantSampler(narrowUniSim(true, false, false)).drift(batch, 0.4, y);
    EXPECT_TRUE(
        torch::equal(InterpolantSampler(changed(network, {{"guidance_strength", 0.0}})).drift(batch, 0.4, y), free));
    const Tensor force = network->guidance(batch, timeOf(0.4), y);
    expectClose(InterpolantSampler(changed(network, {{"guidance_strength", 0.2}})).drift(batch, 0.4, y),
                free - 0.4 * force, 1e-12);
}

// Without noise the jump is Euler's rule for the velocity, and asks for no noise.
TEST(InterpolantSampler, WithoutNoiseItFollowsTheVelocity) {
    const auto network = changed(narrowUniSim(true, false, false), {{"noise_scale", 0.0}});
    const MoleculeBatch batch = makeMixedAtoms(14);
    Tensor y = randomPositions(14, 2);
    const Tensor end = InterpolantSampler(network, {0, 0.3, 1}).sample({batch, y, stepNoise({})});
    for (const auto& [t, dt] : {std::pair(0.0, 0.3), std::pair(0.3, 0.7)})
        y = y + dt / 0.5 * network->fields(batch, timeOf(t), y).velocity;
    expectClose(end, y, 1e-13);
    const InterpolantSampler tiny(changed(network, {{"noise_scale", 1e-7}}), {0, 0.3, 1});
    expectClose(tiny.sample({batch, randomPositions(14, 2), CounterNoise(1, 2, 0)}), y, 1e-6);
}

TEST(InterpolantSampler, AddsNoiseInAllStepsButTheLast) {
    const InterpolantSampler sampler(narrowUniSim(true, false, false), {0, 0.25, 0.5, 1});
    const double sigma = 0.2 * std::sqrt(0.0083144626 * 300);
    EXPECT_NEAR(sampler.getNoiseScale(0), 0.5 * sigma, 1e-12);
    EXPECT_NEAR(sampler.getNoiseScale(1), 0.5 * sigma, 1e-12);
    EXPECT_EQ(sampler.getNoiseScale(2), 0);
    EXPECT_NEAR(sampler.getVarianceRate(0.25), sigma * sigma, 1e-12);
    EXPECT_EQ(sampler.getVarianceRate(0.5), 0);
    EXPECT_EQ(sampler.getNumDraws(), 3); // 0, which is not used, 1 and 2
    const MoleculeBatch batch = makeMixedAtoms(8);
    const Tensor x = randomPositions(8, 3), zero = torch::zeros({2, 8, 3}, torch::kFloat64);
    Tensor kick = zero.clone();
    kick[0] = randomNormal({8, 3}, 4);
    const Tensor still = sampler.sampleStates({batch, x, stepNoise(zero)}),
                 kicked = sampler.sampleStates({batch, x, stepNoise(kick)});
    EXPECT_TRUE(torch::equal(still[0], x));
    expectClose(kicked[1] - still[1], 0.5 * sigma * kick[0], 1e-12);
    EXPECT_EQ(InterpolantSampler(narrowUniSim()).getNumSteps(), 15);
    EXPECT_NO_THROW(InterpolantSampler(narrowUniSim(), {0, 1}).sample({batch, x, stepNoise({})}));
}

TEST(InterpolantSampler, NoiseOfABrownianBridge) {
    const InterpolantSampler bridge(stillNetwork({{"step_noise", "bridge"}}), {0, 0.36, 0.84, 1});
    EXPECT_NEAR(bridge.getNoiseScale(0), 0.7 * 0.6 * 0.8, 1e-14);
    EXPECT_NEAR(bridge.getNoiseScale(1), 0.7 * std::sqrt(0.48 * 0.16 / 0.64), 1e-14);
    EXPECT_EQ(bridge.getNoiseScale(2), 0);
    EXPECT_NEAR(bridge.getVarianceRate(0.3), 0.49 * 0.64, 1e-14);
    EXPECT_NEAR(bridge.getVarianceRate(0.36), 0.49 * 0.25, 1e-14);
    EXPECT_EQ(bridge.getVarianceRate(0.9), 0);
}

TEST(InterpolantSampler, GuidanceIsAddedToTheDrift) {
    const InterpolantSampler sampler(narrowUniSim(), {0, 0.25, 1});
    const MoleculeBatch batch = makeMixedAtoms(8);
    const Tensor x = randomPositions(8, 3);
    const TensorNoise noise = stepNoise(torch::zeros({1, 8, 3}, torch::kFloat64));
    std::vector<double> times;
    auto push = [&](const Tensor& y, double t) {
        times.push_back(t);
        return torch::ones_like(y);
    };
    const Tensor pushed = sampler.sampleStates({batch, x, noise, {push}}),
                 free = sampler.sampleStates({batch, x, noise});
    EXPECT_EQ(times, (std::vector<double>{0, 0.25}));
    expectClose(pushed[1], free[1] + 0.25, 1e-13);
}

TEST(InterpolantSampler, AForceAtTheEndPointComesBackThroughTheNetwork) {
    const InterpolantSampler sampler(narrowUniSim(), {0, 0.25, 1});
    const MoleculeBatch batch = makeMixedAtoms(8);
    const Tensor x = randomPositions(8, 3), push = randomNormal({8, 3}, 5);
    const TensorNoise noise = stepNoise(torch::zeros({1, 8, 3}, torch::kFloat64));
    const Sampler::Guidance guidance = {[&](const Tensor&, double) { return push; }, true};
    const auto findEnd = [&](const Tensor& y) { return y + sampler.drift(batch, 0, y); };
    const Tensor shift =
        sampler.sampleStates({batch, x, noise, guidance})[1] - sampler.sampleStates({batch, x, noise})[1];
    expectTransposedJacobian(findEnd, x, push, shift / 0.25);
}

TEST(InterpolantSampler, TilesGiveTheSameJump) {
    InterpolantSampler sampler(narrowUniSim(), {0, 0.5, 1});
    const MoleculeBatch batch = makeMixedAtoms(300, 20);
    const Tensor x = randomPositions(300, 3) * torch::tensor({6.0, 0.5, 0.35}, torch::kFloat64);
    const Tensor whole = sampler.sample({batch, x, CounterNoise(3, 1, 0)});
    sampler.setMaxAtoms(60);
    expectClose(sampler.sample({batch, x, CounterNoise(3, 1, 0)}), whole, 1e-12);
    EXPECT_THROW(sampler.setMaxAtoms(-1), std::invalid_argument);
}

// Replicas of a batch make the jumps they would make alone; rotated noise and start give the rotated jump.
TEST(InterpolantSampler, JumpsAreIndependentOfTheBatchAndEquivariant) {
    const InterpolantSampler sampler(narrowUniSim());
    const MoleculeBatch batch = makeMixedAtoms(12, 3);
    const Tensor x = randomPositions(12, 3), noise = randomNormal({14, 12, 3}, 9);
    const Tensor alone = sampler.sample({batch, x, CounterNoise(3, 7, 0)});
    const Tensor both = sampler.sample({batch.repeat(2), torch::cat({x, x}), CounterNoise({{3, 6, 0}, {3, 7, 0}})});
    expectClose(both.narrow(0, 12, 12), alone, 1e-12);
    const Tensor rotation = -someRotation();
    auto turn = [&](const Tensor& y) { return torch::matmul(y, rotation.t()); };
    expectClose(sampler.sample({batch, turn(x), stepNoise(turn(noise))}),
                turn(sampler.sample({batch, x, stepNoise(noise)})), 1e-10);
}

TEST(InterpolantSampler, AJumpThatRunsAwayIsNotFinite) {
    const InterpolantSampler sampler(narrowUniSim(), {0, 0.25, 0.5, 1});
    const MoleculeBatch batch = makeMixedAtoms(8);
    const Tensor x = randomPositions(8, 3);
    int calls = 0;
    auto push = [&](const Tensor& y, double) {
        calls++;
        return torch::full_like(y, 1e14);
    };
    const Tensor states = sampler.sampleStates({batch, x, CounterNoise(1, 2, 0), {push}});
    EXPECT_TRUE(torch::isfinite(states[1]).all().item<bool>());
    EXPECT_TRUE(torch::isnan(states.narrow(0, 2, 2)).all().item<bool>());
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(torch::isnan(sampler.sample({batch, x * std::nan(""), CounterNoise(1, 2, 0)})).all().item<bool>());
}

TEST(InterpolantSampler, RefusesWhatItCannotSample) {
    for (const std::vector<double>& grid : {std::vector<double>{0}, {0, 0.5}, {0.1, 1}, {0, 0.5, 0.5, 1}})
        expectInvalid([&] { InterpolantSampler(narrowUniSim(), grid); }, "InterpolantSampler: the time");
    UniSimConfig config = narrowUniSimConfig();
    config.vectorHeads = config.guidanceKernel = false;
    const auto network = std::make_shared<UniSimNetwork>(config, UniSimNetwork::initialize(config, 1));
    expectInvalid([&] { InterpolantSampler sampler(network); }, "no heads for velocity");
}

// --- model files ---

TEST(UniSimModelFile, GivesTheSampler) {
    const auto network = narrowUniSim();
    const ModelFile written = ModelFile::fromParts(narrowMetadata(), toStored(network->getTensors()));
    const ModelFile file = ModelFile::fromBytes(written.getBytes(), "narrow.safetensors");
    EXPECT_EQ(file.getMetadata().toJson(), written.getMetadata().toJson());
    EXPECT_EQ(file.getFamily().getTraits().samplerType, "interpolant");
    EXPECT_FALSE(file.getFamily().getTraits().hasDensity);
    const auto sampler = loadSampler(file, {0, 0.2, 1}, torch::TensorOptions(torch::kFloat64));
    const MoleculeBatch batch = makeMixedAtoms(12, 3);
    const Tensor x = randomPositions(12, 3);
    expectClose(sampler->sample({batch, x, CounterNoise(3, 7, 0)}),
                InterpolantSampler(network, {0, 0.2, 1}).sample({batch, x, CounterNoise(3, 7, 0)}), 1e-14);
    // The noise is that of the temperature of the training data.
    ModelMetadata hot = narrowMetadata();
    hot.temperature = 1200;
    const auto hotSampler =
        loadSampler(ModelFile::fromParts(hot, file.getTensors()), {0, 1}, torch::TensorOptions(torch::kFloat32));
    const auto& interpolant = dynamic_cast<const InterpolantSampler&>(*hotSampler);
    EXPECT_NEAR(interpolant.getNetwork()->getConfig().sigma(), 2 * network->getConfig().sigma(), 1e-12);
    EXPECT_EQ(interpolant.options().dtype(), torch::kFloat32);
}

TEST(UniSimModelFile, SaysNoiseAndOrder) {
    const auto network = narrowUniSim(); // whose tensors are stored, not copied
    const auto tensors = toStored(network->getTensors());
    ModelMetadata metadata = narrowMetadata();
    metadata.settings["step_noise"] = "bridge";
    metadata.settings["order"] = int64_t(2);
    const ModelFile file = ModelFile::fromParts(metadata, tensors);
    const auto sampler = loadSampler(file, {0, 0.2, 1}, torch::TensorOptions(torch::kFloat64));
    const UniSimConfig& config = dynamic_cast<const InterpolantSampler&>(*sampler).getNetwork()->getConfig();
    EXPECT_EQ(config.stepNoise, StepNoise::Bridge);
    EXPECT_EQ(config.order, 2);
    EXPECT_EQ(ModelFile::fromBytes(file.getBytes(), "narrow.safetensors").getMetadata().toJson(), metadata.toJson());
    const std::string json = metadata.toJson(), noise = R"("step_noise":"bridge",)";
    const size_t place = json.find(noise);
    ASSERT_NE(place, std::string::npos);
    try {
        ModelMetadata::fromJson(std::string(json).erase(place, noise.size()), "narrow.safetensors");
        ADD_FAILURE() << "a file that does not say its noise";
    } catch (const FileError& error) {
        EXPECT_NE(std::string(error.what()).find("'step_noise'"), std::string::npos) << error.what();
    }
}

TEST(UniSimModelFile, KnowsTheElementsOfItsFamily) {
    const auto tensors = narrowUniSim()->getTensors();
    ModelMetadata metadata = narrowMetadata();
    const ModelFile file = ModelFile::fromParts(metadata, toStored(tensors));
    EXPECT_TRUE(file.knowsAtom(30, 0));
    EXPECT_FALSE(file.knowsAtom(10, 0));
    EXPECT_FALSE(file.knowsAtom(0, 0));
    metadata.vocabulary = {{6, 5}, {10, 9}};
    const ModelFile narrow = ModelFile::fromParts(metadata, toStored(tensors));
    EXPECT_TRUE(narrow.knowsAtom(6, 5));
    EXPECT_FALSE(narrow.knowsAtom(10, 9));
    EXPECT_FALSE(narrow.knowsAtom(30, 0));
}

TEST(UniSimModelFile, NamesTheFault) {
    const auto network = narrowUniSim();
    const auto tensors = toStored(network->getTensors());
    const std::set<std::string> unbounded = {"noise_scale", "vel_scale", "hydrogen_cutoff"},
                                large = {"1e300", "4611686018427387904"};
    for (const char* key :
         {"hidden_dim", "ffn_dim", "rbf_dim", "expansion_dim", "heads", "layers", "inter_neighbors", "energy_heads",
          "vector_heads", "guidance_kernel", "cutoff", "hydrogen_cutoff", "noise_scale", "vel_scale"}) {
        const std::string quoted = std::string("\"").append(key).append("\":");
        expectRefused(narrowText(replaceIn(NarrowArchitecture, quoted, "\"other\":")), tensors, "unknown key 'other'");
        const size_t start = NarrowArchitecture.find(quoted), end = NarrowArchitecture.find_first_of(",}", start);
        for (const char* wrong : {"-1", "1e300", "4611686018427387904", "\"x\"", "null", "[]", "{}"}) {
            std::string architecture = NarrowArchitecture;
            architecture.replace(start + quoted.size(), end - start - quoted.size(), wrong);
            if (unbounded.count(key) > 0 && large.count(wrong) > 0)
                continue;
            expectRefused(narrowText(architecture), tensors, key);
        }
        std::string missing = NarrowArchitecture;
        missing.erase(start, end - start + (NarrowArchitecture[end] == ',' ? 1 : 0));
        if (missing[start] == '}')
            missing.erase(start - 1, 1); // the comma before
        expectRefused(narrowText(missing), tensors, std::string("no key '") + key + "'");
    }
    expectRefused(narrowText(NarrowArchitecture, R"("type":"bridge")"), tensors,
                  "this version knows only 'interpolant'");
    expectRefused(narrowText(NarrowArchitecture, R"("type":"interpolant","order":3)"), tensors,
                  "order is 3, but it must be a whole number between 1 and 2");
}

// The network's demands are checked when it is built: a file of energy heads alone makes no jumps.
TEST(UniSimModelFile, FaultsOfTheTensorsAreTheFiles) {
    const auto network = narrowUniSim();
    const auto expectFault = [&](const std::string& architecture, const SafetensorsFile::Tensors& tensors,
                                 const std::string& words) {
        const ModelFile file = makeFile(narrowText(architecture), tensors);
        try {
            loadSampler(file, {0, 1}, torch::TensorOptions(torch::kFloat64));
            ADD_FAILURE() << "no exception; expected: " << words;
        } catch (const FileError& error) {
            EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
        }
    };
    auto tensors = toStored(network->getTensors());
    expectFault(replaceIn(NarrowArchitecture, "\"vector_heads\":true", "\"vector_heads\":false"), tensors,
                "no heads for velocity");
    expectFault(replaceIn(NarrowArchitecture, "\"energy_heads\":2", "\"energy_heads\":1"), tensors,
                "'energy_heads.1.ffn_mlp.0.bias' does not belong");
    expectFault(replaceIn(NarrowArchitecture, "\"layers\":2", "\"layers\":1024"), tensors, "is missing");
    expectFault(replaceIn(NarrowArchitecture, "\"hidden_dim\":32", "\"hidden_dim\":1048576"), tensors, "has the shape");
    tensors.erase("velocity.linear_v.weight");
    expectFault(NarrowArchitecture, tensors, "velocity.linear_v.weight is missing");
}

// Whatever is in the settings: a sampler, or one sentence.
TEST(UniSimModelFile, RandomSettingsMakeNoHarm) {
    const auto network = narrowUniSim();
    const auto tensors = toStored(network->getTensors());
    std::mt19937_64 random(5);
    int made = 0;
    for (int i = 0; i < 3000; i++) {
        const std::string text = narrowText(mutate(NarrowArchitecture, random));
        made += tryReading([&] {
                    loadSampler(makeFile(text, tensors), {0, 1}, torch::TensorOptions(torch::kFloat32));
                }).empty();
    }
    EXPECT_GT(made, 30);
}
