#include "CommonGeometryGate.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

mm_int4 toInt4(const array<int, 4>& atoms) {
    return mm_int4(atoms[0], atoms[1], atoms[2], atoms[3]);
}

} // namespace

CommonGeometryGate::CommonGeometryGate(ComputeContext& cc, const MolecularGraph& graph, const GeometryGate& gate,
                                       ComputeProgram program) :
    cc(cc), arrays(cc), settings(gate.getSettings()), numAtoms(graph.getNumAtoms()), numBonds(graph.getNumBonds()),
    numStereocenters(graph.getNumStereocenters()), numStereoBonds(graph.getNumStereoBonds()) {
    vector<mm_int2> pairs;
    vector<double> limits;
    for (const GeometryGate::BondLimits& bond : gate.getBonds()) {
        pairs.push_back(mm_int2(bond.atom1, bond.atom2));
        limits.insert(limits.end(), {bond.shortest2, bond.longest2});
    }
    arrays.upload(bonds, pairs, "jumpBonds");
    arrays.uploadMixed(bondLimits, limits, 2, "jumpBondLimits");
    arrays.uploadMixed(radii, gate.getContactRadii(), 1, "jumpContactRadii");
    uploadExclusions(gate.getExclusions());
    vector<mm_int4> centers, stereo;
    for (int i = 0; i < numStereocenters; i++)
        centers.push_back(toInt4(graph.getStereocenter(i).atoms));
    for (int i = 0; i < numStereoBonds; i++)
        stereo.push_back(toInt4(graph.getStereoBond(i).atoms));
    arrays.upload(stereocenters, centers, "jumpStereocenters");
    arrays.upload(stereoBonds, stereo, "jumpStereoBonds");
    arrays.upload(flags, vector<int>(NumRejectionReasons, 0), "jumpFlags");
    createKernels(program);
}

void CommonGeometryGate::uploadExclusions(const vector<vector<int>>& lists) {
    vector<int> start = {0}, all;
    for (const vector<int>& list : lists) {
        all.insert(all.end(), list.begin(), list.end());
        start.push_back((int)all.size());
    }
    arrays.upload(exclusionStart, start, "jumpExclusionStart");
    arrays.upload(exclusions, all, "jumpExclusions");
}

void CommonGeometryGate::createKernels(ComputeProgram program) {
    finiteKernel = program->createKernel("checkFinite");
    finiteKernel->addArg(numAtoms);
    finiteKernel->addArg(); // nodes
    finiteKernel->addArg(flags);
    bondKernel = program->createKernel("checkDistances");
    bondKernel->addArg(numBonds);
    bondKernel->addArg(bonds);
    bondKernel->addArg(bondLimits);
    bondKernel->addArg(); // nodes
    bondKernel->addArg((int)RejectionReason::BrokenBond);
    bondKernel->addArg(flags);
    clashKernel = program->createKernel("checkClashes");
    clashKernel->addArg(numAtoms);
    for (ComputeArray* array : {&radii, &exclusionStart, &exclusions})
        clashKernel->addArg(*array);
    clashKernel->addArg(); // nodes
    clashKernel->addArg(flags);
    stereocenterKernel = program->createKernel("checkStereocenters");
    stereocenterKernel->addArg(numStereocenters);
    stereocenterKernel->addArg(stereocenters);
    DeviceArrays::addPlaces(stereocenterKernel, 2); // nodes, old nodes
    stereocenterKernel->addArg(flags);
    stereoBondKernel = program->createKernel("checkStereoBonds");
    stereoBondKernel->addArg(numStereoBonds);
    stereoBondKernel->addArg(stereoBonds);
    DeviceArrays::addPlaces(stereoBondKernel, 2); // nodes, old nodes
    stereoBondKernel->addArg(flags);
}

void CommonGeometryGate::clear() {
    cc.clearBuffer(flags);
}

void CommonGeometryGate::checkFinite(ComputeArray& nodes) {
    finiteKernel->setArg(1, nodes);
    finiteKernel->execute(numAtoms);
}

void CommonGeometryGate::check(ComputeArray& nodes, ComputeArray& oldNodes) {
    if (settings.checkBonds) {
        bondKernel->setArg(3, nodes);
        DeviceArrays::execute(bondKernel, numBonds);
    }
    if (settings.checkClashes) {
        clashKernel->setArg(4, nodes);
        clashKernel->execute(numAtoms);
    }
    if (settings.checkStereocenters) {
        stereocenterKernel->setArg(2, nodes);
        stereocenterKernel->setArg(3, oldNodes);
        DeviceArrays::execute(stereocenterKernel, numStereocenters);
    }
    if (settings.checkStereoBonds) {
        stereoBondKernel->setArg(2, nodes);
        stereoBondKernel->setArg(3, oldNodes);
        DeviceArrays::execute(stereoBondKernel, numStereoBonds);
    }
}

RejectionReason CommonGeometryGate::getReason() {
    vector<int> found;
    flags.download(found);
    for (int reason = 1; reason < NumRejectionReasons; reason++)
        if (found[reason] != 0)
            return (RejectionReason)reason;
    return RejectionReason::None;
}

} // namespace JumpPlugin
