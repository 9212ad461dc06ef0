/**
 * Velocities of the Maxwell-Boltzmann distribution from counter-based noise: see Philox (Salmon et al., SC'11).
 */

DEVICE void generatePhilox(unsigned int* counter, unsigned int key0, unsigned int key1) {
    for (int round = 0; round < 10; round++) {
        mm_ulong product0 = ((mm_ulong) 0xD2511F53u)*counter[0];
        mm_ulong product1 = ((mm_ulong) 0xCD9E8D57u)*counter[2];
        counter[0] = ((unsigned int) (product1 >> 32)) ^ counter[1] ^ key0;
        counter[1] = (unsigned int) product1;
        counter[2] = ((unsigned int) (product0 >> 32)) ^ counter[3] ^ key1;
        counter[3] = (unsigned int) product0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

/**
 * Radius of the Box-Muller transform, sqrt(-2 ln u) with u = (bits + 1/2)/2^32. Near u = 1 it is counted from 1, where
 * single precision has the digits.
 */
DEVICE mixed computeRadius(unsigned int bits) {
    const mixed scale = (mixed) 2.3283064365386963e-10f;
    if (bits < 0x80000000u)
        return sqrt(-2*log((bits + (mixed) 0.5f)*scale));
    return sqrt(-2*log1p(-(((0xFFFFFFFFu - bits) + (mixed) 0.5f)*scale)));
}

KERNEL void drawVelocities(int numAtoms, int paddedNumAtoms, mixed kT, mixed timeOffset, unsigned int seed0,
        unsigned int seed1, unsigned int jump0, unsigned int jump1, GLOBAL const int* RESTRICT atomIndex,
        GLOBAL const mm_long* RESTRICT forces, GLOBAL mixed4* RESTRICT velm) {
    const mixed angleScale = (mixed) (TWO_PI*2.3283064365386963e-10f);
    for (int slot = GLOBAL_ID; slot < numAtoms; slot += GLOBAL_SIZE) {
        unsigned int bits[4] = {(unsigned int) atomIndex[slot], VELOCITY_STREAM, jump0, jump1};
        generatePhilox(bits, seed0, seed1);
        mixed inverseMass = velm[slot].w;
        mixed deviation = sqrt(kT*inverseMass);
        mixed radius1 = deviation*computeRadius(bits[0]), radius2 = deviation*computeRadius(bits[2]);
        mixed angle1 = (bits[1] + (mixed) 0.5f)*angleScale, angle2 = (bits[3] + (mixed) 0.5f)*angleScale;
        // Forces are in fixed point.
        mixed shift = timeOffset*inverseMass/(mixed) 0x100000000;
        velm[slot] = make_mixed4(radius1*cos(angle1) - shift*forces[slot],
                radius1*sin(angle1) - shift*forces[slot + paddedNumAtoms],
                radius2*cos(angle2) - shift*forces[slot + 2*paddedNumAtoms], inverseMass);
    }
}
