#include "openmmjump/network/sampling/TimeGrid.h"
#include <stdexcept>

std::vector<double> JumpPlugin::makeUniformGrid(int64_t steps) {
    if (steps < 1)
        throw std::invalid_argument("A time grid: the number of steps is " + std::to_string(steps) +
                                    ", but it must be at least 1.");
    std::vector<double> grid;
    for (int64_t step = 0; step <= steps; step++)
        grid.push_back(static_cast<double>(step) / steps);
    return grid;
}

std::vector<double> JumpPlugin::makeDenseGrid(int64_t steps) {
    std::vector<double> grid = makeUniformGrid(steps);
    for (double& t : grid) {
        const double start = 1 - (1 - t) * (1 - t);
        t = start * start;
    }
    return grid;
}

void JumpPlugin::checkTimeGrid(const std::vector<double>& grid, const std::string& sampler) {
    if (grid.size() < 2 || grid.front() != 0 || grid.back() != 1)
        throw std::invalid_argument(sampler + ": the time grid must start with 0 and end with 1.");
    for (size_t step = 1; step < grid.size(); step++)
        if (!(grid[step] > grid[step - 1]))
            throw std::invalid_argument(sampler + ": the times of the grid must rise, but number " +
                                        std::to_string(step) + " does not.");
}
