#ifndef OPENMMJUMP_REPAIRMINIMIZER_H_
#define OPENMMJUMP_REPAIRMINIMIZER_H_

#include <functional>

#include "openmm/internal/ContextImpl.h"
#include "openmmjump/JumpKernels.h"

namespace JumpPlugin {

/**
 * A bounded minimisation that mends a proposal: the fast inertial relaxation engine (FIRE; Bitzek, Koskinen, Gaehler,
 * Moseler and Gumbsch, Phys. Rev. Lett. 97, 170201, 2006) with the forces clipped and the displacements capped.
 *
 * FIRE is molecular dynamics that is steered downhill and stopped where it goes uphill. It runs in mass-weighted
 * coordinates: there OpenMM's projection on the constraints is orthogonal, so what it leaves of a downhill direction
 * still goes downhill. This class decides; the kernel moves the particles, so positions and forces stay on the device.
 *
 * Each iteration is one evaluation of the forces and the energy. Nothing is added to the System.
 */
class OPENMM_EXPORT_JUMP RepairMinimizer {
public:
    /** Largest force that counts, in kJ/mol/nm: a clash must not drown what the other particles feel. */
    static constexpr double MaxForce = 1e5;
    /** Largest displacement of a particle in one iteration, in nm: a tenth of a short bond. */
    static constexpr double MaxDisplacement = 0.01;

    /** What bounds and shapes a minimisation. */
    struct Settings {
        int maxEvaluations = 1;            ///< evaluations of the forces
        double forceTolerance = 0;         ///< root-mean-square force at which it stops, in kJ/mol/nm
        double tetherStrength = 0;         ///< of the model atoms to where they are at the start, in kJ/mol/nm^2
        double constraintTolerance = 1e-5; ///< relative
        int forceGroups = -1;              ///< bits of the force groups
        double firstTimeStep = 0.002;      ///< ps
        double maxTimeStep = 0.01;         ///< ps
    };
    /** How a minimisation ended. */
    struct Result {
        int evaluations = 0;    ///< of the forces
        double firstEnergy = 0; ///< potential energy of the positions it started from, in kJ/mol
        double energy = 0;      ///< potential energy of the final positions, without the tether, in kJ/mol
    };

    RepairMinimizer(OpenMM::ContextImpl& context, JumpKernel& kernel, const Settings& settings);
    /**
     * Minimise from the present positions. The velocities are lost.
     *
     * @param isMended  called with the potential energy after each evaluation; the minimisation ends when it is true
     */
    Result minimize(const std::function<bool(double)>& isMended);
    /**
     * Where a particle is pushed whose force overflowed or is not a number, so that nothing tells where to go: a unit
     * vector. The directions of successive particles are spread over the sphere (the sequence R2 of M. Roberts), so
     * two atoms in the same place come apart.
     */
    static OpenMM::Vec3 getSpreadDirection(int particle);

private:
    void move(const JumpKernel::RepairSums& sums);

    OpenMM::ContextImpl& context;
    JumpKernel& kernel;
    Settings settings;
    int numMoving;
    // State of the minimisation, in the notation of the paper.
    double timeStep, alpha;
    int stepsDownhill;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_REPAIRMINIMIZER_H_
