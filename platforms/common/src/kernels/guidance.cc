/**
 * The forces that guide a jump, on the nodes of the molecular graph.
 */

/**
 * The force on each node; 0 where it cannot be told, because the fixed point may have overflowed.
 */
KERNEL void readNodeForces(int numAtoms, int paddedNumAtoms, GLOBAL const mm_long* RESTRICT forces,
        GLOBAL const int* RESTRICT atomIndex, GLOBAL const int* RESTRICT nodeOfParticle,
        GLOBAL mixed4* RESTRICT nodeForces) {
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        int node = nodeOfParticle[atomIndex[slot]];
        if (node < 0)
            continue;
        mm_long x = forces[slot], y = forces[slot + paddedNumAtoms], z = forces[slot + 2*paddedNumAtoms];
        mixed scale = isInFixedPointRange(x, y, z) ? 1/(mixed) 0x100000000 : 0;
        nodeForces[node] = make_mixed4(scale*x, scale*y, scale*z, 0);
    }
}

/**
 * The force on each model atom together with what it carries: nodes carried[starts[i]] to carried[starts[i+1] - 1].
 */
KERNEL void sumCarriedForces(int numModelAtoms, GLOBAL const int* RESTRICT starts, GLOBAL const int* RESTRICT carried,
        GLOBAL const mixed4* RESTRICT nodeForces, GLOBAL mixed4* RESTRICT sums) {
    for (int i = GLOBAL_ID; i < numModelAtoms; i += GLOBAL_SIZE) {
        mixed3 sum = make_mixed3(0, 0, 0);
        for (int j = starts[i]; j < starts[i + 1]; j++)
            sum += trimTo3(nodeForces[carried[j]]);
        sums[i] = make_mixed4(sum.x, sum.y, sum.z, 0);
    }
}
