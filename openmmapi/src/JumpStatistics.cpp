#include "openmmjump/JumpStatistics.h"

#include <cstdio>

using namespace std;

namespace JumpPlugin {

const char* getName(RejectionReason reason) {
    static const char* names[] = {"none",           "not_finite", "broken_bond", "clash", "inverted_stereocenter",
                                  "cis_trans_flip", "constraint", "energy",      "veto",  "metropolis"};
    return names[(int)reason];
}

const char* getName(JumpStage stage) {
    static const char* names[] = {"network", "placement", "energy", "repair", "relaxation", "guidance"};
    return names[(int)stage];
}

void JumpStatistics::addStep(const JumpRecord& record) {
    steps++;
    accepted += record.accepted;
    repaired += record.repaired && record.accepted;
    attempts += record.attempts;
    repairEvaluations += record.repairEvaluations;
    guidanceEvaluations += record.guidanceEvaluations;
    for (int i = 0; i < NumRejectionReasons; i++)
        rejections[i] += record.rejections[i];
    for (int i = 0; i < NumJumpStages; i++)
        seconds[i] += record.seconds[i];
}

long long JumpStatistics::getRejections(RejectionReason reason) const {
    return rejections[(int)reason];
}

double JumpStatistics::getSeconds(JumpStage stage) const {
    return seconds[(int)stage];
}

double JumpStatistics::getRedrawFraction() const {
    long long rejected = 0;
    for (long long count : rejections)
        rejected += count;
    return attempts == 0 ? 0.0 : (double)rejected / attempts;
}

string JumpStatistics::toString() const {
    char line[160];
    snprintf(line, sizeof(line), "%lld steps, %lld jumps accepted, %lld proposals drawn, %lld repaired\n", steps,
             accepted, attempts, repaired);
    string text = line;
    for (int i = 1; i < NumRejectionReasons; i++) {
        snprintf(line, sizeof(line), "  rejected, %-22s %8lld\n", getName((RejectionReason)i), rejections[i]);
        text += line;
    }
    snprintf(line, sizeof(line), "  force evaluations of repairs    %8lld\n", repairEvaluations);
    text += line;
    snprintf(line, sizeof(line), "  force evaluations of guidance   %8lld\n", guidanceEvaluations);
    text += line;
    for (int i = 0; i < NumJumpStages; i++) {
        snprintf(line, sizeof(line), "  %-12s %10.3f s\n", getName((JumpStage)i), seconds[i]);
        text += line;
    }
    return text;
}

} // namespace JumpPlugin
