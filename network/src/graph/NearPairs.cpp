#include "graph/NearPairs.h"
#include <algorithm>
#include <cmath>

using namespace JumpPlugin;

std::vector<NearPairs::Pair> NearPairs::find(const double* positions, const std::vector<int64_t>& atoms,
                                             double radius) {
    std::vector<Entry> entries;
    for (int64_t atom : atoms) {
        Entry entry = {{}, atom};
        for (int axis = 0; axis < 3; axis++)
            entry.cell[axis] = static_cast<int64_t>(std::floor(positions[3 * atom + axis] / radius));
        entries.push_back(entry);
    }
    const auto isBefore = [](const Entry& entry, const Cell& cell) { return entry.cell < cell; };
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.cell < b.cell; });
    std::vector<Pair> pairs;
    const auto addPairs = [&](const Entry& entry, const Cell& first, const Cell& last) {
        auto other = std::lower_bound(entries.begin(), entries.end(), first, isBefore);
        for (; other != entries.end() && other->cell <= last; ++other) {
            if (other->atom <= entry.atom)
                continue;
            double squared = 0;
            for (int axis = 0; axis < 3; axis++) {
                const double difference = positions[3 * entry.atom + axis] - positions[3 * other->atom + axis];
                squared += difference * difference;
            }
            if (squared < radius * radius)
                pairs.push_back({entry.atom, other->atom, squared});
        }
    };
    for (const Entry& entry : entries)
        for (int64_t i = entry.cell[0] - 1; i <= entry.cell[0] + 1; i++)
            for (int64_t j = entry.cell[1] - 1; j <= entry.cell[1] + 1; j++)
                addPairs(entry, {i, j, entry.cell[2] - 1}, {i, j, entry.cell[2] + 1});
    return pairs;
}
