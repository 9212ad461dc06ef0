#include "JumpStep.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "Require.h"
#include "SamplerTime.h"
#include "StageTimer.h"
#include "openmmjump/internal/Constants.h"
#include "openmmjump/internal/IntegratorTemperature.h"
#include "openmmjump/internal/RepairMinimizer.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

JumpStep::JumpStep(JumpIntegrator& integrator, ContextImpl& context, JumpKernel& kernel, const JumpScope& scope,
                   const JumpNoise& noise) :
    integrator(integrator), context(context), kernel(kernel), scope(scope), noise(noise) {}

JumpRecord JumpStep::run() {
    const double startTime = context.getTime();
    const long long startCount = context.getStepCount();
    context.updateContextState();
    kernel.storeState(context);
    context.getPeriodicBoxVectors(startBox[0], startBox[1], startBox[2]);
    try {
        advance();
    } catch (...) {
        // Whatever a Force, the network or the dynamics threw, the caller gets the Context back as it was.
        restoreState();
        context.setTime(startTime);
        context.setStepCount(startCount);
        throw;
    }
    record.energyRelaxed = computeRelaxedEnergy();
    context.setTime(startTime + integrator.getStepSize());
    context.setStepCount(startCount + 1);
    return record;
}

void JumpStep::advance() {
    record.energyBefore = computeEnergy();
    require(isfinite(record.energyBefore), "the potential energy is not finite before the jump");
    rule = makeRule();
    record.accepted = jump();
    if (relax())
        return;
    // The dynamics blew up: treat the jump as rejected, and fall back on dynamics from the old state.
    restoreState();
    if (record.accepted) {
        reject(RejectionReason::NotFinite);
        record.accepted = false;
        if (relax())
            return;
    }
    throw OpenMMException("JumpIntegrator: the relaxation led to coordinates that are not finite");
}

unique_ptr<AcceptanceRule> JumpStep::makeRule() const {
    if (integrator.getAcceptance() == JumpIntegrator::Metropolis)
        return make_unique<MetropolisCriterion>(BOLTZ * integrator.getTemperature(), noise.getStream());
    const GateSettings& gate = integrator.getGateSettings();
    double maxIncrease = gate.maxEnergyIncrease;
    if (!gate.checkEnergy)
        maxIncrease = numeric_limits<double>::infinity();
    else if (maxIncrease == 0)
        maxIncrease = 6 * BOLTZ * integrator.getTemperature() * sqrt(0.5 * scope.degreesOfFreedom);
    return make_unique<EnergyCeiling>(maxIncrease);
}

bool JumpStep::jump() {
    RejectionReason reason = RejectionReason::None;
    const bool repairsIfNeeded =
        !rule->isExact() && integrator.getRepairSettings().policy == RepairSettings::WhenNeeded;
    const int most = (rule->isExact() ? 1 : integrator.getMaxAttempts());
    while (record.attempts < most) {
        reason = draw();
        if (reason == RejectionReason::None)
            return true;
        if (isTooHigh(reason) && scope.hasEnvironment && repairsIfNeeded)
            break; // what is in the way of this proposal is in the way of the next
    }
    // Nothing moves an atom through a stereocentre or back from NaN.
    const bool mendable =
        reason == RejectionReason::BrokenBond || reason == RejectionReason::Clash || isTooHigh(reason);
    if (repairsIfNeeded && mendable && repair())
        return true;
    recordRejected(reason);
    restoreState();
    return false;
}

bool JumpStep::isTooHigh(RejectionReason reason) const {
    // Energies overflow where atoms overlap.
    return reason == RejectionReason::Energy || (reason == RejectionReason::NotFinite && reachedEnergy);
}

RejectionReason JumpStep::draw() {
    reachedEnergy = false;
    if (integrator.getRecordEnergies())
        record.energyProposal = record.energyRepaired = numeric_limits<double>::quiet_NaN(); // of an earlier proposal
    sample();
    const RejectionReason reason = place();
    if (reason != RejectionReason::None)
        return reject(reason);
    if (integrator.getRepairSettings().policy == RepairSettings::Always && !rule->isExact())
        return repair() ? RejectionReason::None : record.rejection;
    reachedEnergy = true;
    record.energyProposal = record.energyRepaired = computeEnergy();
    return reject(judge());
}

void JumpStep::sample() {
    StageTimer timer(record, JumpStage::Network);
    Guidance guidance = makeGuidance();
    SamplerTime time(context);
    guidance.setTime = [&time](double t) { time.set(t); };
    const JumpConditions jump = {noise.getStream(record.attempts), integrator.getLagTime(),
                                 integrator.getTemperature()};
    const GuidanceCost cost = kernel.propose(context, jump, guidance);
    record.attempts++;
    record.guidanceEvaluations += cost.evaluations;
    record.seconds[(int)JumpStage::Guidance] += cost.seconds;
    record.seconds[(int)JumpStage::Network] -= cost.seconds;
}

RejectionReason JumpStep::place() {
    StageTimer timer(record, JumpStage::Placement);
    RejectionReason reason = kernel.place(context);
    // The geometry of a proposal that constraints will change is tested when they have.
    const bool constrained = scope.constrainsModelAtoms;
    if ((rule->isExact() || constrained) && reason != RejectionReason::NotFinite)
        reason = RejectionReason::None;
    if (reason == RejectionReason::None) {
        applyProposal();
        reason = kernel.checkConstraints(context);
    }
    if (reason == RejectionReason::None && constrained)
        reason = kernel.checkGeometry(context);
    return reason;
}

