#ifndef OPENMMJUMP_JUMPPROGRAM_H_
#define OPENMMJUMP_JUMPPROGRAM_H_

#include <map>
#include <string>

namespace JumpPlugin {

/** The device code of the jump, in OpenMM's common compute language, and the constants it is compiled with. */
class JumpProgram {
public:
    /** What the code depends on. */
    struct Settings {
        bool mixedIsDouble;        ///< whether OpenMM's type `mixed` is double
        int workGroupSize;         ///< threads of the kernels that run as a single group
        bool preservesOrientation; ///< whether the model does
        bool preservesCenterOfMass;
    };
    static std::string getSource();
    /** Preprocessor definitions by name. */
    static std::map<std::string, std::string> getDefines(const Settings& settings);
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPPROGRAM_H_
