#include "openmmjump/network/files/SafetensorsFile.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "files/StrictJson.h"
#include "files/Utf8.h"
#include "openmmjump/network/files/FileError.h"

using nlohmann::json;
using std::size_t;
using std::string;
using std::string_view;
using std::uint64_t;

namespace JumpPlugin {

static_assert(std::endian::native == std::endian::little, "the elements of a safetensors file are little-endian");

namespace {

const string metadataKey = "__metadata__";
const size_t prefixSize = 8;

string describe(const string& tensor) {
    return "tensor " + FileError::quote(tensor);
}

/** Where a tensor lies in the data section. */
struct Range {
    uint64_t begin, end;
    string tensor;
};

/** Bytes of a tensor of this shape, or nothing if the number does not fit. */
std::optional<uint64_t> findNumBytes(StoredType type, const std::vector<std::int64_t>& shape) {
    const uint64_t limit = std::numeric_limits<std::int64_t>::max();
    uint64_t product = getElementSize(type);
    bool empty = false;
    for (std::int64_t size : shape) {
        if (size < 0)
            return std::nullopt;
        empty = empty || size == 0;
        // Zeros are left out of the product: the strides of such a tensor must fit as well.
        const uint64_t factor = std::max<uint64_t>(1, static_cast<uint64_t>(size));
        if (product > limit / factor)
            return std::nullopt;
        product *= factor;
    }
    return empty ? 0 : product;
}

/** A list of non-negative integers in a tensor's entry. */
std::vector<uint64_t> getIntegers(const json& entry, const char* key, const string& tensor, const string& file) {
    if (!entry.contains(key))
        throw FileError(file, describe(tensor) + " has no " + key);
    if (!entry[key].is_array())
        throw FileError(file, "the " + string(key) + " of " + describe(tensor) + " is not a list");
    std::vector<uint64_t> values;
    for (const json& value : entry[key]) {
        if (!value.is_number_unsigned())
            throw FileError(file, "the " + string(key) + " of " + describe(tensor) +
                                      " holds something other than a non-negative 64-bit integer");
        values.push_back(value.get<uint64_t>());
    }
    return values;
}

StoredType getType(const json& entry, const string& tensor, const string& file) {
    if (!entry.contains("dtype"))
        throw FileError(file, describe(tensor) + " has no dtype");
    if (!entry["dtype"].is_string())
        throw FileError(file, "the dtype of " + describe(tensor) + " is not a text");
    const string& type = entry["dtype"].get_ref<const string&>();
    const std::optional<StoredType> found = findType(type);
    if (!found)
        throw FileError(file, "the dtype " + FileError::quote(type) + " of " + describe(tensor) + " is not known");
    return *found;
}

std::vector<std::int64_t> getShape(const json& entry, const string& tensor, const string& file) {
    std::vector<std::int64_t> shape;
    for (uint64_t size : getIntegers(entry, "shape", tensor, file)) {
        if (size > static_cast<uint64_t>(std::numeric_limits<std::int64_t>::max()))
            throw FileError(file, "the shape of " + describe(tensor) + " is too large");
        shape.push_back(static_cast<std::int64_t>(size));
    }
    if (shape.size() > SafetensorsFile::maxDimensions)
        throw FileError(file, describe(tensor) + " has " + std::to_string(shape.size()) + " dimensions, more than " +
                                  std::to_string(SafetensorsFile::maxDimensions));
    return shape;
}

Range getRange(const json& entry, const string& tensor, uint64_t dataSize, const string& file) {
    const std::vector<uint64_t> offsets = getIntegers(entry, "data_offsets", tensor, file);
    if (offsets.size() != 2)
        throw FileError(file, "the data_offsets of " + describe(tensor) + " are not two numbers");
    if (offsets[0] > offsets[1])
        throw FileError(file, describe(tensor) + " ends before it begins");
    if (offsets[1] > dataSize)
        throw FileError(file, describe(tensor) + " ends at byte " + std::to_string(offsets[1]) +
                                  " of the data, but the file has only " + std::to_string(dataSize));
    return {offsets[0], offsets[1], tensor};
}

/** Check one tensor's entry; its data are within the data section after this. */
std::pair<StoredTensor, Range> readEntry(const json& entry, const string& tensor, string_view data,
                                         const string& file) {
    if (!entry.is_object())
        throw FileError(file, "the header's entry for " + describe(tensor) + " is not an object");
    for (const auto& [key, value] : entry.items())
        if (key != "dtype" && key != "shape" && key != "data_offsets")
            throw FileError(file, describe(tensor) + " has the unknown entry " + FileError::quote(key));
    StoredTensor result;
    result.type = getType(entry, tensor, file);
    result.shape = getShape(entry, tensor, file);
    const Range range = getRange(entry, tensor, data.size(), file);
    const std::optional<uint64_t> needed = findNumBytes(result.type, result.shape);
    if (!needed)
        throw FileError(file, "the shape of " + describe(tensor) + " is too large");
    if (*needed != range.end - range.begin)
        throw FileError(file, describe(tensor) + " takes " + std::to_string(*needed) +
                                  " bytes by its dtype and shape, but " + std::to_string(range.end - range.begin) +
                                  " by its offsets");
    result.data = data.substr(range.begin, range.end - range.begin);
    return {result, range};
}

/** The tensors must cover the data exactly: hidden bytes and shared bytes are both refused. */
void checkCoverage(std::vector<Range> ranges, uint64_t dataSize, const string& file) {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
        return std::tie(a.begin, a.end, a.tensor) < std::tie(b.begin, b.end, b.tensor);
    });
    uint64_t position = 0;
    for (const Range& range : ranges) {
        if (range.begin < position)
            throw FileError(file, describe(range.tensor) + " overlaps another tensor");
        if (range.begin > position)
            throw FileError(file, "there is a gap of " + std::to_string(range.begin - position) + " bytes before " +
                                      describe(range.tensor));
        position = range.end;
    }
    if (position != dataSize)
        throw FileError(file, std::to_string(dataSize - position) + " bytes follow the last tensor");
}

