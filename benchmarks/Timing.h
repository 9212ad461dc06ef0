#ifndef OPENMMJUMP_BENCHMARKS_TIMING_H_
#define OPENMMJUMP_BENCHMARKS_TIMING_H_

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

namespace JumpPlugin {

/** Wall time of an action in seconds. */
inline double secondsOf(const std::function<void()>& action) {
    const auto start = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
}

} // namespace JumpPlugin

#endif // OPENMMJUMP_BENCHMARKS_TIMING_H_
