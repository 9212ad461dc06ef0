/**
 * The minimisation of a repair: see RepairMinimizer. Between these kernels OpenMM's array of velocities holds the kicks
 * for a while, so that its projection on the constraints can be applied to them.
 */

/**
 * Where a particle is pushed whose force tells nothing: see RepairMinimizer::getSpreadDirection().
 */
DEVICE mixed3 getSpreadDirection(unsigned int particle) {
    const mixed unit = (mixed) 2.3283064365386963e-10f; // 2^-32
    mixed z = 1 - 2*unit*((particle + 1)*3242174889u);
    mixed angle = (mixed) TWO_PI*unit*((particle + 1)*2447445414u);
    mixed radius = sqrt(1 - z*z);
    return make_mixed3(radius*cos(angle), radius*sin(angle), z);
}

KERNEL void stopParticles(int numAtoms, GLOBAL mixed4* RESTRICT velm) {
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE)
        velm[slot] = make_mixed4(0, 0, 0, velm[slot].w);
}

/**
 * Turn forces into kicks, timeStep*F/m. The present velocities go to another array, in the same order.
 *
 * anchors: where the nodes were at the start; the first numModelAtoms are tethered.
 */
KERNEL void findKicks(int numAtoms, int paddedNumAtoms, int numModelAtoms, mixed timeStep, mixed tether,
        GLOBAL const mm_long* RESTRICT forces, GLOBAL const real4* RESTRICT posq, GLOBAL mixed4* RESTRICT velm,
        GLOBAL const int* RESTRICT atomIndex, GLOBAL const int* RESTRICT nodeOfParticle,
        GLOBAL const mixed4* RESTRICT anchors, GLOBAL mixed4* RESTRICT velocities CORRECTION_ARG) {
    const mixed scale = 1/(mixed) 0x100000000;
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        mixed4 velocity = velm[slot];
        velocities[slot] = velocity;
        if (velocity.w == 0)
            continue;
        mm_long x = forces[slot], y = forces[slot + paddedNumAtoms], z = forces[slot + 2*paddedNumAtoms];
        mixed3 force;
        if (isInFixedPointRange(x, y, z))
            force = make_mixed3(scale*x, scale*y, scale*z);
        else
            force = getSpreadDirection(atomIndex[slot])*(mixed) MAX_FORCE;
        int node = nodeOfParticle[atomIndex[slot]];
        if (node >= 0 && node < numModelAtoms) {
            real4 p = posq[slot];
            real4 c = CORRECTION(slot);
            force += (trimTo3(anchors[node]) - make_mixed3(p.x + (mixed) c.x, p.y + (mixed) c.y, p.z + (mixed) c.z))*tether;
        }
        mixed size = sqrt(dot(force, force));
        force *= timeStep*velocity.w*(size > MAX_FORCE ? MAX_FORCE/size : 1);
        velm[slot] = make_mixed4(force.x, force.y, force.z, velocity.w);
    }
}

/**
 * The sums of JumpKernel::RepairSums, the last one with impulses for forces. Executed as a single work group.
 */
KERNEL void sumKicks(int numAtoms, GLOBAL const mixed4* RESTRICT kicks, GLOBAL const mixed4* RESTRICT velocities,
        GLOBAL mixed4* RESTRICT sums) {
    LOCAL mixed temp[WORK_GROUP_SIZE];
    mixed power = 0, kick2 = 0, speed2 = 0, impulse2 = 0;
    for (int slot = LOCAL_ID; slot < numAtoms; slot += LOCAL_SIZE) {
        mixed inverseMass = kicks[slot].w;
        if (inverseMass == 0)
            continue;
        mixed3 kick = trimTo3(kicks[slot]), velocity = trimTo3(velocities[slot]);
        mixed size = dot(kick, kick)/inverseMass;
        power += dot(kick, velocity)/inverseMass;
        kick2 += size;
        speed2 += dot(velocity, velocity)/inverseMass;
        impulse2 += size/inverseMass;
    }
    power = sumOverGroup(power, temp);
    kick2 = sumOverGroup(kick2, temp);
    speed2 = sumOverGroup(speed2, temp);
    impulse2 = sumOverGroup(impulse2, temp);
    if (LOCAL_ID == 0)
        sums[0] = make_mixed4(power, kick2, speed2, impulse2);
}

/**
 * Move every particle with the velocity keep*v + mix*kick, no further than MAX_DISPLACEMENT.
 */
KERNEL void moveParticles(int numAtoms, mixed timeStep, mixed keep, mixed mix, GLOBAL real4* RESTRICT posq,
        GLOBAL mixed4* RESTRICT velm, GLOBAL const mixed4* RESTRICT velocities
#ifdef USE_MIXED_PRECISION
        , GLOBAL real4* RESTRICT posqCorrection
#endif
        ) {
    const mixed limit = MAX_DISPLACEMENT/timeStep;
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        mixed inverseMass = velm[slot].w;
        if (inverseMass == 0)
            continue;
        mixed3 velocity = trimTo3(velocities[slot])*keep + trimTo3(velm[slot])*mix;
        mixed speed2 = dot(velocity, velocity);
        if (!(speed2 <= FLT_MAX))
            velocity = make_mixed3(0, 0, 0);
        else if (speed2 > limit*limit)
            velocity *= limit/sqrt(speed2);
        velm[slot] = make_mixed4(velocity.x, velocity.y, velocity.z, inverseMass);
        real4 p = posq[slot];
        real4 c = CORRECTION(slot);
        mixed x = p.x + (mixed) c.x + velocity.x*timeStep;
        mixed y = p.y + (mixed) c.y + velocity.y*timeStep;
        mixed z = p.z + (mixed) c.z + velocity.z*timeStep;
        posq[slot] = make_real4((real) x, (real) y, (real) z, p.w);
#ifdef USE_MIXED_PRECISION
        posqCorrection[slot] = make_real4(x - (real) x, y - (real) y, z - (real) z, 0);
#endif
    }
}
