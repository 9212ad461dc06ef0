#ifndef OPENMMJUMP_NETWORK_TIMEGRID_H_
#define OPENMMJUMP_NETWORK_TIMEGRID_H_

#include <cstdint>
#include <string>
#include <vector>

namespace JumpPlugin {

/** Times 0 to 1 of n equal steps. */
inline std::vector<double> makeUniformGrid(int64_t steps) {
    std::vector<double> grid;
    for (int64_t step = 0; step <= steps; step++)
        grid.push_back(static_cast<double>(step) / steps);
    return grid;
}

/**
 * @param sampler  what asks, for the message
 * @throws std::invalid_argument for a grid that does not rise from 0 to 1
 */
void checkTimeGrid(const std::vector<double>& grid, const std::string& sampler);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_TIMEGRID_H_*/
