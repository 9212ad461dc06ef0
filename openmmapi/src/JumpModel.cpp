#include "openmmjump/JumpModel.h"

#include <utility>

#include "openmm/OpenMMException.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/FileError.h"
#include "openmmjump/network/model/ModelFile.h"

using OpenMM::OpenMMException;
using std::string;

namespace JumpPlugin {

namespace {

/** Read a file with a function of ModelFile; the network's exception becomes OpenMM's. */
template <class Reader>
std::shared_ptr<const ModelFile> readModel(Reader reader) {
    try {
        return std::make_shared<const ModelFile>(reader());
    } catch (const FileError& error) {
        throw OpenMMException(error.what());
    }
}

} // namespace

JumpModel::JumpModel(const string& file) : file(readModel([&] { return ModelFile::read(file); })) {}

JumpModel::JumpModel(std::shared_ptr<const ModelFile> file) : file(std::move(file)) {}

JumpModel JumpModel::fromBytes(const string& bytes, const string& name) {
    return JumpModel(readModel([&] { return ModelFile::fromBytes(bytes, name); }));
}

const string& JumpModel::getBytes() const {
    return file->getBytes();
}

const string& JumpModel::getName() const {
    return file->getMetadata().name;
}

const string& JumpModel::getFamily() const {
    return file->getMetadata().family;
}

double JumpModel::getLagTime() const {
    return file->getMetadata().lagTime;
}

double JumpModel::getShortestLagTime() const {
    const ModelMetadata& metadata = file->getMetadata();
    return metadata.lagTimeRange ? metadata.lagTimeRange->first : metadata.lagTime;
}

double JumpModel::getLongestLagTime() const {
    const ModelMetadata& metadata = file->getMetadata();
    return metadata.lagTimeRange ? metadata.lagTimeRange->second : metadata.lagTime;
}

double JumpModel::getTemperature() const {
    return file->getMetadata().temperature;
}

double JumpModel::getLengthScale() const {
    return file->getMetadata().lengthScale;
}

bool JumpModel::getPreservesOrientation() const {
    return file->getMetadata().preservesOrientation;
}

bool JumpModel::getPreservesCenterOfMass() const {
    return file->getMetadata().preservesCenterOfMass;
}

bool JumpModel::hasDensity() const {
    return file->getFamily().getTraits().hasDensity;
}

bool JumpModel::hasEnergies() const {
    return file->getFamily().getTraits().hasEnergies;
}

bool JumpModel::movesHydrogens() const {
    return file->getFamily().getTraits().movesHydrogens;
}

const std::vector<double>& JumpModel::getTimeGrid() const {
    return file->getMetadata().timeGrid;
}

const string& JumpModel::getGuidanceSchedule() const {
    return file->getMetadata().guidanceSchedule;
}

long long JumpModel::getNumParameters() const {
    return file->getNumParameters();
}

const string& JumpModel::getMetadata() const {
    return file->getMetadataText();
}

bool JumpModel::knowsAtom(int atomicNumber, int blockType) const {
    return file->knowsAtom(atomicNumber, blockType);
}

const ModelFile& JumpModel::getModelFile() const {
    return *file;
}

} // namespace JumpPlugin
