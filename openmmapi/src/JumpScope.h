#ifndef OPENMMJUMP_JUMPSCOPE_H_
#define OPENMMJUMP_JUMPSCOPE_H_

#include "openmm/System.h"
#include "openmmjump/MolecularGraph.h"

namespace JumpPlugin {

/** How much of a System its jumps move. */
struct JumpScope {
    JumpScope() = default;
    JumpScope(const OpenMM::System& system, const MolecularGraph& graph);

    /** Three for each massive particle of the graph, less the constraints on them; at least 1. */
    int degreesOfFreedom = 1;
    /** Whether particles outside the graph may be in the way of a jump. */
    bool hasEnvironment = false;
    /**
     * Whether the System constrains two model atoms, which a jump moves one by one: its end must be put on the
     * constraints.
     */
    bool constrainsModelAtoms = false;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_JUMPSCOPE_H_
