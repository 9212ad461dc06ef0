#include "openmmjump/internal/Snapshot.h"

#include <cmath>
#include <sstream>

#include "openmm/Integrator.h"
#include "openmm/OpenMMException.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

/** Rounding of a float, with room for a few operations. */
constexpr double Rounding = 1e-6;

bool areClose(double a, double b) {
    return abs(a - b) <= Rounding * (1 + abs(a));
}

bool areClose(const Vec3& a, const Vec3& b) {
    return areClose(a[0], b[0]) && areClose(a[1], b[1]) && areClose(a[2], b[2]);
}

template <class Iterator>
bool areClose(Iterator begin, Iterator end, Iterator other) {
    return equal(begin, end, other, [](const auto& a, const auto& b) { return areClose(a, b); });
}

} // namespace

Snapshot::Snapshot(ContextImpl& context) :
    time(context.getTime()), stepCount(context.getStepCount()), parameters(context.getParameters()) {
    context.getPeriodicBoxVectors(box[0], box[1], box[2]);
    context.getPositions(positions);
    context.getVelocities(velocities);
}

bool Snapshot::agreesWith(ContextImpl& context) const {
    const Snapshot other(context);
    return areClose(time, other.time) && stepCount == other.stepCount && parameters == other.parameters &&
           areClose(begin(box), end(box), begin(other.box)) &&
           areClose(positions.begin(), positions.end(), other.positions.begin()) &&
           areClose(velocities.begin(), velocities.end(), other.velocities.begin());
}

void Snapshot::restore(ContextImpl& context) const {
    context.setTime(time);
    context.setStepCount(stepCount);
    context.setPeriodicBoxVectors(box[0], box[1], box[2]);
    context.setPositions(positions);
    context.setVelocities(velocities);
    for (const auto& [name, value] : parameters)
        context.setParameter(name, value);
}

void Snapshot::loadCheckpoint(ContextImpl& context, const string& checkpoint) const {
    try {
        stringstream stream(checkpoint, ios_base::in | ios_base::binary);
        context.loadCheckpoint(stream);
        if (!agreesWith(context))
            restore(context); // the State was edited, or holds only a part of what the checkpoint holds
    } catch (const OpenMMException&) {
        restore(context); // made on another platform or device
    }
}

} // namespace JumpPlugin