Guidance JumpStep::makeGuidance() const {
    const Guidance guidance(integrator.getGuidanceSettings(), integrator.getModel(),
                            BOLTZ * integrator.getTemperature());
    require(!guidance.isOn() || integrator.getTimeGrid().size() > 2,
            "the sampler takes a single step, without noise, so there is nothing that forces could guide");
    return guidance;
}

RejectionReason JumpStep::judge() {
    if (!isfinite(record.energyRepaired))
        return RejectionReason::NotFinite;
    const RejectionReason reason = rule->judge(kernel, context, record);
    if (reason != RejectionReason::None)
        return reason;
    const shared_ptr<ProposalFilter> asked = integrator.getProposalFilter(); // which may set another one meanwhile
    return asked == nullptr || asked->accept(context.getOwner()) ? RejectionReason::None : RejectionReason::Veto;
}

bool JumpStep::repair() {
    RejectionReason reason;
    {
        StageTimer timer(record, JumpStage::Repair);
        applyProposal();
        record.energyRepaired = minimize();
        reason = kernel.checkGeometry(context);
        if (reason == RejectionReason::None)
            reason = kernel.checkConstraints(context);
    }
    if (reason == RejectionReason::None)
        reason = judge();
    record.repaired = (reason == RejectionReason::None);
    reject(reason);
    return record.repaired;
}

double JumpStep::minimize() {
    RepairMinimizer::Settings settings;
    const RepairSettings& given = integrator.getRepairSettings();
    settings.maxEvaluations = given.iterations;
    settings.forceTolerance = given.tolerance;
    settings.tetherStrength = given.tetherStrength;
    settings.constraintTolerance = integrator.getConstraintTolerance();
    settings.forceGroups = integrator.getIntegrationForceGroups();
    // Going on below the old energy would take heat out of all that surrounds the jump.
    const auto isMended = [&](double energy) {
        return given.policy != RepairSettings::Always && isfinite(energy) && energy <= record.energyBefore &&
               kernel.checkGeometry(context) == RejectionReason::None;
    };
    const RepairMinimizer::Result result = RepairMinimizer(context, kernel, settings).minimize(isMended);
    integrator.stateChanged(State::Positions);
    integrator.stateChanged(State::Velocities);
    if (integrator.getRecordEnergies() && isnan(record.energyProposal))
        record.energyProposal = result.firstEnergy;
    record.repairEvaluations += result.evaluations;
    return result.energy;
}

bool JumpStep::relax() {
    StageTimer timer(record, JumpStage::Relaxation);
    // Dynamics that depend on whether a proposal was accepted would falsify an exact acceptance.
    const FrictionRaiser raiser(integrator.getRelaxationIntegrator(),
                                record.accepted && !rule->isExact() ? integrator.getRelaxationFriction() : 0);
    if (record.accepted) {
        const double offset = integrator.getVelocityTimeOffset();
        if (offset != 0)
            context.calcForcesAndEnergy(true, false, integrator.getIntegrationForceGroups());
        kernel.drawVelocities(context, integrator.getTemperature(), offset, integrator.getConstraintTolerance(),
                              noise.getStream());
        integrator.stateChanged(State::Velocities);
    }
    integrator.getRelaxationIntegrator().step(integrator.getRelaxationSteps());
    if (raiser.hasRaised()) {
        // At high friction the last kick of the noise along constraints would be counted as kinetic energy. Langevin
        // dynamics begin a step by taking it away, so this changes no trajectory.
        context.applyVelocityConstraints(integrator.getConstraintTolerance());
        integrator.stateChanged(State::Velocities);
    }
    return kernel.checkGeometry(context) != RejectionReason::NotFinite;
}

// Kernels write to positions and velocities behind the back of the relaxation integrator, which may keep forces.

void JumpStep::applyProposal() {
    kernel.apply(context, integrator.getConstraintTolerance());
    integrator.stateChanged(State::Positions);
}

void JumpStep::restoreState() {
    kernel.restoreState(context);
    Vec3 box[3];
    context.getPeriodicBoxVectors(box[0], box[1], box[2]);
    if (!equal(begin(box), end(box), begin(startBox))) {
        // A barostat moved during the relaxation. OpenMM lets positions be while it sets the box, but not to the bit.
        context.setPeriodicBoxVectors(startBox[0], startBox[1], startBox[2]);
        kernel.restoreState(context);
    }
    integrator.stateChanged(State::Positions);
    integrator.stateChanged(State::Velocities);
}

RejectionReason JumpStep::reject(RejectionReason reason) {
    if (reason != RejectionReason::None) {
        record.rejection = reason;
        record.rejections[(int)reason]++;
    }
    return reason;
}

double JumpStep::computeEnergy() {
    StageTimer timer(record, JumpStage::Energy);
    return context.calcForcesAndEnergy(false, true, integrator.getIntegrationForceGroups());
}

/** The energy of a proposal that the gate rejected before it came to energies. The state must be restored afterwards.
 */
void JumpStep::recordRejected(RejectionReason reason) {
    if (!integrator.getRecordEnergies() || reason == RejectionReason::NotFinite || !isnan(record.energyProposal))
        return;
    try {
        applyProposal();
        record.energyProposal = record.energyRepaired = computeEnergy();
    } catch (const exception&) {
        // No conformation that anyone asked for: without the record the step would have gone on.
    }
}

double JumpStep::computeRelaxedEnergy() {
    if (integrator.getRecordEnergies()) {
        StageTimer timer(record, JumpStage::Energy);
        try {
            // With the forces, as Context::getState() does: those that the relaxation left must stay valid.
            return context.calcForcesAndEnergy(true, true, integrator.getIntegrationForceGroups());
        } catch (const exception&) {
            // The next step asks again, and fails as it would without the record.
        }
    }
    return numeric_limits<double>::quiet_NaN();
}

} // namespace JumpPlugin
