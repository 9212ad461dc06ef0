#ifndef OPENMMJUMP_NETWORK_SAFETENSORSFILE_H_
#define OPENMMJUMP_NETWORK_SAFETENSORSFILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "openmmjump/network/files/StoredTensor.h"

namespace JumpPlugin {

/**
 * A safetensors file in memory: eight bytes with the size of the header (little-endian), the header (JSON), the data.
 *
 * The content is checked as a whole before anything is handed out: header size and JSON (UTF-8, depth, no key twice),
 * every type, shape and offset, and that the tensors cover the data exactly, without overlap, gap or trailing bytes.
 * Copies share the bytes. This class needs neither OpenMM nor LibTorch.
 */
class SafetensorsFile {
public:
    using Tensors = std::map<std::string, StoredTensor>;
    using Metadata = std::map<std::string, std::string>;

    /** The largest header that is read, in bytes; the same limit as the safetensors library's. */
    static constexpr std::uint64_t maxHeaderSize = 100000000;
    /** The most dimensions a tensor may have. */
    static constexpr std::size_t maxDimensions = 64;

    /**
     * Read a file from disk.
     *
     * @throws FileError one sentence naming the file and the fault
     */
    static SafetensorsFile read(const std::string& path);
    /**
     * Check the content of a file that is in memory.
     *
     * @param bytes  the whole content
     * @param name   what to call it in error messages
     * @throws FileError one sentence naming the file and the fault
     */
    static SafetensorsFile fromBytes(std::string bytes, const std::string& name);
    /**
     * Lay out a file from tensors whose data the caller keeps alive during the call. The layout is the safetensors
     * library's: wide types first, then by name, so that the same tensors always give the same bytes.
     *
     * @param name  what to call it in error messages
     * @throws FileError if a type, shape or the number of bytes of a tensor do not fit together
     */
    static SafetensorsFile fromTensors(const Tensors& tensors, const Metadata& metadata, const std::string& name);
    /**
     * Write the file. A reader of the same path sees the old content or the new one, never a part.
     *
     * @throws FileError if the path cannot be written
     */
    void write(const std::string& path) const;

    /** Path or name of the file, for error messages. */
    const std::string& getName() const { return name; }
    /** The whole content. */
    const std::string& getBytes() const { return *bytes; }
    /** The tensors by name; their data live as long as any copy of this file. */
    const Tensors& getTensors() const { return tensors; }
    /**
     * @throws FileError if the file has no such tensor
     */
    const StoredTensor& getTensor(const std::string& tensor) const;
    /** The text entries of the header's `__metadata__`; empty if it has none. */
    const Metadata& getMetadata() const { return metadata; }

private:
    SafetensorsFile(std::string bytes, const std::string& name);

    std::string name;
    std::shared_ptr<const std::string> bytes;
    Tensors tensors;
    Metadata metadata;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_SAFETENSORSFILE_H_
