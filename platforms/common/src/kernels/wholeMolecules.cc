/**
 * Putting molecules together across the periodic box: see WholeMolecules. How far a node has to be moved is counted in
 * cells, as integers, so nothing is rounded until the end.
 */

/**
 * The number of cells that shortens a displacement (right for anything below half the box).
 */
DEVICE int4 findShift(mixed3 delta, mixed4 boxX, mixed4 boxY, mixed4 boxZ) {
    int z = -(int) floor(delta.z/boxZ.z + 0.5f);
    delta.x += z*boxZ.x;
    delta.y += z*boxZ.y;
    int y = -(int) floor(delta.y/boxY.y + 0.5f);
    delta.x += y*boxY.x;
    int x = -(int) floor(delta.x/boxX.x + 0.5f);
    return make_int4(x, y, z, 0);
}

DEVICE mixed3 moveByCells(mixed3 position, int4 cell, mixed4 boxX, mixed4 boxY, mixed4 boxZ) {
    position.x += cell.x*boxX.x + cell.y*boxY.x + cell.z*boxZ.x;
    position.y += cell.y*boxY.y + cell.z*boxZ.y;
    position.z += cell.z*boxZ.z;
    return position;
}

/**
 * The number of cells that makes a displacement shortest, right for any displacement in a skewed box.
 */
DEVICE int4 findBestShift(mixed3 delta, mixed4 boxX, mixed4 boxY, mixed4 boxZ) {
    int4 first = findShift(delta, boxX, boxY, boxZ);
    int4 best = first;
    mixed3 moved = moveByCells(delta, first, boxX, boxY, boxZ);
    mixed shortest = dot(moved, moved);
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++)
            for (int k = -1; k <= 1; k++) {
                int4 shift = make_int4(first.x + i, first.y + j, first.z + k, 0);
                moved = moveByCells(delta, shift, boxX, boxY, boxZ);
                // The margin keeps the first image where two are equally near.
                if (dot(moved, moved) < shortest*(1 - IMAGE_MARGIN)) {
                    shortest = dot(moved, moved);
                    best = shift;
                }
            }
    return best;
}

/**
 * The shift of each node relative to its parent: the bonded atom that comes before it, or what it rides on.
 */
KERNEL void findParentShifts(int numNodes, GLOBAL const mixed4* RESTRICT nodes, GLOBAL const int* RESTRICT parents,
        GLOBAL int4* RESTRICT cells, mixed4 boxX, mixed4 boxY, mixed4 boxZ) {
    for (int node = GLOBAL_ID; node < numNodes; node += GLOBAL_SIZE) {
        int parent = parents[node];
        int4 shift = make_int4(0, 0, 0, 0);
        if (parent >= 0)
            shift = findShift(trimTo3(nodes[node]) - trimTo3(nodes[parent]), boxX, boxY, boxZ);
        cells[node] = shift;
    }
}

/**
 * One round of summing up the shifts along the way to the first atom of the molecule: after round k, 2^(k+1) steps of
 * the way are summed. ancestors holds, for every round, the node 2^k steps up, or -1.
 */
KERNEL void addAncestorShifts(int numNodes, int round, GLOBAL const int* RESTRICT ancestors,
        GLOBAL const int4* RESTRICT oldCells, GLOBAL int4* RESTRICT newCells) {
    for (int node = GLOBAL_ID; node < numNodes; node += GLOBAL_SIZE) {
        int ancestor = ancestors[round*numNodes + node];
        int4 cell = oldCells[node];
        if (ancestor >= 0) {
            int4 more = oldCells[ancestor];
            cell = make_int4(cell.x + more.x, cell.y + more.y, cell.z + more.z, 0);
        }
        newCells[node] = cell;
    }
}

/**
 * The displacement from one node to another, each moved by its number of cells.
 */
DEVICE mixed3 findDisplacement(int from, int to, GLOBAL const mixed4* RESTRICT nodes, GLOBAL const int4* cells,
        mixed4 boxX, mixed4 boxY, mixed4 boxZ) {
    return moveByCells(trimTo3(nodes[to]), cells[to], boxX, boxY, boxZ)
         - moveByCells(trimTo3(nodes[from]), cells[from], boxX, boxY, boxZ);
}

/**
 * The nearest contact of two lists of nodes, over all threads of the work group: for the first thread the displacement
 * from the first list to the second, and in the fourth component its squared length in the nearest image.
 */
