#include "openmmjump/network/files/StoredTensor.h"

#include <array>

namespace JumpPlugin {

namespace {

struct TypeEntry {
    std::string_view name;
    std::size_t size;
    bool floating;
};

/** In the order of StoredType. */
constexpr std::array<TypeEntry, 13> types = {{{"BOOL", 1, false},
                                              {"U8", 1, false},
                                              {"I8", 1, false},
                                              {"I16", 2, false},
                                              {"U16", 2, false},
                                              {"F16", 2, true},
                                              {"BF16", 2, true},
                                              {"I32", 4, false},
                                              {"U32", 4, false},
                                              {"F32", 4, true},
                                              {"F64", 8, true},
                                              {"I64", 8, false},
                                              {"U64", 8, false}}};

const TypeEntry& getEntry(StoredType type) {
    return types.at(static_cast<std::size_t>(type));
}

} // namespace

std::size_t getElementSize(StoredType type) {
    return getEntry(type).size;
}

std::string_view getTypeName(StoredType type) {
    return getEntry(type).name;
}

std::optional<StoredType> findType(std::string_view name) {
    for (std::size_t i = 0; i < types.size(); i++)
        if (types[i].name == name)
            return static_cast<StoredType>(i);
    return std::nullopt;
}

bool isFloatingPoint(StoredType type) {
    return getEntry(type).floating;
}

std::int64_t StoredTensor::getNumElements() const {
    std::int64_t product = 1;
    for (std::int64_t size : shape)
        product *= size;
    return product;
}

} // namespace JumpPlugin
