// What every family of models must do, asked of each that is registered: those of the library and the toy of
// tests/families.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "PvbCases.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/FileError.h"
#include "openmmjump/network/model/ModelFile.h"
#include "openmmjump/network/model/ModelLoader.h"
#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/TensorNoise.h"

using namespace JumpPlugin;
using torch::Tensor;

namespace {

constexpr int64_t Atoms = 9;
constexpr double LagTime = 7;

/** Branched molecules of carbon, nitrogen and oxygen, which all families know. */
MoleculeBatch makeMolecules(int64_t copies) {
    const Tensor type = torch::tensor({5, 5, 6, 5, 7, 5, 5, 6, 7});
    const Tensor bonds = torch::tensor({{0, 1, 2, 3, 3, 5, 6, 6}, {1, 2, 3, 4, 5, 6, 7, 8}});
    return MoleculeBatch(type, type, bonds, {}, {}, torch::tensor({1, 1, 1, 2, 1, 1, 1, 2})).repeat(copies);
}

Tensor makePositions(int64_t seed, int64_t copies = 1) {
    return 1.5 * randomNormal({copies * Atoms, 3}, seed);
}

Tensor makeRotation() {
    return std::get<0>(torch::linalg_qr(randomNormal({3, 3}, 17)));
}

/** A small model of a family. */
class Case {
public:
    explicit Case(const std::string& name, torch::ScalarType type = torch::kFloat64) :
        family(*ModelFamily::find(name)), settings(family.complete(family.getSmallSettings())) {
        for (const auto& [tensor, value] : family.initialize(settings, 3))
            tensors[tensor] = value.to(family.getTraits().isDoublePrecision ? torch::kFloat64 : type);
        sampler = family.makeSampler(settings, tensors, {});
    }

    Tensor jump(const MoleculeBatch& batch, const Tensor& x, const NoiseSource& noise) const {
        return sampler->sample({batch, x.to(sampler->options()), noise, {}, LagTime, 300}).to(torch::kFloat64);
    }

    const ModelFamily& family;
    SettingValues settings;
    TensorMap tensors;
    std::unique_ptr<Sampler> sampler;
};

class Families : public testing::TestWithParam<std::string> {};

std::vector<std::string> getNames() {
    std::vector<std::string> names;
    for (const ModelFamily* family : ModelFamily::getAll())
        names.push_back(family->getName());
    return names;
}

} // namespace

TEST_P(Families, DescribesItsSettings) {
    const ModelFamily& family = *ModelFamily::find(GetParam());
    const SettingValues small = family.complete(family.getSmallSettings());
    EXPECT_EQ(family.complete(small), small);
    std::set<std::string> keys;
    for (const Setting& setting : family.getSettings()) {
        EXPECT_TRUE(keys.insert(setting.key).second) << setting.key << " is declared twice";
        EXPECT_FALSE(setting.help.empty()) << setting.key;
        EXPECT_EQ(setting.check("family", setting.defaultValue), setting.defaultValue) << setting.key;
        EXPECT_EQ(small.count(setting.key), 1u) << setting.key;
    }
    EXPECT_EQ(small.size(), keys.size());
    expectInvalid([&] { family.complete({{"no_such_setting", 1.0}}); }, "no setting named no_such_setting");
}

TEST_P(Families, FreshTensorsAreThoseItAsksFor) {
    const Case test(GetParam());
    const auto list = test.family.listTensors(test.settings);
    EXPECT_EQ(list.size(), test.tensors.size());
    for (const auto& [name, shape] : list) {
        ASSERT_EQ(test.tensors.count(name), 1u) << name;
        EXPECT_EQ(test.tensors.at(name).sizes().vec(), shape) << name;
    }
    TensorMap missing = test.tensors;
    missing.erase(missing.begin());
    EXPECT_THROW(test.family.makeSampler(test.settings, missing, {}), std::invalid_argument);
}

