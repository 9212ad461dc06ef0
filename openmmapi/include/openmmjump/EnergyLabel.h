#ifndef OPENMMJUMP_ENERGYLABEL_H_
#define OPENMMJUMP_ENERGYLABEL_H_

#include <limits>
#include <map>
#include <vector>

#include "openmm/Vec3.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** How the minimisation of a conformation ended. */
enum class LabelOutcome {
    Converged = 0,      ///< the root-mean-square force is at or below the tolerance
    IterationLimit = 1, ///< stopped at the largest number of iterations
    TimeLimit = 2,      ///< stopped at the largest wall time
    Stalled = 3         ///< the energy can't be lowered any more at the precision of the forces
};
constexpr int NumLabelOutcomes = 4;

/** Name of an outcome in words: "converged", "iteration limit", "time limit", "stalled". */
OPENMM_EXPORT_JUMP const char* getName(LabelOutcome outcome);

/** The energies of one conformation, before and after its minimisation, and how that went. */
struct OPENMM_EXPORT_JUMP EnergyLabel {
    /** Potential energy of the conformation as it was given, before constraints are applied, kJ/mol. */
    double initialEnergy = std::numeric_limits<double>::quiet_NaN();
    /** Potential energy of the minimised conformation, kJ/mol. */
    double finalEnergy = std::numeric_limits<double>::quiet_NaN();
    /** Parts of initialEnergy by force group, kJ/mol: the groups that the Forces of the System are in. */
    std::map<int, double> initialGroupEnergies;
    /** Parts of finalEnergy by force group, kJ/mol. */
    std::map<int, double> finalGroupEnergies;
    /** Root-mean-square displacement of all particles by the minimisation, without superposition, nm. */
    double displacement = 0;
    /** Root-mean-square displacement of the heavy atoms (5 Da and more) after the best superposition, nm;
        NaN if there are none. */
    double heavyAtomDisplacement = std::numeric_limits<double>::quiet_NaN();
    /** Root-mean-square of the components of the forces at the end along the constraints' surface, kJ/mol/nm. */
    double rmsForce = std::numeric_limits<double>::quiet_NaN();
    int iterations = 0;                             ///< iterations of the minimiser
    int evaluations = 0;                            ///< evaluations of the forces; 0 if they could not be counted
    LabelOutcome outcome = LabelOutcome::Converged; ///< how the minimisation ended
    double seconds = 0;                             ///< wall time, s
    std::vector<OpenMM::Vec3> positions;            ///< the minimised conformation, nm

    /** Whether the minimisation reached its tolerance. */
    bool isConverged() const { return outcome == LabelOutcome::Converged; }
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_ENERGYLABEL_H_
