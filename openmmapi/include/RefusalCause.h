#ifndef OPENMMJUMP_REFUSALCAUSE_H_
#define OPENMMJUMP_REFUSALCAUSE_H_

#include "internal/windowsExportJump.h"

namespace JumpPlugin {

/** Why a proposal was refused. */
enum class RefusalCause {
    None = 0,                 ///< not refused
    NotFinite = 1,            ///< a coordinate or the energy is NaN or infinite
    BrokenBond = 2,           ///< a bond between model atoms is too long or too short
    Clash = 3,                ///< two model atoms that are not neighbours are too close
    InvertedStereocenter = 4, ///< a stereocentre changed its handedness
    CisTransFlip = 5,         ///< a bond that does not rotate went from cis to trans or back
    Constraint = 6,           ///< the constraints cannot be brought in line
    Energy = 7,               ///< the potential energy rose too far
    Veto = 8,                 ///< the caller's filter refused it
    Metropolis = 9            ///< the exact acceptance criterion refused it
};
constexpr int NumRefusalCauses = 10;

/** Name of a cause, in lower case with underscores: "broken_bond". */
OPENMM_EXPORT_JUMP const char* getName(RefusalCause cause);

} // namespace JumpPlugin

#endif // OPENMMJUMP_REFUSALCAUSE_H_
