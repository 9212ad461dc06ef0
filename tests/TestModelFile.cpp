#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/families/pvb/PvbConfig.h"
#include "openmmjump/network/families/unisim/UniSimConfig.h"
#include "openmmjump/network/model/ModelFile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "ModelFileCases.h"

using namespace JumpPlugin;
using std::string;

namespace {

/** Two trained tensors and one that is not. */
SafetensorsFile::Tensors makeTensors() {
    static const string data(32, '\0');
    return {{"a", {StoredType::F32, {2, 2}, std::string_view(data).substr(0, 16)}},
            {"b", {StoredType::F16, {}, std::string_view(data).substr(0, 2)}},
            {"index", {StoredType::I64, {2}, std::string_view(data).substr(0, 16)}}};
}

/** A model file with this metadata entry, right or wrong. */
string makeModel(const string& metadata) {
    return SafetensorsFile::fromTensors(makeTensors(), {{"openmmjump", metadata}}, caseName).getBytes();
}

ModelFile parse(const string& bytes) {
    return ModelFile::fromBytes(bytes, caseName);
}

/** Expect a refusal after a change of the good metadata. */
void expectRefusedChange(const string& what, const string& by, const string& text) {
    expectRefused([&] { parse(makeModel(replaceIn(makeMetadata(), what, by))); }, text);
}

} // namespace

TEST(ModelFile, ReadsMetadata) {
    const ModelFile file = parse(makeModel(makeMetadata()));
    const ModelMetadata& metadata = file.getMetadata();
    EXPECT_EQ(metadata.name, "small");
    EXPECT_EQ(metadata.family, "pvb");
    EXPECT_EQ(metadata.lengthScale, 10);
    EXPECT_EQ(metadata.lagTime, 1000);
    EXPECT_EQ(metadata.temperature, 300);
    EXPECT_EQ(file.getFamily().getTraits().samplerType, "bridge");
    EXPECT_EQ(metadata.settings.at("step_noise"), SettingValue("euler"));
    EXPECT_EQ(metadata.settings.at("order"), SettingValue(int64_t(1)));
    EXPECT_EQ(metadata.timeGrid, (std::vector<double>{0, 0.25, 1}));
    EXPECT_FALSE(metadata.preservesOrientation);
    EXPECT_TRUE(metadata.preservesCenterOfMass);
    EXPECT_EQ(metadata.provenance, R"({"data":"1 us","force_field":["amber14-all.xml"]})");
    EXPECT_EQ(file.getMetadataText(), makeMetadata());
    EXPECT_EQ(file.getNumParameters(), 5);
    EXPECT_TRUE(file.knowsAtom(6, 5));
    EXPECT_FALSE(file.knowsAtom(6, 7));
}

TEST(ModelFile, ReadsPvbConfig) {
    const ModelFile file = parse(makeModel(makeMetadata()));
    const PvbConfig config = PvbConfig::fromValues(file.getMetadata().settings);
    EXPECT_EQ(config.hiddenDim, 8);
    EXPECT_EQ(config.encoderLayers, 1);
    EXPECT_EQ(config.kNeighbors, 4);
    EXPECT_EQ(config.coordPriorVar, 0.5);
    EXPECT_EQ(config.head, PvbConfig::Head::Endpoint);
    EXPECT_EQ(config.encoder, PvbConfig::Encoder::Learned);
    EXPECT_EQ(config.stepNoise, PvbConfig::StepNoise::Euler);
}

TEST(ModelFile, ReadsUniSimConfig) {
    const ModelFile file = parse(makeModel(makeUniSimMetadata()));
    const UniSimConfig config = UniSimConfig::fromValues(file.getMetadata().settings);
    EXPECT_EQ(config.hiddenDim, 8);
    EXPECT_EQ(config.expansionDim, 2);
    EXPECT_EQ(config.energyHeads, 1);
    EXPECT_TRUE(config.vectorHeads && config.guidanceKernel);
    EXPECT_EQ(config.temperature, 300);
    EXPECT_EQ(config.guidanceStrength, 0.05);
    EXPECT_EQ(file.getFamily().getTraits().samplerType, "interpolant");
    EXPECT_EQ(file.getMetadata().timeGrid, (std::vector<double>{0, 0.25, 1}));
    const string bare =
        replaceIn(makeUniSimMetadata(), R"(,"gamma_clip":0.1,"guidance_strength":0.05,"guidance_scale":0.5)", "");
    EXPECT_EQ(parse(makeModel(bare)).getMetadata().settings, config.toValues());
}