SafetensorsFile::Metadata readMetadata(const json& entry, const string& file) {
    if (!entry.is_object())
        throw FileError(file, "its __metadata__ is not an object");
    SafetensorsFile::Metadata metadata;
    for (const auto& [key, value] : entry.items()) {
        if (!value.is_string())
            throw FileError(file, "its metadata entry " + FileError::quote(key) + " is not a text");
        metadata[key] = value.get<string>();
    }
    return metadata;
}

/** Whether this is what torch.save() writes: a zip archive or a bare pickle. */
bool looksLikePickle(string_view bytes) {
    return bytes.starts_with("PK\x03\x04") ||
           (bytes.size() > 1 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5);
}

/** The JSON text of the header, once its size is known to be right. */
string_view findHeader(string_view bytes, const string& file) {
    if (bytes.size() < prefixSize)
        throw FileError(file,
                        "it is " + std::to_string(bytes.size()) + " bytes long, too short for a safetensors file");
    uint64_t size;
    std::memcpy(&size, bytes.data(), prefixSize);
    // Only now: the size of a good header can begin like a pickle.
    if (size > SafetensorsFile::maxHeaderSize && looksLikePickle(bytes))
        throw FileError(file, "it looks like a pickled PyTorch checkpoint, which can run code and is never opened");
    if (size > SafetensorsFile::maxHeaderSize)
        throw FileError(file, "its header claims " + std::to_string(size) + " bytes, more than the " +
                                  std::to_string(SafetensorsFile::maxHeaderSize) + " allowed");
    if (size > bytes.size() - prefixSize)
        throw FileError(file, "its header claims " + std::to_string(size) + " bytes, but only " +
                                  std::to_string(bytes.size() - prefixSize) + " follow");
    const string_view header = bytes.substr(prefixSize, size);
    if (!header.starts_with('{'))
        throw FileError(file, "its header does not begin with a brace");
    return header;
}

string readBytes(const string& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status))
        throw FileError(path, "there is no such file");
    // A directory cannot be read, and a pipe or a device may never end.
    if (!std::filesystem::is_regular_file(status))
        throw FileError(path, "it is not a regular file");
    const auto size = std::filesystem::file_size(path, error);
    std::ifstream stream(path, std::ios::binary);
    if (error || !stream)
        throw FileError(path, "it cannot be opened");
    string bytes(size, '\0');
    stream.read(bytes.data(), static_cast<std::streamsize>(size));
    if (static_cast<uint64_t>(stream.gcount()) != size)
        throw FileError(path, "it cannot be read to its end");
    return bytes;
}

