/**
 * Keeping and bringing back positions and velocities.
 *
 * A *slot* is a place in OpenMM's arrays, whose order changes while a simulation runs; atomIndex tells which particle
 * is in a slot. A *node* is an atom of the molecular graph: the model atoms first, then the riding atoms.
 */

#ifdef USE_MIXED_PRECISION
    #define CORRECTION_ARG , GLOBAL const real4* RESTRICT posqCorrection
    #define CORRECTION(i) posqCorrection[i]
#else
    #define CORRECTION_ARG
    #define CORRECTION(i) make_real4(0, 0, 0, 0)
#endif

/**
 * Whether a force in fixed point is far from where it overflows.
 */
DEVICE bool isInFixedPointRange(mm_long x, mm_long y, mm_long z) {
    const mm_long limit = 0x4000000000000000;
    return x > -limit && x < limit && y > -limit && y < limit && z > -limit && z < limit;
}

/**
 * Keep the state of all particles, and pick out the nodes.
 */
KERNEL void storeState(int numAtoms, GLOBAL const real4* RESTRICT posq, GLOBAL const mixed4* RESTRICT velm,
        GLOBAL const int* RESTRICT atomIndex, GLOBAL const int* RESTRICT nodeOfParticle,
        GLOBAL mixed4* RESTRICT storedPositions, GLOBAL mixed4* RESTRICT storedVelocities,
        GLOBAL mixed4* RESTRICT nodes CORRECTION_ARG) {
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        int particle = atomIndex[slot];
        real4 p = posq[slot];
        real4 c = CORRECTION(slot);
        mixed4 position = make_mixed4(p.x + (mixed) c.x, p.y + (mixed) c.y, p.z + (mixed) c.z, 0);
        storedPositions[particle] = position;
        storedVelocities[particle] = velm[slot];
        if (nodeOfParticle[particle] >= 0)
            nodes[nodeOfParticle[particle]] = position;
    }
}

/**
 * Pick the present positions of the nodes.
 */
KERNEL void readNodes(int numAtoms, GLOBAL const real4* RESTRICT posq, GLOBAL const int* RESTRICT atomIndex,
        GLOBAL const int* RESTRICT nodeOfParticle, GLOBAL mixed4* RESTRICT nodes CORRECTION_ARG) {
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        int node = nodeOfParticle[atomIndex[slot]];
        if (node >= 0) {
            real4 p = posq[slot];
            real4 c = CORRECTION(slot);
            nodes[node] = make_mixed4(p.x + (mixed) c.x, p.y + (mixed) c.y, p.z + (mixed) c.z, 0);
        }
    }
}

/**
 * Read the present positions of all particles, in the order of the System.
 */
KERNEL void readParticles(int numAtoms, GLOBAL const real4* RESTRICT posq, GLOBAL const int* RESTRICT atomIndex,
        GLOBAL mixed4* RESTRICT positions CORRECTION_ARG) {
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        real4 p = posq[slot];
        real4 c = CORRECTION(slot);
        positions[atomIndex[slot]] = make_mixed4(p.x + (mixed) c.x, p.y + (mixed) c.y, p.z + (mixed) c.z, 0);
    }
}

/**
 * Write the stored positions, and for the nodes those of the proposal if there is one, each in the periodic image that
 * its stored position had. The fourth components, which hold charges, stay.
 */
KERNEL void writePositions(int numAtoms, int useProposal, GLOBAL real4* RESTRICT posq,
        GLOBAL const int* RESTRICT atomIndex, GLOBAL const int* RESTRICT nodeOfParticle,
        GLOBAL const mixed4* RESTRICT storedPositions, GLOBAL const mixed4* RESTRICT nodes,
        GLOBAL const int4* RESTRICT cells, mixed4 boxX, mixed4 boxY, mixed4 boxZ
#ifdef USE_MIXED_PRECISION
        , GLOBAL real4* RESTRICT posqCorrection
#endif
        ) {
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        int particle = atomIndex[slot];
        int node = nodeOfParticle[particle];
        mixed4 p = storedPositions[particle];
        if (useProposal && node >= 0) {
            int4 cell = cells[node];
            p = nodes[node];
            p.x -= cell.x*boxX.x + cell.y*boxY.x + cell.z*boxZ.x;
            p.y -= cell.y*boxY.y + cell.z*boxZ.y;
            p.z -= cell.z*boxZ.z;
        }
        posq[slot] = make_real4((real) p.x, (real) p.y, (real) p.z, posq[slot].w);
#ifdef USE_MIXED_PRECISION
        posqCorrection[slot] = make_real4(p.x - (real) p.x, p.y - (real) p.y, p.z - (real) p.z, 0);
#endif
    }
}

/**
 * Bring back the stored velocities. The fourth components, which hold inverse masses, stay.
 */
KERNEL void restoreVelocities(int numAtoms, GLOBAL mixed4* RESTRICT velm, GLOBAL const int* RESTRICT atomIndex,
        GLOBAL const mixed4* RESTRICT storedVelocities) {
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        mixed4 v = storedVelocities[atomIndex[slot]];
        velm[slot] = make_mixed4(v.x, v.y, v.z, velm[slot].w);
    }
}
