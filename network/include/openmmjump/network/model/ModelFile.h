#ifndef OPENMMJUMP_NETWORK_MODELFILE_H_
#define OPENMMJUMP_NETWORK_MODELFILE_H_

#include <cstdint>
#include <string>

#include "openmmjump/network/files/SafetensorsFile.h"
#include "openmmjump/network/model/ModelMetadata.h"

namespace JumpPlugin {

/**
 * A model file: a safetensors file whose metadata entry `openmmjump` says how its tensors are to be used.
 *
 * Both are checked when the object is made, the settings of the network included; whether the tensors are those the
 * network needs is checked by the network. Immutable; copies share the bytes. Needs neither OpenMM nor LibTorch.
 */
class ModelFile {
public:
    /** The header's key of the metadata entry. */
    static constexpr const char* metadataKey = "openmmjump";

    /**
     * Read a model file from disk.
     *
     * @throws FileError one sentence naming the file and the fault
     */
    static ModelFile read(const std::string& path);
    /**
     * Check a model file that is in memory.
     *
     * @param bytes  the whole content
     * @param name   what to call it in error messages
     * @throws FileError one sentence naming the file and the fault
     */
    static ModelFile fromBytes(std::string bytes, const std::string& name);
    /**
     * Make a model file from its parts.
     *
     * @param tensors  their data must live during the call; they are copied
     * @throws FileError if the metadata or a tensor would be refused by a reader
     */
    static ModelFile fromParts(const ModelMetadata& metadata, const SafetensorsFile::Tensors& tensors);
    /**
     * Write the file, replacing one that is there as a whole or not at all.
     *
     * @throws FileError if the path cannot be written
     */
    void write(const std::string& path) const { file.write(path); }

    const ModelMetadata& getMetadata() const { return metadata; }
    /** The family of networks it belongs to. */
    const ModelFamily& getFamily() const { return *family; }
    /** What the file is called in messages. */
    const std::string& getFileName() const { return file.getName(); }
    /** The metadata entry as it stands in the file. */
    const std::string& getMetadataText() const { return text; }
    const SafetensorsFile& getFile() const { return file; }
    const SafetensorsFile::Tensors& getTensors() const { return file.getTensors(); }
    const std::string& getBytes() const { return file.getBytes(); }
    /** Number of trained numbers: elements of all floating point tensors. */
    std::int64_t getNumParameters() const;
    /** Whether the model was trained on atoms of this element and block; without a vocabulary it knows all
     * that its family knows. */
    bool knowsAtom(int atomicNumber, int blockType) const;

private:
    explicit ModelFile(SafetensorsFile file);

    SafetensorsFile file;
    std::string text;
    ModelMetadata metadata;
    const ModelFamily* family;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_NETWORK_MODELFILE_H_
