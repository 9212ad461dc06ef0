#ifndef OPENMMJUMP_JUMPMODEL_H_
#define OPENMMJUMP_JUMPMODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

class ModelFile;

/**
 * A trained transfer operator: a safetensors file whose metadata entry `openmmjump` says how to use it.
 *
 * The file holds data, never code: opening a stranger's model cannot run anything. Every size, dtype and offset is
 * checked before use. A JumpModel is immutable and cheap to copy (copies share the weights).
 */
class OPENMM_EXPORT_JUMP JumpModel {
public:
    /**
     * Read a model file.
     *
     * @param file  path of a .safetensors file
     * @throws OpenMM::OpenMMException one sentence naming the file and the fault
     */
    explicit JumpModel(const std::string& file);
    /**
     * Make a model from the bytes of a model file, as getBytes() returns them.
     *
     * @param bytes  the whole content of a .safetensors file
     * @param name   what to call it in error messages
     * @throws OpenMM::OpenMMException one sentence that names the fault, if they are no model file
     */
    static JumpModel fromBytes(const std::string& bytes, const std::string& name = "model");
    /** The whole content of the model file: what serialization embeds, so that a saved integrator is complete. */
    const std::string& getBytes() const;
    /** Name of the model, as its metadata gives it. */
    const std::string& getName() const;
    /** Family of networks, as the model file names it. */
    const std::string& getFamily() const;
    /** Lag time of one jump unless another is asked for, in ps. */
    double getLagTime() const;
    /** Shortest lag time the model covers, in ps: getLagTime() for a model of one lag time. */
    double getShortestLagTime() const;
    /** Longest lag time the model covers, in ps: getLagTime() for a model of one lag time. */
    double getLongestLagTime() const;
    /** Temperature of the training data, in K. */
    double getTemperature() const;
    /** File length units per nm: 10 for a network that works in Angstrom. */
    double getLengthScale() const;
    /** Whether the proposal keeps the orientation of the molecule by itself. */
    bool getPreservesOrientation() const;
    /** Whether the proposal keeps the centre of mass by itself. */
    bool getPreservesCenterOfMass() const;
    /** Whether the model can tell how probable its proposals are: what an exact acceptance needs. */
    bool hasDensity() const;
    /** Whether the model can be a LearnedForce: whether it has energies or guiding forces. */
    bool hasEnergies() const;
    /** Whether the model moves all atoms, hydrogens included, or heavy atoms that hydrogens ride on. */
    bool movesHydrogens() const;
    /** Times 0 = t_0 < t_1 < ... < t_n = 1 of the sampler's n steps. */
    const std::vector<double>& getTimeGrid() const;
    /**
     * How the strength of guiding forces changes on the way of a jump, "constant", "falling" or "rising": what
     * GuidanceSettings::FromModel stands for. Rising if the file says nothing.
     */
    const std::string& getGuidanceSchedule() const;
    /** Number of trained numbers in the file. */
    long long getNumParameters() const;
    /** The whole metadata entry as JSON text: architecture, sampler, vocabulary, provenance. */
    const std::string& getMetadata() const;
    /** Whether the model was trained on atoms of this element and block; a model without a vocabulary knows all. */
    bool knowsAtom(int atomicNumber, int blockType) const;
    /** The parsed file; internal, used by the kernels. */
    const ModelFile& getModelFile() const;

private:
    explicit JumpModel(std::shared_ptr<const ModelFile> file);
    std::shared_ptr<const ModelFile> file;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPMODEL_H_
