#include "families/mixture/MixtureFamily.h"
#include "families/pvb/PvbFamily.h"
#include "families/unisim/UniSimFamily.h"
#include "openmmjump/network/ModelFamily.h"
#include <mutex>
#include <stdexcept>

namespace JumpPlugin {

namespace {

/** The one object of a family. */
template <class Family>
const ModelFamily* the() {
    static const Family family;
    return &family;
}

/**
 * The families of this library, a line each. A table rather than objects that register themselves: it can be read, and
 * no linker drops a line of it.
 */
std::vector<const ModelFamily*>& getTable() {
    static std::vector<const ModelFamily*> table = {
        the<PvbFamily>(),
        the<UniSimFamily>(),
        the<MixtureFamily>(),
    };
    return table;
}

std::mutex tableMutex;

} // namespace

bool ModelFamily::knowsAtom(int, int) const {
    return true;
}

std::unique_ptr<EnergyModel> ModelFamily::makeEnergyModel(const SettingValues&, const TensorMap&) const {
    return nullptr;
}

std::vector<const ModelFamily*> ModelFamily::getAll() {
    const std::lock_guard lock(tableMutex);
    return getTable();
}

const ModelFamily* ModelFamily::find(const std::string& name) {
    for (const ModelFamily* family : getAll())
        if (family->getName() == name)
            return family;
    return nullptr;
}

void ModelFamily::add(const ModelFamily& family) {
    const std::lock_guard lock(tableMutex);
    for (const ModelFamily* other : getTable())
        if (other->getName() == family.getName())
            throw std::invalid_argument("There is a family of models named '" + family.getName() + "' already.");
    getTable().push_back(&family);
}

} // namespace JumpPlugin