TEST(ModelFile, KeepsTheGuidanceSchedule) {
    EXPECT_EQ(parse(makeModel(makeMetadata())).getMetadata().guidanceSchedule, "rising");
    for (const string& metadata : {makeMetadata(), makeUniSimMetadata()})
        for (const string word : {"constant", "falling", "rising"}) {
            const string with = R"("guidance_schedule":")" + word + R"(","time_grid")";
            const ModelFile file = parse(makeModel(replaceIn(metadata, R"("time_grid")", with)));
            EXPECT_EQ(file.getMetadata().guidanceSchedule, word);
            EXPECT_EQ(ModelMetadata::fromJson(file.getMetadata().toJson(), caseName).guidanceSchedule, word);
        }
}

TEST(ModelFile, OptionalKeysMayBeLeftOut) {
    string metadata = replaceIn(makeMetadata(), R"(,"head":"endpoint","encoder":"learned")", "");
    metadata = replaceIn(metadata, R"("vocabulary":{"atoms":[[6,5],[8,7]]},)", "");
    metadata = replaceIn(metadata, R"("encoder_layers":1,)", "");
    metadata = metadata.substr(0, metadata.find(",\"provenance\"")) + "}";
    const ModelFile file = parse(makeModel(metadata));
    EXPECT_TRUE(file.knowsAtom(118, 0));
    EXPECT_EQ(PvbConfig::fromValues(file.getMetadata().settings).encoderLayers, 2);
}

TEST(ModelFile, WritesWhatItReads) {
    const ModelFile file = parse(makeModel(makeMetadata()));
    const ModelFile again = ModelFile::fromParts(file.getMetadata(), file.getTensors());
    EXPECT_EQ(again.getMetadata().toJson(), file.getMetadata().toJson());
    EXPECT_EQ(again.getNumParameters(), 5);
    const auto path = std::filesystem::temp_directory_path() / "openmmjump-TestModelFile.safetensors";
    again.write(path.string());
    EXPECT_EQ(ModelFile::read(path.string()).getBytes(), again.getBytes());
    std::filesystem::remove(path);
}

TEST(ModelFile, RefusesToWriteWhatCannotBeRead) {
    ModelMetadata metadata = parse(makeModel(makeMetadata())).getMetadata();
    metadata.lagTime = 0;
    EXPECT_THROW(ModelFile::fromParts(metadata, makeTensors()), FileError);
    metadata.lagTime = std::nan("");
    EXPECT_THROW(ModelFile::fromParts(metadata, makeTensors()), FileError);
    metadata.lagTime = 1;
    metadata.provenance = "{";
    EXPECT_THROW(ModelFile::fromParts(metadata, makeTensors()), FileError);
    metadata.provenance = "{}";
    metadata.family = "\xff";
    EXPECT_THROW(ModelFile::fromParts(metadata, makeTensors()), FileError);
}

TEST(ModelFile, RefusesFilesThatAreNoModels) {
    const auto noModel = SafetensorsFile::fromTensors(makeTensors(), {{"format", "pt"}}, caseName).getBytes();
    expectRefused([&] { parse(noModel); }, "no metadata entry 'openmmjump'");
    const auto noTensors = SafetensorsFile::fromTensors({}, {{"openmmjump", makeMetadata()}}, caseName).getBytes();
    expectRefused([&] { parse(noTensors); }, "holds no tensors");
    expectRefused([] { parse(makeModel("")); }, "not valid JSON");
    expectRefused([] { parse(makeModel("3")); }, "not a JSON object");
    expectRefused([] { parse(makeModel(string(100000, '['))); }, "levels deep");
    expectRefused([] { parse(makeModel("\xef\xbb\xbf" + makeMetadata())); }, "not valid JSON");
}

TEST(ModelFile, RefusesEveryMisspeltKey) {
    for (const char* key :
         {"name",      "family",      "architecture",  "hidden_dim",   "ffn_dim",   "rbf_dim",         "heads",
          "layers",    "k_neighbors", "cutoff_lower",  "cutoff_upper", "sigma",     "coord_prior_var", "length_scale",
          "lag_time",  "temperature", "sampler",       "type",         "time_grid", "step_noise",      "atoms",
          "preserves", "orientation", "center_of_mass"})
        expectRefused(
            [&] {
                const string quoted = string("\"").append(key).append("\":");
                parse(makeModel(replaceIn(makeMetadata(), quoted, "\"other\":")));
            },
            "unknown key 'other'");
    expectRefused([] { parse(makeModel(replaceIn(makeMetadata(), "\"format\":", "\"other\":"))); }, "no key 'format'");
}

