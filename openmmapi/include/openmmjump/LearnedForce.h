#ifndef OPENMMJUMP_LEARNEDFORCE_H_
#define OPENMMJUMP_LEARNEDFORCE_H_

#include <string>

#include "openmm/Force.h"
#include "openmmjump/JumpModel.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/**
 * A Force whose energies or forces a network computes.
 *
 * It acts on the model atoms of a MolecularGraph: all particles of a System or a part of it, in one molecule or
 * several. Like any Force it can be in any force group, so it can be a potential of the dynamics, a bias, or a guide of
 * jumps (see JumpIntegrator::setGuidanceSettings()):
 *
 *     LearnedForce* force = new LearnedForce(model, graph);
 *     force->setForceGroup(3);
 *     system.addForce(force);
 *
 * The model must be one with energies (JumpModel::hasEnergies()). It works on every Platform; the network runs on the
 * processor.
 *
 * The network's time channel t, from 0 to 1, is the global parameter LearnedForce::Time() of the Context. A
 * JumpIntegrator sets it to the time of its sampler while it computes guiding forces, and back afterwards.
 */
class OPENMM_EXPORT_JUMP LearnedForce : public OpenMM::Force {
public:
    /** What of the model acts. */
    enum Kind : int {
        /** An energy head: a potential. The forces are its exact gradient. */
        Energy = 0,
        /**
         * The guidance kernel: minus F_t, which at t = 0 and 1 was trained to be the gradient of the potential energy.
         * It is no gradient of anything, and its energy counts as 0.
         */
        GuidanceKernel = 1
    };

    /**
     * Create a LearnedForce.
     *
     * @param model  a model with energies (JumpModel::hasEnergies())
     * @param graph  the atoms it acts on; riding atoms feel nothing
     * @param kind   what of the model acts
     * @throws OpenMM::OpenMMException if the model has no energies or the graph no model atoms
     */
    LearnedForce(const JumpModel& model, const MolecularGraph& graph, Kind kind = Energy);
    /** Name of the Context's parameter for the network's time channel. */
    static const std::string& Time();

    /** The network. */
    const JumpModel& getModel() const { return model; }
    /** The atoms it acts on. */
    const MolecularGraph& getMolecularGraph() const { return graph; }
    /** What of the model acts. */
    Kind getKind() const { return kind; }
    /** Which of the model's energy heads acts, from 0. */
    int getEnergyHead() const { return energyHead; }
    /**
     * Set which of the model's energy heads acts, from 0 (default: 0).
     *
     * @throws OpenMM::OpenMMException for a negative number; one that the model does not have is found in a Context
     */
    void setEnergyHead(int head);
    /** Value of the parameter Time() in a new Context. */
    double getDefaultTime() const { return defaultTime; }
    /**
     * Set the value of the parameter Time() in a new Context, 0 to 1 (default: 0).
     *
     * @throws OpenMM::OpenMMException if it is outside of that
     */
    void setDefaultTime(double time);
    /** Whether the network runs in double precision. */
    bool getUseDoublePrecision() const { return doublePrecision; }
    /** Set whether the network runs in double precision (default: single). */
    void setUseDoublePrecision(bool use);
    /** Whether molecules are read whole across the periodic box. */
    bool usesPeriodicBoundaryConditions() const { return periodic; }
    /**
     * Set whether molecules are read whole across the periodic box, and each next to the others (default: no). An atom
     * does not see its own images: the box must be wider than the molecules by the cutoff of the network.
     */
    void setUsesPeriodicBoundaryConditions(bool use);

protected:
    OpenMM::ForceImpl* createImpl() const;

private:
    JumpModel model;
    MolecularGraph graph;
    Kind kind;
    int energyHead;
    double defaultTime;
    bool doublePrecision, periodic;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_LEARNEDFORCE_H_