TEST_P(Families, TheSameNoiseGivesTheSameJump) {
    const Case test(GetParam());
    const MoleculeBatch batch = makeMolecules(1);
    const Tensor x = makePositions(1), first = test.jump(batch, x, CounterNoise(5, 2, 0));
    EXPECT_EQ(first.sizes(), x.sizes());
    EXPECT_TRUE(torch::isfinite(first).all().item<bool>());
    EXPECT_TRUE(first.equal(test.jump(batch, x, CounterNoise(5, 2, 0))));
    EXPECT_GT((first - test.jump(batch, x, CounterNoise(5, 3, 0))).abs().max().item<double>(), 1e-3);
    EXPECT_GT((first - test.jump(batch, x, CounterNoise(6, 2, 0))).abs().max().item<double>(), 1e-3);
}

TEST_P(Families, ABatchEqualsItsMolecules) {
    const Case test(GetParam());
    const Tensor x = makePositions(2, 3);
    const Tensor all = test.jump(makeMolecules(3), x, CounterNoise({{5, 1, 0}, {5, 2, 0}, {5, 3, 0}}));
    for (int64_t i = 0; i < 3; i++) {
        const Tensor single = test.jump(makeMolecules(1), x.narrow(0, i * Atoms, Atoms), CounterNoise(5, i + 1, 0));
        expectClose(all.narrow(0, i * Atoms, Atoms), single, 1e-10);
    }
}

TEST_P(Families, MoleculesOfABatchDoNotFeelEachOther) {
    const Case test(GetParam());
    const MoleculeBatch batch = makeMolecules(2);
    const CounterNoise noise({{5, 1, 0}, {5, 2, 0}});
    const Tensor x = makePositions(3, 2);
    Tensor moved = x.clone();
    moved.narrow(0, Atoms, Atoms).copy_(makePositions(4) + 0.5);
    const Tensor before = test.jump(batch, x, noise), after = test.jump(batch, moved, noise);
    expectClose(after.narrow(0, 0, Atoms), before.narrow(0, 0, Atoms), 1e-12);
    EXPECT_GT((after - before).narrow(0, Atoms, Atoms).abs().max().item<double>(), 1e-3);
}

TEST_P(Families, JumpsTurnWithTheMolecule) {
    const Case test(GetParam());
    if (test.sampler->dependsOnPosition()) // it is made for a fixed frame, and says so
        return;
    const MoleculeBatch batch = makeMolecules(1);
    const Tensor x = makePositions(5), rotation = makeRotation();
    std::vector<int64_t> shape = {test.sampler->getNumDraws()};
    for (int64_t length : test.sampler->getNoiseShape(Atoms))
        shape.push_back(length);
    ASSERT_EQ(shape.back(), 3) << "noise of vectors turns along";
    const Tensor noise = randomNormal(shape, 6), turnedNoise = noise.matmul(rotation);
    const auto source = [](const Tensor& draws) {
        return TensorNoise(draws[0], draws.narrow(0, 1, draws.size(0) - 1));
    };
    const Tensor expected = test.jump(batch, x, source(noise)).matmul(rotation);
    expectClose(test.jump(batch, x.matmul(rotation), source(turnedNoise)), expected, 1e-9);
}

TEST_P(Families, SinglePrecisionIsNearDouble) {
    const Case exact(GetParam()), single(GetParam(), torch::kFloat32);
    const MoleculeBatch batch = makeMolecules(1);
    const Tensor x = makePositions(7), y = exact.jump(batch, x, CounterNoise(5, 2, 0));
    const double size = y.abs().max().item<double>();
    expectClose(single.jump(batch, x, CounterNoise(5, 2, 0)), y, 2e-4 * size);
}

