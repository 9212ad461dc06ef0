#ifndef OPENMMJUMP_TESTS_TOYMODEL_H_
#define OPENMMJUMP_TESTS_TOYMODEL_H_

#include <cmath>
#include <string>

#include "openmmjump/network/model/ModelFile.h"

namespace JumpTests {

/** A model file of the family of tests/families, which takes the lag time as an input: 1 to 100 ps. */
inline std::string getToyBytes() {
    JumpPlugin::ModelMetadata metadata;
    metadata.name = "toy";
    metadata.family = "toy";
    metadata.lengthScale = 10;
    metadata.lagTime = 10;
    metadata.lagTimeRange = {1, 100};
    metadata.temperature = 300;
    const float logTime = std::log(10.0f), logSpread = std::log(0.1f);
    const auto store = [](const float& value) {
        JumpPlugin::StoredTensor tensor;
        tensor.data = {reinterpret_cast<const char*>(&value), sizeof(value)};
        return tensor;
    };
    return JumpPlugin::ModelFile::fromParts(metadata, {{"log_time", store(logTime)}, {"log_spread", store(logSpread)}})
        .getBytes();
}

} // namespace JumpTests

#endif // OPENMMJUMP_TESTS_TOYMODEL_H_
