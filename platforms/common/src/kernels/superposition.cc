/**
 * Restoring what the model does not preserve: see Superposition (Horn, J. Opt. Soc. Am. A 4, 629, 1987).
 */

/**
 * Sum a value over all threads of the work group.
 */
DEVICE mixed sumOverGroup(mixed value, LOCAL_ARG mixed* temp) {
    SYNC_THREADS;
    temp[LOCAL_ID] = value;
    SYNC_THREADS;
    for (int step = 1; step < LOCAL_SIZE; step *= 2) {
        if (LOCAL_ID % (2*step) == 0 && LOCAL_ID + step < LOCAL_SIZE)
            temp[LOCAL_ID] += temp[LOCAL_ID + step];
        SYNC_THREADS;
    }
    return temp[0];
}

DEVICE mixed3 sumVectorOverGroup(mixed3 value, LOCAL_ARG mixed* temp) {
    mixed x = sumOverGroup(value.x, temp);
    mixed y = sumOverGroup(value.y, temp);
    mixed z = sumOverGroup(value.z, temp);
    return make_mixed3(x, y, z);
}

/**
 * One Jacobi rotation that makes a[p][q] zero; the columns of v collect the eigenvectors.
 */
DEVICE void rotateJacobi(mixed a[4][4], mixed v[4][4], int p, int q) {
    if (a[p][q] == 0)
        return;
    mixed theta = (a[q][q] - a[p][p])/(2*a[p][q]);
    mixed size = theta < 0 ? -theta : theta;
    mixed t = (theta < 0 ? -1 : 1)/(size + sqrt(size*size + 1));
    mixed c = 1/sqrt(t*t + 1);
    mixed s = t*c;
    for (int k = 0; k < 4; k++) {
        mixed x = a[k][p], y = a[k][q];
        a[k][p] = c*x - s*y;
        a[k][q] = s*x + c*y;
    }
    for (int k = 0; k < 4; k++) {
        mixed x = a[p][k], y = a[q][k];
        a[p][k] = c*x - s*y;
        a[q][k] = s*x + c*y;
    }
    for (int k = 0; k < 4; k++) {
        mixed x = v[k][p], y = v[k][q];
        v[k][p] = c*x - s*y;
        v[k][q] = s*x + c*y;
    }
    a[p][q] = a[q][p] = 0;
}

/**
 * The unit quaternion (w, x, y, z) of the best rotation; where it is not unique, that of the smallest rotation.
 *
 * s[3*j + k] is the weighted sum of component j of the mobile times component k of the target positions.
 */
