#ifndef OPENMMJUMP_TESTS_MODELFILECASES_H_
#define OPENMMJUMP_TESTS_MODELFILECASES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>

#include "openmmjump/network/files/FileError.h"

namespace JumpPlugin {

/** What the fuzzed files are called; every message must hold it. */
const std::string caseName = "case.safetensors";

/** A metadata entry with every key. */
inline std::string makeMetadata() {
    return R"({"format":1,"name":"small","family":"pvb","architecture":{"hidden_dim":8,"ffn_dim":8,"rbf_dim":4,)"
           R"("heads":2,"layers":1,"encoder_layers":1,"k_neighbors":4,"cutoff_lower":0.0,"cutoff_upper":10.0,)"
           R"("sigma":0.2,"coord_prior_var":0.5,"head":"endpoint","encoder":"learned"},"length_scale":10.0,)"
           R"("lag_time":1000.0,"temperature":300.0,"sampler":{"type":"bridge","time_grid":[0.0,0.25,1.0],)"
           R"("step_noise":"euler"},"vocabulary":{"atoms":[[6,5],[8,7]]},"preserves":{"orientation":false,)"
           R"("center_of_mass":true},"provenance":{"force_field":["amber14-all.xml"],"data":"1 us"}})";
}

/** The same of the family "unisim". */
inline std::string makeUniSimMetadata() {
    return R"({"format":1,"name":"small","family":"unisim","architecture":{"hidden_dim":8,"ffn_dim":8,"rbf_dim":4,)"
           R"("expansion_dim":2,"heads":2,"layers":1,"inter_neighbors":16,"energy_heads":1,"vector_heads":true,)"
           R"("guidance_kernel":true,"cutoff":5.0,"hydrogen_cutoff":3.5,"noise_scale":0.2,"vel_scale":0.5,)"
           R"("gamma_clip":0.1,"guidance_strength":0.05,"guidance_scale":0.5},"length_scale":10.0,"lag_time":100.0,)"
           R"("temperature":300.0,"sampler":{"type":"interpolant","time_grid":[0.0,0.25,1.0],"step_noise":"euler"},)"
           R"("vocabulary":{"atoms":[[6,5],[8,7]]},"preserves":{"orientation":false,"center_of_mass":false},)"
           R"("provenance":{"energy_heads":["vacuum"]}})";
}

/** A safetensors file of this header and these data, right or wrong. */
inline std::string makeFile(const std::string& header, const std::string& data) {
    const std::uint64_t size = header.size();
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &size, 8);
    return bytes + header + data;
}

/** Replace the first occurrence of a text. */
inline std::string replaceIn(std::string text, const std::string& what, const std::string& by) {
    const std::size_t position = text.find(what);
    EXPECT_NE(position, std::string::npos) << what;
    return position == std::string::npos ? text : text.replace(position, what.size(), by);
}

/** One plain sentence on one line that names the file. */
inline void expectSentence(const std::string& message) {
    EXPECT_NE(message.find(caseName), std::string::npos) << message;
    EXPECT_TRUE(message.ends_with('.')) << message;
    EXPECT_LT(message.size(), 2000u) << message;
    for (unsigned char c : message)
        EXPECT_TRUE(c >= 0x20 && c != 0x7f) << message;
}

/** Run a reader: it returns, or it throws a FileError with one sentence. Returns the message, empty if none. */
inline std::string tryReading(const std::function<void()>& reader) {
    try {
        reader();
        return "";
    } catch (const FileError& error) {
        expectSentence(error.what());
        return error.what();
    }
    // Any other exception ends the test.
}

/** Expect a refusal whose sentence holds a text. */
inline void expectRefused(const std::function<void()>& reader, const std::string& text) {
    const std::string message = tryReading(reader);
    EXPECT_NE(message.find(text), std::string::npos) << "expected '" << text << "' in '" << message << "'";
}

/** A few random edits of a file: bytes changed, parts removed, repeated or moved, JSON-like text put in. */
inline std::string mutate(std::string bytes, std::mt19937_64& random) {
    static const char* const fragments[] = {"\"",       "{",
                                            "}",        "[",
                                            "]",        ",",
                                            ":",        "-1",
                                            "1e999",    "null",
                                            "true",     "NaN",
                                            "0.5",      "18446744073709551615",
                                            "\\u",      "\xff",
                                            "\n",       "9223372036854775808",
                                            "\"F16\"",  "[[]]",
                                            "{\"a\":1}"};
    auto pick = [&](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); };
    for (std::size_t edit = 0, edits = 1 + pick(4); edit < edits && !bytes.empty(); edit++) {
        const std::size_t at = pick(bytes.size());
        const std::size_t length = std::min(bytes.size() - at, pick(12));
        switch (pick(7)) {
        case 0:
            bytes[at] = static_cast<char>(random());
            break;
        case 1:
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(8)));
            break;
        case 2:
            bytes.erase(at, length);
            break;
        case 3:
            bytes.insert(at, bytes.substr(pick(bytes.size()), length));
            break;
        case 4:
            bytes.insert(at, fragments[pick(std::size(fragments))]);
            break;
        case 5:
            bytes.resize(at);
            break;
        default:
            bytes[at] = static_cast<char>('0' + pick(10));
            break;
        }
    }
    return bytes;
}

/** Mutate the header and write its right size before it, so that the faults lie deeper than the size. */
inline std::string mutateHeader(const std::string& header, const std::string& data, std::mt19937_64& random) {
    return makeFile(mutate(header, random), data);
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_TESTS_MODELFILECASES_H_
