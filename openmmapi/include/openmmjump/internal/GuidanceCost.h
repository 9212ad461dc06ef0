#ifndef OPENMMJUMP_GUIDANCECOST_H_
#define OPENMMJUMP_GUIDANCECOST_H_

namespace JumpPlugin {

/** What the guidance of one proposal took. */
struct GuidanceCost {
    int evaluations = 0; ///< of the forces
    double seconds = 0;  ///< their wall time
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_GUIDANCECOST_H_
