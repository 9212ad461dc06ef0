#include "CommonConstraintGate.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

CommonConstraintGate::CommonConstraintGate(ComputeContext& cc, const ConstraintGate& gate, ComputeProgram program) :
    cc(cc), arrays(cc), numConstraints((int)gate.getConstraints().size()) {
    if (numConstraints == 0)
        return;
    vector<mm_int2> particles;
    vector<double> bounds;
    for (const ConstraintGate::ConstraintLimits& constraint : gate.getConstraints()) {
        particles.push_back(mm_int2(constraint.particle1, constraint.particle2));
        bounds.insert(bounds.end(), {constraint.shortest2, constraint.longest2});
    }
    arrays.upload(pairs, particles, "jumpConstraints");
    arrays.uploadMixed(limits, bounds, 2, "jumpConstraintLimits");
    arrays.createMixed(positions, cc.getNumAtoms(), 4, "jumpConstraintPositions");
    arrays.upload(flag, vector<int>(1, 0), "jumpConstraintFlag");
    createKernels(program);
}

void CommonConstraintGate::createKernels(ComputeProgram program) {
    readKernel = program->createKernel("readParticles");
    readKernel->addArg(cc.getNumAtoms());
    for (ArrayInterface* array : {&cc.getPosq(), &cc.getAtomIndexArray(), (ArrayInterface*)&positions})
        readKernel->addArg(*array);
    if (cc.getUseMixedPrecision())
        readKernel->addArg(cc.getPosqCorrection());
    distanceKernel = program->createKernel("checkDistances");
    distanceKernel->addArg(numConstraints);
    for (ComputeArray* array : {&pairs, &limits, &positions})
        distanceKernel->addArg(*array);
    distanceKernel->addArg(0); // the only flag
    distanceKernel->addArg(flag);
}

RejectionReason CommonConstraintGate::check() {
    if (numConstraints == 0)
        return RejectionReason::None;
    cc.clearBuffer(flag);
    readKernel->execute(cc.getNumAtoms());
    distanceKernel->execute(numConstraints);
    vector<int> broken;
    flag.download(broken);
    return broken[0] == 0 ? RejectionReason::None : RejectionReason::Constraint;
}

} // namespace JumpPlugin