DEVICE void findBestQuaternion(const mixed* s, mixed scale, mixed* quaternion) {
    mixed trace = s[0] + s[4] + s[8];
    mixed a[4][4], v[4][4];
    a[0][0] = trace;
    a[0][1] = s[5] - s[7];
    a[0][2] = s[6] - s[2];
    a[0][3] = s[1] - s[3];
    for (int i = 0; i < 3; i++) {
        a[i + 1][0] = a[0][i + 1];
        for (int j = 0; j < 3; j++)
            a[i + 1][j + 1] = s[3*i + j] + s[3*j + i] - (i == j ? trace : 0);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            v[i][j] = (i == j ? 1 : 0);
    // Convergence is quadratic: four sweeps reach machine precision, more do no harm.
    for (int sweep = 0; sweep < 12; sweep++)
        for (int p = 0; p < 3; p++)
            for (int q = p + 1; q < 4; q++)
                rotateJacobi(a, v, p, q);
    int best = 0;
    for (int i = 1; i < 4; i++)
        if (a[i][i] > a[best][best])
            best = i;
    mixed length2 = 0;
    for (int k = 0; k < 4; k++) {
        mixed sum = 0;
        for (int i = 0; i < 4; i++)
            if (i == best || a[best][best] - a[i][i] <= DEGENERATE*scale)
                sum += v[0][i]*v[k][i];
        quaternion[k] = sum;
        length2 += sum*sum;
    }
    // A half turn has w = 0: then the eigenvector itself is all there is.
    mixed length = sqrt(length2);
    for (int k = 0; k < 4; k++)
        quaternion[k] = (length > HALF_TURN ? quaternion[k]/length : v[k][best]);
}

DEVICE void writeRotation(const mixed* q, LOCAL_ARG mixed* r) {
    mixed w = q[0], x = q[1], y = q[2], z = q[3];
    r[0] = w*w + x*x - y*y - z*z;
    r[1] = 2*(x*y - w*z);
    r[2] = 2*(x*z + w*y);
    r[3] = 2*(x*y + w*z);
    r[4] = w*w - x*x + y*y - z*z;
    r[5] = 2*(y*z - w*x);
    r[6] = 2*(x*z - w*y);
    r[7] = 2*(y*z + w*x);
    r[8] = w*w - x*x - y*y + z*z;
}

/**
 * Test whether the proposal is finite, and restore the orientation and the centre of mass that the model does not
 * preserve. Executed as a single work group. The weights add up to 1.
 */
KERNEL void restoreRigidMotion(int numAtoms, GLOBAL const mixed* RESTRICT weights,
        GLOBAL const mixed4* RESTRICT oldNodes, GLOBAL mixed4* RESTRICT newNodes, GLOBAL int* RESTRICT flags) {
    LOCAL mixed temp[WORK_GROUP_SIZE];
    LOCAL mixed rotation[9];
    mixed bad = 0;
    mixed3 oldCenter = make_mixed3(0, 0, 0), newCenter = make_mixed3(0, 0, 0);
    for (int i = LOCAL_ID; i < numAtoms; i += LOCAL_SIZE) {
        mixed4 p = newNodes[i];
        if (p.x - p.x != 0 || p.y - p.y != 0 || p.z - p.z != 0) // neither for NaN nor for infinity
            bad = 1;
        oldCenter += trimTo3(oldNodes[i])*weights[i];
        newCenter += trimTo3(p)*weights[i];
    }
    if (sumOverGroup(bad, temp) > 0) {
        if (LOCAL_ID == 0)
            flags[NOT_FINITE] = 1;
        return;
    }
#if PRESERVES_CENTER && PRESERVES_ORIENTATION
    return;
#endif
    oldCenter = sumVectorOverGroup(oldCenter, temp);
    newCenter = sumVectorOverGroup(newCenter, temp);
    mixed3 target = (PRESERVES_CENTER ? newCenter : oldCenter);
    if (LOCAL_ID < 9)
        rotation[LOCAL_ID] = (LOCAL_ID % 4 == 0 ? 1 : 0);
#if !PRESERVES_ORIENTATION
    mixed s[9];
    mixed scale = 0;
    for (int k = 0; k < 9; k++)
        s[k] = 0;
    for (int i = LOCAL_ID; i < numAtoms; i += LOCAL_SIZE) {
        mixed3 a = (trimTo3(newNodes[i]) - newCenter)*weights[i];
        mixed3 b = trimTo3(oldNodes[i]) - oldCenter;
        s[0] += a.x*b.x;
        s[1] += a.x*b.y;
        s[2] += a.x*b.z;
        s[3] += a.y*b.x;
        s[4] += a.y*b.y;
        s[5] += a.y*b.z;
        s[6] += a.z*b.x;
        s[7] += a.z*b.y;
        s[8] += a.z*b.z;
        scale += sqrt(dot(a, a)*dot(b, b));
    }
    for (int k = 0; k < 9; k++)
        s[k] = sumOverGroup(s[k], temp);
    scale = sumOverGroup(scale, temp);
    if (LOCAL_ID == 0) {
        mixed quaternion[4];
        findBestQuaternion(s, scale, quaternion);
        writeRotation(quaternion, rotation);
    }
#endif
    SYNC_THREADS;
    for (int i = LOCAL_ID; i < numAtoms; i += LOCAL_SIZE) {
        mixed3 p = trimTo3(newNodes[i]) - newCenter;
        newNodes[i] = make_mixed4(target.x + rotation[0]*p.x + rotation[1]*p.y + rotation[2]*p.z,
                                  target.y + rotation[3]*p.x + rotation[4]*p.y + rotation[5]*p.z,
                                  target.z + rotation[6]*p.x + rotation[7]*p.y + rotation[8]*p.z, 0);
    }
}
