#ifndef OPENMMJUMP_STAGETIMER_H_
#define OPENMMJUMP_STAGETIMER_H_

#include <chrono>

#include "openmmjump/JumpStatistics.h"

namespace JumpPlugin {

/** Adds the wall time of its life to one stage of a record. */
class StageTimer {
public:
    StageTimer(JumpRecord& record, JumpStage stage) :
        total(record.seconds[(int)stage]), start(std::chrono::steady_clock::now()) {}
    ~StageTimer() { total += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }
    StageTimer(const StageTimer&) = delete;

private:
    double& total;
    std::chrono::steady_clock::time_point start;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_STAGETIMER_H_