DEVICE mixed4 findContact(int numFrom, int numTo, GLOBAL const int* from, GLOBAL const int* to,
        GLOBAL const mixed4* RESTRICT nodes, GLOBAL const int4* cells, LOCAL_ARG mixed* distances, LOCAL_ARG int* pairs,
        mixed4 boxX, mixed4 boxY, mixed4 boxZ) {
    mixed best = FLT_MAX;
    int bestPair = 0;
    for (int pair = LOCAL_ID; pair < numFrom*numTo; pair += LOCAL_SIZE) {
        mixed3 delta = findDisplacement(from[pair % numFrom], to[pair/numFrom], nodes, cells, boxX, boxY, boxZ);
        delta = moveByCells(delta, findShift(delta, boxX, boxY, boxZ), boxX, boxY, boxZ);
        if (dot(delta, delta) < best) {
            best = dot(delta, delta);
            bestPair = pair;
        }
    }
    distances[LOCAL_ID] = best;
    pairs[LOCAL_ID] = bestPair;
    SYNC_THREADS;
    for (int thread = 0; LOCAL_ID == 0 && thread < LOCAL_SIZE; thread++)
        if (distances[thread] < best) {
            best = distances[thread];
            bestPair = pairs[thread];
        }
    mixed3 delta = findDisplacement(from[bestPair % numFrom], to[bestPair/numFrom], nodes, cells, boxX, boxY, boxZ);
    SYNC_THREADS;
    return make_mixed4(delta.x, delta.y, delta.z, best);
}

/**
 * Put molecules side by side: one after the other, always the one nearest to those already placed, in its nearest
 * image. Executed as a single work group. The nodes of molecule m are moleculeNodes[moleculeStart[m]] ..., its model
 * atoms first and its riding atoms from moleculeRiders[m] on.
 *
 * contact[m] is the shortest displacement from a placed molecule to molecule m, and in the fourth component its squared
 * length; negative for molecules that are placed.
 */
KERNEL void joinMolecules(int numMolecules, GLOBAL const mixed4* RESTRICT nodes,
        GLOBAL const int* RESTRICT moleculeStart, GLOBAL const int* RESTRICT moleculeRiders,
        GLOBAL const int* RESTRICT moleculeNodes, GLOBAL int4* cells, GLOBAL mixed4* RESTRICT contact,
        mixed4 boxX, mixed4 boxY, mixed4 boxZ) {
    LOCAL mixed distances[WORK_GROUP_SIZE];
    LOCAL int pairs[WORK_GROUP_SIZE];
    LOCAL int placed;
    LOCAL int4 shift;

    for (int m = LOCAL_ID; m < numMolecules; m += LOCAL_SIZE)
        contact[m] = make_mixed4(0, 0, 0, m == 0 ? -1 : FLT_MAX);
    if (LOCAL_ID == 0)
        placed = 0;
    SYNC_THREADS;
    for (int count = 1; count < numMolecules; count++) {
        for (int m = 1; m < numMolecules; m++) {
            if (contact[m].w < 0)
                continue;
            mixed4 found = findContact(moleculeRiders[placed] - moleculeStart[placed],
                    moleculeRiders[m] - moleculeStart[m], moleculeNodes + moleculeStart[placed],
                    moleculeNodes + moleculeStart[m], nodes, cells, distances, pairs, boxX, boxY, boxZ);
            if (LOCAL_ID == 0 && found.w < contact[m].w)
                contact[m] = found;
        }
        SYNC_THREADS;
        if (LOCAL_ID == 0) {
            int next = -1;
            for (int m = 1; m < numMolecules; m++)
                if (contact[m].w >= 0 && (next == -1 || contact[m].w < contact[next].w))
                    next = m;
            shift = findBestShift(trimTo3(contact[next]), boxX, boxY, boxZ);
            contact[next].w = -1;
            placed = next;
        }
        SYNC_THREADS;
        for (int i = moleculeStart[placed] + LOCAL_ID; i < moleculeStart[placed + 1]; i += LOCAL_SIZE) {
            int4 cell = cells[moleculeNodes[i]];
            cells[moleculeNodes[i]] = make_int4(cell.x + shift.x, cell.y + shift.y, cell.z + shift.z, 0);
        }
        SYNC_THREADS;
    }
}

/**
 * Move every node by its number of cells.
 */
KERNEL void makeWhole(int numNodes, GLOBAL mixed4* RESTRICT nodes, GLOBAL const int4* RESTRICT cells, mixed4 boxX,
        mixed4 boxY, mixed4 boxZ) {
    for (int node = GLOBAL_ID; node < numNodes; node += GLOBAL_SIZE) {
        mixed3 position = moveByCells(trimTo3(nodes[node]), cells[node], boxX, boxY, boxZ);
        nodes[node] = make_mixed4(position.x, position.y, position.z, 0);
    }
}
