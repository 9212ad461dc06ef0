#include "openmmjump/JumpModel.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "ModelFileCases.h"
#include "openmm/OpenMMException.h"
#include "openmmjump/network/model/ModelFile.h"
#include "openmmjump/network/model/ModelTensors.h"

using namespace JumpPlugin;
using std::string;

namespace {

string makeModel(const string& type, const string& data) {
    StoredTensor tensor{*findType(type), {3}, data};
    return SafetensorsFile::fromTensors({{"a", tensor}}, {{"openmmjump", makeMetadata()}}, caseName).getBytes();
}

template <class T>
string pack(std::initializer_list<T> values) {
    return string(reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T));
}

string getMessage(const std::function<void()>& action) {
    try {
        action();
    } catch (const OpenMM::OpenMMException& error) {
        return error.what();
    }
    return "";
}

} // namespace

TEST(JumpModel, GivesTheMetadata) {
    const string bytes = makeModel("F32", pack<float>({1, 2, 3}));
    const JumpModel model = JumpModel::fromBytes(bytes, caseName);
    EXPECT_EQ(model.getBytes(), bytes);
    EXPECT_EQ(model.getName(), "small");
    EXPECT_EQ(model.getFamily(), "pvb");
    EXPECT_EQ(model.getLagTime(), 1000);
    EXPECT_EQ(model.getTemperature(), 300);
    EXPECT_EQ(model.getLengthScale(), 10);
    EXPECT_FALSE(model.getPreservesOrientation());
    EXPECT_TRUE(model.getPreservesCenterOfMass());
    EXPECT_EQ(model.getTimeGrid(), (std::vector<double>{0, 0.25, 1}));
    EXPECT_EQ(model.getNumParameters(), 3);
    EXPECT_EQ(model.getMetadata(), makeMetadata());
    EXPECT_TRUE(model.knowsAtom(6, 5));
    EXPECT_FALSE(model.knowsAtom(7, 6));
}

TEST(JumpModel, CopiesShareTheWeights) {
    const JumpModel model = JumpModel::fromBytes(makeModel("F32", pack<float>({1, 2, 3})));
    const JumpModel copy = model;
    EXPECT_EQ(&copy.getModelFile(), &model.getModelFile());
}

TEST(JumpModel, ReadsFromDisk) {
    const auto path = std::filesystem::temp_directory_path() / "openmmjump-TestJumpModel.safetensors";
    const string bytes = makeModel("F32", pack<float>({1, 2, 3}));
    ModelFile::fromBytes(bytes, caseName).write(path.string());
    EXPECT_EQ(JumpModel(path.string()).getBytes(), bytes);
    std::filesystem::remove(path);
}

TEST(JumpModel, ThrowsOpenMMExceptions) {
    expectSentence(getMessage([] { JumpModel("/no/such/" + caseName); }));
    expectSentence(getMessage([] { JumpModel::fromBytes("not a model", caseName); }));
}

TEST(ModelTensors, KeepsEveryType) {
    auto load = [](const string& type, const string& data) {
        StoredTensor tensor{*findType(type), {3}, data};
        return loadTensors(SafetensorsFile::fromTensors({{"a", tensor}}, {}, caseName)).at("a");
    };
    auto check = [](const torch::Tensor& tensor, torch::ScalarType type) {
        EXPECT_EQ(tensor.scalar_type(), type);
        EXPECT_TRUE(torch::equal(tensor.to(torch::kFloat64), torch::tensor({1.0, 0.0, 2.0}, torch::kFloat64)));
    };
    check(load("F64", pack<double>({1, 0, 2})), torch::kFloat64);
    check(load("F32", pack<float>({1, 0, 2})), torch::kFloat32);
    check(load("F16", pack<std::uint16_t>({0x3c00, 0, 0x4000})), torch::kFloat16);
    check(load("BF16", pack<std::uint16_t>({0x3f80, 0, 0x4000})), torch::kBFloat16);
    check(load("I64", pack<std::int64_t>({1, 0, 2})), torch::kInt64);
    check(load("I32", pack<std::int32_t>({1, 0, 2})), torch::kInt32);
    check(load("I16", pack<std::int16_t>({1, 0, 2})), torch::kInt16);
    check(load("I8", pack<std::int8_t>({1, 0, 2})), torch::kInt8);
    check(load("U64", pack<std::uint64_t>({1, 0, 2})), torch::kUInt64);
    check(load("U32", pack<std::uint32_t>({1, 0, 2})), torch::kUInt32);
    check(load("U16", pack<std::uint16_t>({1, 0, 2})), torch::kUInt16);
    check(load("U8", pack<std::uint8_t>({1, 0, 2})), torch::kUInt8);
    const torch::Tensor flags = load("BOOL", pack<std::uint8_t>({1, 0, 2}));
    EXPECT_TRUE(torch::equal(flags, torch::tensor({true, false, true})));
}

TEST(ModelTensors, ConvertsFloatingPointOnly) {
    const ModelFile half = ModelFile::fromBytes(makeModel("F16", pack<std::uint16_t>({0x3c00, 0, 0x4000})), caseName);
    EXPECT_EQ(loadTensors(half, torch::kFloat64).at("a").scalar_type(), torch::kFloat64);
    const ModelFile integers = ModelFile::fromBytes(makeModel("I32", pack<std::int32_t>({1, 2, 3})), caseName);
    EXPECT_EQ(loadTensors(integers, torch::kFloat64).at("a").scalar_type(), torch::kInt32);
}

TEST(ModelTensors, RefusesNumbersThatAreNotFinite) {
    const ModelFile file = ModelFile::fromBytes(makeModel("F64", pack<double>({1, 1e300, 2})), caseName);
    EXPECT_NO_THROW(loadTensors(file, torch::kFloat64));
    expectRefused([&] { loadTensors(file, torch::kFloat32); }, "tensor 'a' holds a number that is not finite");
}
