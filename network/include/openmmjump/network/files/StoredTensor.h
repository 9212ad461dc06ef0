#ifndef OPENMMJUMP_NETWORK_STOREDTENSOR_H_
#define OPENMMJUMP_NETWORK_STOREDTENSOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace JumpPlugin {

/** The element types this reader knows, in the safetensors library's order: files are laid out by it. */
enum class StoredType { BOOL, U8, I8, I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64 };

/** Bytes of one element. */
std::size_t getElementSize(StoredType type);
/** The name a safetensors header uses, for instance "F32". */
std::string_view getTypeName(StoredType type);
/** The type of a name in a safetensors header; empty if this reader does not know it. */
std::optional<StoredType> findType(std::string_view name);
/** Whether the elements are floating point numbers: what training changes. */
bool isFloatingPoint(StoredType type);

/**
 * One tensor of a safetensors file: its type, its shape and its elements (row-major, little-endian, not necessarily
 * aligned). The data belong to the file, or to the caller who is about to write one.
 */
struct StoredTensor {
    StoredType type = StoredType::F32;
    std::vector<std::int64_t> shape; ///< empty for a scalar
    std::string_view data;

    /** Number of elements; a file's shapes are checked to make this product fit. */
    std::int64_t getNumElements() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_STOREDTENSOR_H_
