#include "openmmjump/JumpModel.h"

#include <utility>

#include "openmm/OpenMMException.h"
#include "openmmjump/network/FileError.h"
#include "openmmjump/network/ModelFile.h"

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
    return file->getMetadata().hasDensity();
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
