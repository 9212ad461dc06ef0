#include "openmmjump/internal/ConstraintGate.h"

#include <algorithm>

using namespace JumpPlugin;
using OpenMM::System;
using OpenMM::Vec3;
using std::vector;

ConstraintGate::ConstraintGate(const System& system, const GateSettings& settings) {
    if (!settings.checkConstraints)
        return;
    for (int i = 0; i < system.getNumConstraints(); i++) {
        int particle1, particle2;
        double length;
        system.getConstraintParameters(i, particle1, particle2, length);
        if (system.getParticleMass(particle1) == 0 && system.getParticleMass(particle2) == 0)
            continue;
        const double shortest = length * std::max(1 - settings.maxConstraintError, 0.0);
        const double longest = length * (1 + settings.maxConstraintError);
        constraints.push_back({particle1, particle2, shortest * shortest, longest * longest});
    }
}

int ConstraintGate::findBrokenConstraint(const vector<Vec3>& positions) const {
    for (size_t i = 0; i < constraints.size(); i++) {
        const Vec3 delta = positions[constraints[i].particle2] - positions[constraints[i].particle1];
        const double length2 = delta.dot(delta);
        if (!(length2 >= constraints[i].shortest2 && length2 <= constraints[i].longest2))
            return (int)i;
    }
    return -1;
}
