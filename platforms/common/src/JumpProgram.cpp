#include "JumpProgram.h"

#include <iomanip>
#include <sstream>

#include "CommonJumpKernelSources.h"
#include "openmmjump/MolecularGraph.h"
#include "openmmjump/RejectionReason.h"
#include "openmmjump/internal/GeometryGate.h"
#include "openmmjump/internal/RepairMinimizer.h"
#include "openmmjump/internal/RidingAtoms.h"
#include "openmmjump/network/sampling/NoiseStreams.h"

using namespace std;

namespace JumpPlugin {

string JumpProgram::getSource() {
    using Sources = CommonJumpKernelSources;
    return Sources::state + Sources::wholeMolecules + Sources::superposition + Sources::ridingAtoms + Sources::gate +
           Sources::velocities + Sources::repair + Sources::guidance;
}

map<string, string> JumpProgram::getDefines(const Settings& settings) {
    const bool fine = settings.mixedIsDouble;
    const auto real = [fine](double value) {
        stringstream text;
        text << scientific << setprecision(fine ? 16 : 8) << value << (fine ? "" : "f");
        return text.str();
    };
    map<string, string> defines;
    defines["WORK_GROUP_SIZE"] = to_string(settings.workGroupSize);
    defines["PRESERVES_ORIENTATION"] = settings.preservesOrientation ? "1" : "0";
    defines["PRESERVES_CENTER"] = settings.preservesCenterOfMass ? "1" : "0";
    defines["NOT_FINITE"] = to_string((int)RejectionReason::NotFinite);
    defines["CLASH"] = to_string((int)RejectionReason::Clash);
    defines["INVERTED_STEREOCENTER"] = to_string((int)RejectionReason::InvertedStereocenter);
    defines["CIS_TRANS_FLIP"] = to_string((int)RejectionReason::CisTransFlip);
    defines["AXIS_FRAME"] = to_string((int)MolecularGraph::Axis);
    defines["BISECTOR_FRAME"] = to_string((int)MolecularGraph::Bisector);
    defines["MIN_LENGTH"] = real(RidingAtoms::MinLength);
    defines["MIN_SINE"] = real(RidingAtoms::MinSine);
    defines["MIN_VOLUME"] = real(GeometryGate::MinVolume);
    defines["MIN_TORSION_SINE"] = real(GeometryGate::MinTorsionSine);
    defines["MAX_FORCE"] = real(RepairMinimizer::MaxForce);
    defines["MAX_DISPLACEMENT"] = real(RepairMinimizer::MaxDisplacement);
    defines["VELOCITY_STREAM"] = to_string(NoiseStreams::Velocities) + "u";
    defines["TWO_PI"] = real(6.283185307179586476925);
    // What counts as zero follows from the precision.
    defines["PARALLEL"] = real(fine ? 1e-9 : 1e-6);
    defines["IMAGE_MARGIN"] = real(fine ? 1e-9 : 1e-6);
    defines["DEGENERATE"] = real(fine ? 1e-12 : 1e-5);
    defines["HALF_TURN"] = real(fine ? 1e-8 : 1e-4);
    return defines;
}

} // namespace JumpPlugin