TEST_P(Families, IsSavedAndLoaded) {
    const Case test(GetParam());
    ModelMetadata metadata;
    metadata.name = "small";
    metadata.family = GetParam();
    metadata.settings = test.settings;
    metadata.lengthScale = 10;
    metadata.lagTime = LagTime;
    metadata.temperature = 300;
    if (test.family.getTraits().hasTimeGrid)
        metadata.timeGrid = {0, 0.3, 1};
    if (test.family.getTraits().takesLagTime)
        metadata.lagTimeRange = {1, 20};
    SafetensorsFile::Tensors stored;
    for (const auto& [name, tensor] : test.tensors)
        stored[name] = {StoredType::F64,
                        tensor.sizes().vec(),
                        {static_cast<const char*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
    const ModelFile written = ModelFile::fromParts(metadata, stored);
    const ModelFile file = ModelFile::fromBytes(written.getBytes(), "small.safetensors");
    EXPECT_EQ(file.getMetadata().settings, test.settings);
    EXPECT_EQ(file.getMetadata().toJson(), written.getMetadata().toJson());
    EXPECT_EQ(file.getMetadata().lagTimeRange, metadata.lagTimeRange);
    const auto loaded = loadSampler(file, metadata.timeGrid, torch::TensorOptions(torch::kFloat64));
    const auto direct = test.family.makeSampler(test.settings, test.tensors, metadata.timeGrid);
    const MoleculeBatch batch = makeMolecules(1);
    const Tensor x = makePositions(8);
    const CounterNoise noise(5, 2, 0);
    expectClose(loaded->sample({batch, x, noise, {}, LagTime}), direct->sample({batch, x, noise, {}, LagTime}), 1e-14);
    EXPECT_TRUE(file.knowsAtom(6, 5));
    metadata.lagTimeRange = {LagTime + 1, 20};
    EXPECT_THROW(ModelFile::fromParts(metadata, stored), FileError);
}

TEST_P(Families, ForcesAreGradientsOfEnergies) {
    const Case test(GetParam());
    const auto model = test.family.makeEnergyModel(test.settings, test.tensors);
    ASSERT_EQ(model != nullptr, test.family.getTraits().hasEnergies);
    if (model == nullptr)
        return;
    const MoleculeBatch batch = makeMolecules(2);
    const Tensor x = makePositions(9, 2), along = randomNormal({2 * Atoms, 3}, 10);
    const double step = 1e-5;
    for (int64_t head = 0; head < model->getNumEnergyHeads(); head++) {
        const auto energyAt = [&](double shift) {
            return model->computeEnergy(batch, 0.4, x + shift * along, head).energy.sum().item<double>();
        };
        const auto found = model->computeEnergy(batch, 0.4, x, head);
        EXPECT_EQ(found.energy.sizes(), (std::vector<int64_t>{2}));
        const double slope = (energyAt(step) - energyAt(-step)) / (2 * step); // kJ/mol/A
        EXPECT_NEAR(-(found.force * along).sum().item<double>(), 10 * slope, 1e-4 * std::abs(10 * slope) + 1e-6);
    }
}

INSTANTIATE_TEST_SUITE_P(Registered, Families, testing::ValuesIn(getNames()), [](const auto& info) {
    std::string name = info.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

TEST(ModelFamily, IsFoundByItsName) {
    const auto names = getNames();
    EXPECT_GE(names.size(), 4u);
    for (const std::string& name : names)
        EXPECT_EQ(ModelFamily::find(name)->getName(), name);
    EXPECT_EQ(ModelFamily::find("no such family"), nullptr);
    expectInvalid([] { ModelFamily::add(*ModelFamily::getAll().front()); }, "already");
}

// Two jumps of half the lag are one jump: the lag reaches the sampler.
TEST(ToyFamily, KnowsTheLagTime) {
    const Case toy("toy");
    const MoleculeBatch batch = makeMolecules(1);
    const Tensor x = makePositions(11), still = torch::zeros({1, Atoms, 3}, torch::kFloat64);
    const auto jump = [&](const Tensor& start, double lag) {
        return toy.sampler->sample({batch, start, TensorNoise(still[0], {}), {}, lag});
    };
    expectClose(jump(jump(x, 3), 3), jump(x, 6), 1e-12);
    expectClose(jump(x, 1e4), x.mean(0, true).expand({Atoms, 3}), 1e-12);
}