/** Refuse what could be written but not read back. */
void checkForWriting(const SafetensorsFile::Tensors& tensors, const SafetensorsFile::Metadata& metadata,
                     const string& file) {
    for (const auto& [tensor, stored] : tensors) {
        if (tensor == metadataKey || !isUtf8(tensor))
            throw FileError(file, FileError::quote(tensor) + " cannot be the name of a tensor");
        const std::optional<uint64_t> needed = findNumBytes(stored.type, stored.shape);
        if (!needed || *needed != stored.data.size())
            throw FileError(file, "the shape of " + describe(tensor) + " does not fit its data");
    }
    for (const auto& [key, value] : metadata)
        if (!isUtf8(key) || !isUtf8(value))
            throw FileError(file, "its metadata entry " + FileError::quote(key) + " is not UTF-8");
}

/** The header of tensors in this order, padded so that the data are aligned to 8 bytes. */
string makeHeader(const std::vector<const SafetensorsFile::Tensors::value_type*>& order,
                  const SafetensorsFile::Metadata& metadata) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty())
        header[metadataKey] = metadata;
    uint64_t position = 0;
    for (const auto* item : order) {
        const StoredTensor& stored = item->second;
        const uint64_t end = position + stored.data.size();
        nlohmann::ordered_json entry;
        entry["dtype"] = string(getTypeName(stored.type));
        entry["shape"] = stored.shape;
        entry["data_offsets"] = {position, end};
        header.push_back({item->first, std::move(entry)});
        position = end;
    }
    string text = header.dump();
    text.resize((text.size() + prefixSize - 1) / prefixSize * prefixSize, ' ');
    return text;
}

} // namespace

SafetensorsFile SafetensorsFile::read(const string& path) {
    try {
        return SafetensorsFile(readBytes(path), path);
    } catch (const std::bad_alloc&) {
        throw FileError(path, "it does not fit in memory");
    }
}

SafetensorsFile SafetensorsFile::fromBytes(string bytes, const string& name) {
    return SafetensorsFile(std::move(bytes), name);
}

SafetensorsFile::SafetensorsFile(string content, const string& name) :
    name(name), bytes(std::make_shared<const string>(std::move(content))) {
    const string_view header = findHeader(*bytes, name);
    const string_view data = string_view(*bytes).substr(prefixSize + header.size());
    const json root = parseStrictJson(header, "its header", name);
    std::vector<Range> ranges;
    for (const auto& [key, value] : root.items()) {
        if (key == metadataKey) {
            metadata = readMetadata(value, name);
            continue;
        }
        auto [tensor, range] = readEntry(value, key, data, name);
        tensors.emplace(key, std::move(tensor));
        ranges.push_back(std::move(range));
    }
    checkCoverage(std::move(ranges), data.size(), name);
}

SafetensorsFile SafetensorsFile::fromTensors(const Tensors& tensors, const Metadata& metadata, const string& name) {
    checkForWriting(tensors, metadata, name);
    std::vector<const Tensors::value_type*> order;
    for (const auto& item : tensors)
        order.push_back(&item);
    std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
        return static_cast<int>(a->second.type) > static_cast<int>(b->second.type);
    });
    const string header = makeHeader(order, metadata);
    const uint64_t size = header.size();
    string bytes(prefixSize, '\0');
    std::memcpy(bytes.data(), &size, prefixSize);
    bytes += header;
    for (const auto* item : order)
        bytes += item->second.data;
    return SafetensorsFile(std::move(bytes), name);
}

void SafetensorsFile::write(const string& path) const {
    const string temporary = path + "." + std::to_string(getpid()) + ".tmp";
    std::error_code error;
    {
        std::ofstream stream(temporary, std::ios::binary);
        stream.write(bytes->data(), static_cast<std::streamsize>(bytes->size()));
        stream.flush();
        if (!stream) {
            std::filesystem::remove(temporary, error);
            throw FileError(path, "it cannot be written");
        }
    }
    std::filesystem::rename(temporary, path, error);
    if (error) {
        std::error_code ignored;
        std::filesystem::remove(temporary, ignored);
        throw FileError(path, "it cannot be written");
    }
}

const StoredTensor& SafetensorsFile::getTensor(const string& tensor) const {
    const auto found = tensors.find(tensor);
    if (found == tensors.end())
        throw FileError(name, "it has no " + describe(tensor));
    return found->second;
}

} // namespace JumpPlugin
