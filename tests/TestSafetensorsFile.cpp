#include "openmmjump/network/files/SafetensorsFile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "ModelFileCases.h"

using namespace JumpPlugin;
using std::string;

namespace {

const string goodHeader = R"({"__metadata__":{"note":"hello"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                          R"("b":{"dtype":"I64","shape":[],"data_offsets":[24,32]},)"
                          R"("c":{"dtype":"U8","shape":[0,7],"data_offsets":[32,32]}})";
const string goodData(32, '\1');

SafetensorsFile parse(const string& bytes) {
    return SafetensorsFile::fromBytes(bytes, caseName);
}

void expectRefusedHeader(const string& header, const string& text, const string& data = goodData) {
    expectRefused([&] { parse(makeFile(header, data)); }, text);
}

/** A header with one tensor `a`. */
string oneTensor(const string& type, const string& shape, const string& offsets) {
    return "{\"a\":{\"dtype\":" + type + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

string readWhole(const string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

} // namespace

TEST(SafetensorsFile, ReadsTypesShapesAndData) {
    const SafetensorsFile file = parse(makeFile(goodHeader, goodData));
    EXPECT_EQ(file.getTensors().size(), 3u);
    EXPECT_EQ(file.getTensor("a").type, StoredType::F32);
    EXPECT_EQ(file.getTensor("a").shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(file.getTensor("a").getNumElements(), 6);
    EXPECT_EQ(file.getTensor("b").data.size(), 8u);
    EXPECT_EQ(file.getTensor("b").getNumElements(), 1);
    EXPECT_EQ(file.getTensor("c").getNumElements(), 0);
    EXPECT_EQ(file.getMetadata().at("note"), "hello");
    expectRefused([&] { file.getTensor("d"); }, "has no tensor 'd'");
}

TEST(SafetensorsFile, CopiesShareTheBytes) {
    std::string_view data;
    SafetensorsFile copy = parse(makeFile("{}", ""));
    {
        const SafetensorsFile file = parse(makeFile(goodHeader, goodData));
        data = file.getTensor("a").data;
        copy = file;
    }
    EXPECT_EQ(copy.getTensor("a").data.data(), data.data());
    EXPECT_EQ(string(data), string(24, '\1'));
}

TEST(SafetensorsFile, WritesWhatItReads) {
    const SafetensorsFile file = parse(makeFile(goodHeader, goodData));
    const SafetensorsFile again = SafetensorsFile::fromTensors(file.getTensors(), file.getMetadata(), caseName);
    EXPECT_EQ(again.getMetadata(), file.getMetadata());
    ASSERT_EQ(again.getTensors().size(), 3u);
    for (const auto& [name, tensor] : file.getTensors()) {
        EXPECT_EQ(again.getTensor(name).type, tensor.type);
        EXPECT_EQ(again.getTensor(name).shape, tensor.shape);
        EXPECT_EQ(again.getTensor(name).data, tensor.data);
    }
    const auto path = std::filesystem::temp_directory_path() / "openmmjump-TestSafetensorsFile.safetensors";
    again.write(path.string());
    EXPECT_EQ(SafetensorsFile::read(path.string()).getBytes(), again.getBytes());
    std::filesystem::remove(path);
}

// The same tensors give the bytes that the safetensors library writes.
TEST(SafetensorsFile, AgreesWithTheSafetensorsLibrary) {
    const string path = string(JUMP_TEST_DATA_DIR) + "/pvb/narrow.weights.safetensors";
    const SafetensorsFile file = SafetensorsFile::read(path);
    EXPECT_EQ(file.getTensors().size(), 120u);
    EXPECT_EQ(file.getTensor("decoder.atom_embedding.weight").shape, (std::vector<std::int64_t>{118, 47}));
    EXPECT_EQ(SafetensorsFile::fromTensors(file.getTensors(), {}, caseName).getBytes(), readWhole(path));
}

TEST(SafetensorsFile, RefusesToWriteWhatCannotBeRead) {
    StoredTensor tensor{StoredType::F32, {2}, "1234"};
    auto write = [&](const string& name, const SafetensorsFile::Metadata& metadata = {}) {
        expectRefused([&] { SafetensorsFile::fromTensors({{name, tensor}}, metadata, caseName); }, "");
        return tryReading([&] { SafetensorsFile::fromTensors({{name, tensor}}, metadata, caseName); });
    };
    EXPECT_NE(write("a").find("does not fit its data"), string::npos);
    tensor.data = "12345678";
    EXPECT_EQ(write("a"), "");
    EXPECT_NE(write("__metadata__"), "");
    EXPECT_NE(write("\xff"), "");
    EXPECT_NE(write("a", {{"key", "\xff"}}), "");
}

TEST(SafetensorsFile, RefusesFilesThatAreNotThere) {
    const string folder = std::filesystem::temp_directory_path().string();
    expectRefused([&] { SafetensorsFile::read(folder + "/no/such/" + caseName); }, "there is no such file");
    EXPECT_THROW(SafetensorsFile::read(folder), FileError);
    EXPECT_THROW(SafetensorsFile::read("/dev/zero"), FileError);
    EXPECT_THROW(SafetensorsFile::read(""), FileError);
    const SafetensorsFile file = parse(makeFile("{}", ""));
    expectRefused([&] { file.write(folder + "/no/such/" + caseName); }, "cannot be written");
}

// A header of 0x280 bytes begins with the bytes of a pickle.
TEST(SafetensorsFile, ReadsHeadersOfEverySize) {
    for (std::size_t size = goodHeader.size(); size < 2000; size++) {
        string header = goodHeader;
        header.resize(size, ' ');
        EXPECT_EQ(tryReading([&] { parse(makeFile(header, goodData)); }), "") << size;
    }
}

TEST(SafetensorsFile, NamesTheFault) {
    expectRefused([] { parse(""); }, "0 bytes long");
    expectRefused([] { parse("1234567"); }, "7 bytes long");
    expectRefused([] { parse(makeFile(goodHeader, goodData).substr(0, 50)); }, "but only 42 follow");
    expectRefused([] { parse("\x80\x02}q\x01X\x05 and so on"); }, "pickled");
    expectRefused([] { parse(string("PK\x03\x04\0\0\x08\x08 and so on", 18)); }, "pickled");
    expectRefusedHeader("", "brace");
    expectRefusedHeader(" {}", "brace");
    expectRefusedHeader("[]", "brace");
    expectRefusedHeader("{", "not valid JSON");
    expectRefusedHeader("{} x", "not valid JSON");
    expectRefusedHeader(string("{}\0 ", 4), "not valid JSON");
    expectRefusedHeader("{\"\xff\":{}}", "not valid JSON");
    expectRefusedHeader("{\"a\":NaN}", "not valid JSON");
    expectRefusedHeader("{\"a\":1e999}", "too large");
    expectRefusedHeader("{\"a\":[]}", "not an object");
    expectRefusedHeader("{}", "32 bytes follow the last tensor");
    expectRefusedHeader(goodHeader, "follow the last tensor", goodData + "x");
    expectRefusedHeader(goodHeader, "the file has only 31", goodData.substr(1));
    expectRefusedHeader(R"({"a":{},"a":{}})", "'a' twice");
    expectRefusedHeader(R"({"__metadata__":{"a":"","a":""}})", "'a' twice");
    expectRefusedHeader(R"({"__metadata__":3})", "__metadata__ is not an object");
    expectRefusedHeader(R"({"__metadata__":{"a":3}})", "not a text");
    expectRefusedHeader("{\"x\\n\xe2\x80\xa8\":3}", "'x\\x0a\\xe2\\x80\\xa8'");
}

TEST(SafetensorsFile, NamesTheTensor) {
    expectRefusedHeader(oneTensor("\"F32\"", "[8]", "[0,32],\"more\":1"), "unknown entry 'more'");
    expectRefusedHeader(R"({"a":{"shape":[],"data_offsets":[0,32]}})", "tensor 'a' has no dtype");
    expectRefusedHeader(R"({"a":{"dtype":"F32","data_offsets":[0,32]}})", "tensor 'a' has no shape");
    expectRefusedHeader(R"({"a":{"dtype":"F32","shape":[8]}})", "tensor 'a' has no data_offsets");
    expectRefusedHeader(oneTensor("3", "[8]", "[0,32]"), "not a text");
    expectRefusedHeader(oneTensor("\"f32\"", "[8]", "[0,32]"), "dtype 'f32' of tensor 'a' is not known");
    expectRefusedHeader(oneTensor("\"F32\"", "8", "[0,32]"), "not a list");
    for (const char* size : {"-1", "8.0", "\"8\"", "null", "[8]", "true", "18446744073709551616"})
        expectRefusedHeader(oneTensor("\"F32\"", "[" + string(size) + "]", "[0,32]"), "non-negative 64-bit integer");
    expectRefusedHeader(oneTensor("\"F32\"", "[18446744073709551615]", "[0,32]"), "too large");
    expectRefusedHeader(oneTensor("\"F32\"", "[4611686018427387904]", "[0,32]"), "too large");
    expectRefusedHeader(oneTensor("\"F64\"", "[4294967296,4294967296]", "[0,32]"), "too large");
    expectRefusedHeader(oneTensor("\"U8\"", "[4294967296,4294967296,0]", "[0,0]"), "too large");
    expectRefusedHeader(oneTensor("\"F32\"", "[7]", "[0,32]"), "takes 28 bytes");
    expectRefusedHeader(oneTensor("\"F32\"", "[8]", "[0]"), "not two numbers");
    expectRefusedHeader(oneTensor("\"F32\"", "[8]", "[32,0]"), "ends before it begins");
    expectRefusedHeader(oneTensor("\"F32\"", "[8]", "[0,18446744073709551615]"), "has only 32");
    expectRefusedHeader(oneTensor("\"F32\"", "[7]", "[4,32]"), "a gap of 4 bytes before tensor 'a'");
    expectRefusedHeader(oneTensor("\"F32\"", "[7]", "[0,28]"), "4 bytes follow");
    expectRefusedHeader(R"({"a":{"dtype":"U8","shape":[20],"data_offsets":[0,20]},)"
                        R"("b":{"dtype":"U8","shape":[13],"data_offsets":[19,32]}})",
                        "tensor 'b' overlaps");
    string shape = "[1";
    for (int i = 0; i < 64; i++)
        shape += ",1";
    expectRefusedHeader(oneTensor("\"U8\"", shape + "]", "[0,1]"), "65 dimensions");
}

TEST(SafetensorsFile, BoundsHeaderSizeDepthAndEntries) {
    string bytes = makeFile(goodHeader, goodData);
    for (std::uint64_t size : {SafetensorsFile::maxHeaderSize + 1, std::uint64_t(1) << 63, ~std::uint64_t(0)}) {
        std::memcpy(bytes.data(), &size, 8);
        expectRefused([&] { parse(bytes); }, "more than the 100000000 allowed");
    }
    const std::uint64_t most = SafetensorsFile::maxHeaderSize;
    std::memcpy(bytes.data(), &most, 8);
    expectRefused([&] { parse(bytes); }, "claims 100000000 bytes");
    expectRefusedHeader("{\"a\":" + string(1000000, '['), "levels deep");
    expectRefusedHeader("{\"a\":" + string(60, '[') + string(60, ']') + "}", "not an object");
    string entries = "{\"a\":[0";
    for (int i = 0; i < 1000000; i++)
        entries += ",0";
    expectRefusedHeader(entries + "]}", "too many entries");
}

TEST(SafetensorsFile, MessagesArePrintable) {
    EXPECT_EQ(FileError::quote("a b"), "'a b'");
    EXPECT_EQ(FileError::quote("\xc3\xa9"), "'\xc3\xa9'");
    EXPECT_EQ(FileError::quote("\xc3"), "'\\xc3'");
    EXPECT_EQ(FileError::quote("\xc2\x85\x7f\xed\xa0\x80"), "'\\xc2\\x85\\x7f\\xed\\xa0\\x80'");
    string longText;
    for (int i = 0; i < 1000; i++)
        longText += "\xe2\x82\xac";
    const string quoted = FileError::quote(longText);
    EXPECT_LT(quoted.size(), 400u);
    EXPECT_EQ(quoted.find("\\x"), string::npos) << quoted;
}

// Every file either reads or gives one sentence; the sanitizers watch the rest.
TEST(SafetensorsFileFuzz, Truncations) {
    const string bytes = makeFile(goodHeader, goodData);
    for (std::size_t length = 0; length < bytes.size(); length++) {
        EXPECT_NE(tryReading([&] { parse(bytes.substr(0, length)); }), "") << length;
        if (length < goodHeader.size()) {
            EXPECT_NE(tryReading([&] { parse(makeFile(goodHeader.substr(0, length), goodData)); }), "") << length;
        }
    }
}

TEST(SafetensorsFileFuzz, EveryByteOfTheHeader) {
    const string bytes = makeFile(goodHeader, goodData);
    for (std::size_t i = 0; i < 8 + goodHeader.size(); i++)
        for (int value = 0; value < 256; value++) {
            string changed = bytes;
            changed[i] = static_cast<char>(value);
            tryReading([&] { parse(changed); });
        }
}

TEST(SafetensorsFileFuzz, EveryPairOfOffsets) {
    const string numbers[] = {"0",
                              "1",
                              "23",
                              "24",
                              "25",
                              "31",
                              "32",
                              "33",
                              "-1",
                              "4294967296",
                              "9223372036854775807",
                              "18446744073709551615",
                              "18446744073709551616",
                              "1e3",
                              "null"};
    for (const string& begin : numbers)
        for (const string& end : numbers)
            for (const string& size : numbers) {
                const string header = oneTensor("\"U8\"", "[" + size + "]", "[" + begin + "," + end + "]");
                const bool good = begin == "0" && end == "32" && size == "32";
                EXPECT_EQ(tryReading([&] { parse(makeFile(header, goodData)); }) == "", good) << header;
            }
}

TEST(SafetensorsFileFuzz, RandomEdits) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; i++) {
        const string changed =
            i % 2 ? mutate(makeFile(goodHeader, goodData), random) : mutateHeader(goodHeader, goodData, random);
        tryReading([&] {
            const SafetensorsFile file = parse(changed);
            // Whatever reads can be written and read again.
            SafetensorsFile::fromTensors(file.getTensors(), file.getMetadata(), caseName);
        });
    }
}

TEST(SafetensorsFileFuzz, RandomBytes) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 5000; i++) {
        string bytes(random() % 100, '\0');
        for (char& c : bytes)
            c = static_cast<char>(random());
        tryReading([&] { parse(bytes); });
        tryReading([&] { parse(makeFile("{" + bytes, "")); });
    }
}
