#ifndef OPENMMJUMP_CONSTANTS_H_
#define OPENMMJUMP_CONSTANTS_H_

namespace JumpPlugin {

/** Gas constant in kJ/mol/K, as OpenMM has it. */
constexpr double BOLTZ = 8.31446261815324e-3;

} // namespace JumpPlugin

#endif // OPENMMJUMP_CONSTANTS_H_
