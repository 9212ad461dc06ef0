#ifndef OPENMMJUMP_JUMPSTATISTICS_H_
#define OPENMMJUMP_JUMPSTATISTICS_H_

#include <array>
#include <limits>
#include <string>

#include "openmmjump/RejectionReason.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/** The stages of one step, for timings. */
enum class JumpStage {
    Network = 0,    ///< reading model atoms and sampling the proposal, without the forces of its guidance
    Placement = 1,  ///< superposition, riding atoms, geometric gate
    Energy = 2,     ///< energies of the gate and of the record
    Repair = 3,     ///< bounded minimisation
    Relaxation = 4, ///< velocities and molecular dynamics
    Guidance = 5    ///< forces that guide the sampling
};
constexpr int NumJumpStages = 6;

/** Name of a stage, in lower case. */
OPENMM_EXPORT_JUMP const char* getName(JumpStage stage);

/** What happened in one step of a JumpIntegrator. */
struct OPENMM_EXPORT_JUMP JumpRecord {
    bool accepted = false;       ///< false if every proposal was rejected and the step was MD only
    bool repaired = false;       ///< whether the proposal was minimised
    int attempts = 0;            ///< number of proposals drawn
    int repairEvaluations = 0;   ///< evaluations of the forces in repairs
    int guidanceEvaluations = 0; ///< evaluations of the forces for guidance
    RejectionReason rejection =
        RejectionReason::None; ///< reason of the last rejection in this step, None if there was none
    std::array<int, NumRejectionReasons> rejections{}; ///< rejected proposals by RejectionReason
    double energyBefore = 0;                           ///< potential energy before the jump, kJ/mol
    /**
     * Potential energy of the last proposal that reached the energy gate, kJ/mol; NaN if none did. With
     * JumpIntegrator::setRecordEnergies(), of the last proposal drawn, whether or not it reached the energy gate.
     */
    double energyProposal = std::numeric_limits<double>::quiet_NaN();
    /** Potential energy of the last proposal after its repair, kJ/mol; energyProposal if there was no repair. */
    double energyRepaired = std::numeric_limits<double>::quiet_NaN();
    /** Potential energy at the end of the relaxation, kJ/mol; NaN without JumpIntegrator::setRecordEnergies(). */
    double energyRelaxed = std::numeric_limits<double>::quiet_NaN();
    /** Logarithm of the probability with which the exact criterion accepts the proposal; NaN without it. */
    double logAcceptance = std::numeric_limits<double>::quiet_NaN();
    std::array<double, NumJumpStages> seconds{}; ///< wall time of each stage, s
};

/** Totals over the steps of a JumpIntegrator since it was made or its statistics were reset. */
struct OPENMM_EXPORT_JUMP JumpStatistics {
    long long steps = 0;                                     ///< steps taken
    long long accepted = 0;                                  ///< steps whose jump was accepted
    long long attempts = 0;                                  ///< proposals drawn
    long long repaired = 0;                                  ///< steps whose proposal was minimised
    long long repairEvaluations = 0;                         ///< evaluations of the forces in repairs
    long long guidanceEvaluations = 0;                       ///< evaluations of the forces for guidance
    std::array<long long, NumRejectionReasons> rejections{}; ///< rejected proposals by RejectionReason
    std::array<double, NumJumpStages> seconds{};             ///< wall time by JumpStage, s

    /** Add what happened in one step. */
    void addStep(const JumpRecord& record);
    /** Number of rejected proposals of one reason. */
    long long getRejections(RejectionReason reason) const;
    /** Wall time spent in one stage, s. */
    double getSeconds(JumpStage stage) const;
    /** Share of the proposals that were rejected and redrawn or given up. */
    double getRedrawFraction() const;
    /** A short table in plain text. */
    std::string toString() const;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPSTATISTICS_H_
