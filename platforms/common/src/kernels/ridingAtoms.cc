/**
 * Placing the riding atoms in the local frames of their parents: see RidingAtoms.
 */

typedef struct {
    mixed3 e1, e2, e3;
    int valid;
} Frame;

/**
 * The part of v that is perpendicular to a unit vector. Done twice: once leaves rounding errors along the axis.
 */
DEVICE mixed3 rejectAxis(mixed3 v, mixed3 axis) {
    v = v - axis*dot(axis, v);
    return v - axis*dot(axis, v);
}

DEVICE mixed getLength(mixed3 v) {
    return sqrt(dot(v, v));
}

/**
 * The frame of a rider: x, y, z of `atoms` are its parent and references, w is the kind.
 */
DEVICE Frame buildFrame(int4 atoms, GLOBAL const mixed4* RESTRICT nodes) {
    Frame frame;
    frame.valid = 0;
    if (atoms.w != AXIS_FRAME && atoms.w != BISECTOR_FRAME)
        return frame;
    mixed3 origin = trimTo3(nodes[atoms.x]);
    mixed3 u1 = trimTo3(nodes[atoms.y]) - origin;
    mixed3 u2 = trimTo3(nodes[atoms.z]) - (atoms.w == AXIS_FRAME ? trimTo3(nodes[atoms.y]) : origin);
    mixed length1 = getLength(u1), length2 = getLength(u2);
    if (!(length1 > MIN_LENGTH && length2 > MIN_LENGTH))
        return frame;
    u1 = u1*(1/length1);
    u2 = u2*(1/length2);
    if (atoms.w == AXIS_FRAME) {
        frame.e1 = u1;
        frame.e2 = rejectAxis(u2, u1);
        frame.valid = (getLength(frame.e2) > MIN_SINE ? 1 : 0);
    } else {
        // The sum and the difference of two unit vectors are perpendicular.
        frame.valid = (getLength(cross(u1, u2)) > MIN_SINE ? 1 : 0);
        frame.e1 = u1 + u2;
        frame.e1 = frame.e1*(1/getLength(frame.e1));
        frame.e2 = rejectAxis(u1 - u2, frame.e1);
    }
    frame.e2 = frame.e2*(1/getLength(frame.e2));
    frame.e3 = cross(frame.e1, frame.e2);
    return frame;
}

/**
 * Some unit vector perpendicular to a unit vector. That of -u is the same up to its sign.
 */
DEVICE mixed3 findPerpendicular(mixed3 u) {
    mixed x = u.x*u.x, y = u.y*u.y, z = u.z*u.z;
    mixed3 axis = make_mixed3(0, 0, 1);
    if (x <= y && x <= z)
        axis = make_mixed3(1, 0, 0);
    else if (y <= z)
        axis = make_mixed3(0, 1, 0);
    axis = rejectAxis(axis, u);
    return axis*(1/getLength(axis));
}

/**
 * Rotate v by the smallest rotation that takes one unit vector to another.
 */
DEVICE mixed3 rotateDirection(mixed3 v, mixed3 from, mixed3 to) {
    mixed3 axis = cross(from, to);
    mixed sine = getLength(axis), cosine = dot(from, to);
    if (sine < PARALLEL) {
        if (cosine > 0)
            return v;
        // Any half turn will do; this one is undone by the way back.
        axis = findPerpendicular(from);
        return axis*(2*dot(axis, v)) - v;
    }
    // Complete both to frames that share the rotation axis, which rounding must not tilt.
    axis = rejectAxis(axis*(1/sine), from);
    axis = axis*(1/getLength(axis));
    return axis*dot(axis, v) + to*dot(from, v) + cross(axis, to)*dot(cross(axis, from), v);
}

/**
 * Move the riding atoms, which follow the model atoms in both arrays.
 */
KERNEL void placeRidingAtoms(int numAtoms, int numRiders, GLOBAL const int4* RESTRICT riders,
        GLOBAL const mixed4* RESTRICT oldNodes, GLOBAL mixed4* RESTRICT newNodes) {
    for (int i = GLOBAL_ID; i < numRiders; i += GLOBAL_SIZE) {
        int4 atoms = riders[i];
        mixed3 oldParent = trimTo3(oldNodes[atoms.x]);
        mixed3 newParent = trimTo3(newNodes[atoms.x]);
        mixed3 v = trimTo3(oldNodes[numAtoms + i]) - oldParent;
        Frame before = buildFrame(atoms, oldNodes);
        Frame after = buildFrame(atoms, newNodes);
        if (before.valid && after.valid)
            v = after.e1*dot(before.e1, v) + after.e2*dot(before.e2, v) + after.e3*dot(before.e3, v);
        else if (atoms.y != -1) {
            mixed3 from = trimTo3(oldNodes[atoms.y]) - oldParent;
            mixed3 to = trimTo3(newNodes[atoms.y]) - newParent;
            mixed fromLength = getLength(from), toLength = getLength(to);
            if (fromLength > MIN_LENGTH && toLength > MIN_LENGTH)
                v = rotateDirection(v, from*(1/fromLength), to*(1/toLength));
        }
        v = v + newParent;
        newNodes[numAtoms + i] = make_mixed4(v.x, v.y, v.z, 0);
    }
}