TEST(ModelFile, NamesTheFault) {
    expectRefusedChange("\"format\":1", "\"format\":2", "newer OpenMM-Jump");
    expectRefusedChange("\"format\":1", "\"format\":0", "'format' of its metadata is not above zero");
    expectRefusedChange("\"format\":1", "\"format\":1.0", "not a 64-bit integer");
    expectRefusedChange("\"format\":1", "\"format\":1,\"format\":1", "'format' twice");
    expectRefusedChange("\"format\":1", "\"format\":1,\"extra\":1", "unknown key 'extra'");
    expectRefusedChange("small", "", "'name'");
    expectRefusedChange("small", "a\\nb", "control character");
    expectRefusedChange("\"pvb\"", "\"pvc\"", "'family' of its metadata is 'pvc', but this version knows only 'pvb'");
    expectRefusedChange("\"pvb\"", "7", "'family' of its metadata is not a text");
    expectRefusedChange("\"lag_time\":1000.0", "\"lag_time\":-1", "not above zero");
    expectRefusedChange("\"lag_time\":1000.0", "\"lag_time\":true", "not a finite number");
    expectRefusedChange("\"lag_time\":1000.0", "\"lag_time\":1e999", "too large");
    expectRefusedChange("\"lag_time\":1000.0", "\"lag_time\":NaN", "not valid JSON");
    expectRefusedChange("0.0,0.25,1.0", "0.0,0.25,0.25,1.0", "not strictly increasing");
    expectRefusedChange("0.0,0.25,1.0", "0.1,1.0", "from 0 to 1");
    expectRefusedChange("0.0,0.25,1.0", "0.0,0.9", "from 0 to 1");
    expectRefusedChange("0.0,0.25,1.0", "0.0", "2 to 100001 times");
    expectRefusedChange("0.0,0.25,1.0", "0.0,null,1.0", "other than a number");
    expectRefusedChange("\"euler\"", "\"none\"", "'step_noise' of 'sampler' of its metadata");
    expectRefusedChange(
        "\"euler\"", "\"euler\",\"guidance_schedule\":\"up\"",
        "'guidance_schedule' of 'sampler' of its metadata is 'up', but this version knows only 'constant'");
    expectRefusedChange("\"euler\"", "\"euler\",\"guidance_schedule\":3", "'guidance_schedule'");
    expectRefusedChange("[6,5]", "[0,5]", "'atoms'");
    expectRefusedChange("[6,5]", "[6,138]", "'atoms'");
    expectRefusedChange("[6,5]", "[6,18446744073709551615]", "'atoms'");
    expectRefusedChange("[6,5]", "[6]", "'atoms'");
    expectRefusedChange("[6,5]", "[8,7]", "[8,7] twice");
    expectRefusedChange("[[6,5],[8,7]]", "[]", "empty");
    expectRefusedChange("\"orientation\":false", "\"orientation\":0", "neither true nor false");
    expectRefusedChange("\"hidden_dim\":8", "\"hidden_dim\":8.5", "'hidden_dim'");
    expectRefusedChange("\"hidden_dim\":8", "\"hidden_dim\":18446744073709551615", "'hidden_dim'");
    expectRefusedChange("\"hidden_dim\":8", "\"hidden_dim\":9", "heads");
    expectRefusedChange("\"sigma\":0.2", "\"sigma\":0", "sigma");
    expectRefusedChange("\"endpoint\"", "\"else\"", "'head'");
}

TEST(ModelFileFuzz, TruncatedMetadata) {
    for (const string& metadata : {makeMetadata(), makeUniSimMetadata()})
        for (std::size_t length = 0; length < metadata.size(); length++)
            EXPECT_NE(tryReading([&] { parse(makeModel(metadata.substr(0, length))); }), "") << length;
}

TEST(ModelFileFuzz, RandomEditsOfMetadata) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 16000; i++) {
        const string metadata = mutate(i % 2 == 0 ? makeMetadata() : makeUniSimMetadata(), random);
        tryReading([&] {
            // What is not UTF-8 is already refused by the writer.
            const ModelFile file = parse(makeModel(metadata));
            EXPECT_EQ(ModelMetadata::fromJson(file.getMetadata().toJson(), caseName).toJson(),
                      file.getMetadata().toJson());
        });
    }
}

TEST(ModelFileFuzz, RandomEditsOfTheFile) {
    std::mt19937_64 random(4);
    const string bytes = makeModel(makeMetadata());
    for (int i = 0; i < 10000; i++)
        tryReading([&] { parse(mutate(bytes, random)).getNumParameters(); });
}
