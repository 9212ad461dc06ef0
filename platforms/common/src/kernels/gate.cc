/**
 * The tests of the geometry: see GeometryGate. Each sets its flag if the conformation fails.
 */

KERNEL void checkFinite(int numAtoms, GLOBAL const mixed4* RESTRICT nodes, GLOBAL int* RESTRICT flags) {
    for (int i = GLOBAL_ID; i < numAtoms; i += GLOBAL_SIZE) {
        mixed4 p = nodes[i];
        if (p.x - p.x != 0 || p.y - p.y != 0 || p.z - p.z != 0) // neither for NaN nor for infinity
            flags[NOT_FINITE] = 1;
    }
}

/**
 * limits: shortest and longest squared distance of each pair, in nm^2.
 * cause: the flag to set for a pair that is outside of them.
 */
KERNEL void checkDistances(int numPairs, GLOBAL const int2* RESTRICT pairs, GLOBAL const mixed2* RESTRICT limits,
        GLOBAL const mixed4* RESTRICT positions, int cause, GLOBAL int* RESTRICT flags) {
    for (int i = GLOBAL_ID; i < numPairs; i += GLOBAL_SIZE) {
        mixed3 delta = trimTo3(positions[pairs[i].y]) - trimTo3(positions[pairs[i].x]);
        mixed length2 = dot(delta, delta);
        if (!(length2 >= limits[i].x && length2 <= limits[i].y))
            flags[cause] = 1;
    }
}

/**
 * exclusions[exclusionStart[i]] ... are the later atoms one or two bonds away from atom i, rising.
 */
KERNEL void checkClashes(int numAtoms, GLOBAL const mixed* RESTRICT radii, GLOBAL const int* RESTRICT exclusionStart,
        GLOBAL const int* RESTRICT exclusions, GLOBAL const mixed4* RESTRICT nodes, GLOBAL int* RESTRICT flags) {
    for (int i = GLOBAL_ID; i < numAtoms; i += GLOBAL_SIZE) {
        mixed3 position = trimTo3(nodes[i]);
        for (int j = i + 1; j < numAtoms; j++) {
            mixed3 delta = trimTo3(nodes[j]) - position;
            mixed closest = radii[i] + radii[j];
            if (dot(delta, delta) >= closest*closest)
                continue;
            int excluded = 0;
            for (int k = exclusionStart[i]; k < exclusionStart[i + 1]; k++)
                excluded += (exclusions[k] == j ? 1 : 0);
            if (excluded == 0)
                flags[CLASH] = 1;
        }
    }
}

/**
 * Signed volume of the unit vectors from the first atom to the three others; 0 if two atoms coincide.
 */
DEVICE mixed computeVolume(int4 atoms, GLOBAL const mixed4* RESTRICT nodes) {
    mixed3 origin = trimTo3(nodes[atoms.x]);
    mixed3 a = trimTo3(nodes[atoms.y]) - origin;
    mixed3 b = trimTo3(nodes[atoms.z]) - origin;
    mixed3 c = trimTo3(nodes[atoms.w]) - origin;
    mixed product = sqrt(dot(a, a))*sqrt(dot(b, b))*sqrt(dot(c, c));
    return product > 0 ? dot(a, cross(b, c))/product : 0;
}

KERNEL void checkStereocenters(int numCenters, GLOBAL const int4* RESTRICT centers,
        GLOBAL const mixed4* RESTRICT nodes, GLOBAL const mixed4* RESTRICT oldNodes, GLOBAL int* RESTRICT flags) {
    for (int i = GLOBAL_ID; i < numCenters; i += GLOBAL_SIZE) {
        mixed before = computeVolume(centers[i], oldNodes);
        mixed now = computeVolume(centers[i], nodes);
        if (before < 0) {
            before = -before;
            now = -now;
        }
        mixed least = (before/2 < MIN_VOLUME ? before/2 : (mixed) MIN_VOLUME);
        if (!(now > 0 && now >= least))
            flags[INVERTED_STEREOCENTER] = 1;
    }
}

/**
 * Cosine of the torsion about the bond y-z; 0 if three of the atoms are on a line.
 */
DEVICE mixed computeTorsionCosine(int4 atoms, GLOBAL const mixed4* RESTRICT nodes) {
    mixed3 first = trimTo3(nodes[atoms.y]) - trimTo3(nodes[atoms.x]);
    mixed3 middle = trimTo3(nodes[atoms.z]) - trimTo3(nodes[atoms.y]);
    mixed3 last = trimTo3(nodes[atoms.w]) - trimTo3(nodes[atoms.z]);
    mixed3 normal1 = cross(first, middle), normal2 = cross(middle, last);
    mixed length1 = sqrt(dot(normal1, normal1)), length2 = sqrt(dot(normal2, normal2));
    mixed least = MIN_TORSION_SINE*sqrt(dot(middle, middle));
    if (!(length1 > least*sqrt(dot(first, first)) && length2 > least*sqrt(dot(last, last))))
        return 0;
    return dot(normal1, normal2)/(length1*length2);
}

KERNEL void checkStereoBonds(int numBonds, GLOBAL const int4* RESTRICT bonds, GLOBAL const mixed4* RESTRICT nodes,
        GLOBAL const mixed4* RESTRICT oldNodes, GLOBAL int* RESTRICT flags) {
    for (int i = GLOBAL_ID; i < numBonds; i += GLOBAL_SIZE)
        if (computeTorsionCosine(bonds[i], oldNodes)*computeTorsionCosine(bonds[i], nodes) < 0)
            flags[CIS_TRANS_FLIP] = 1;
}
