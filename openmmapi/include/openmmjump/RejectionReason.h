#ifndef OPENMMJUMP_REJECTIONREASON_H_
#define OPENMMJUMP_REJECTIONREASON_H_

#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** Why a proposal was rejected. */
enum class RejectionReason {
    None = 0,                 ///< not rejected
    NotFinite = 1,            ///< a coordinate or the energy is NaN or infinite
    BrokenBond = 2,           ///< a bond between model atoms is too long or too short
    Clash = 3,                ///< two model atoms that are not neighbours are too close
    InvertedStereocenter = 4, ///< a stereocentre changed its handedness
    CisTransFlip = 5,         ///< a bond that does not rotate went from cis to trans or back
    Constraint = 6,           ///< the constraints cannot be brought in line
    Energy = 7,               ///< the potential energy rose too far
    Veto = 8,                 ///< the caller's filter rejected it
    Metropolis = 9            ///< the exact acceptance criterion rejected it
};
constexpr int NumRejectionReasons = 10;

/** Name of a reason, in lower case with underscores: "broken_bond". */
OPENMM_EXPORT_JUMP const char* getName(RejectionReason reason);

} // namespace JumpPlugin

#endif // OPENMMJUMP_REJECTIONREASON_H_
