#include "TimeGrid.h"
#include <stdexcept>

void JumpPlugin::checkTimeGrid(const std::vector<double>& grid, const std::string& sampler) {
    if (grid.size() < 2 || grid.front() != 0 || grid.back() != 1)
        throw std::invalid_argument(sampler + ": the time grid must start with 0 and end with 1.");
    for (size_t step = 1; step < grid.size(); step++)
        if (!(grid[step] > grid[step - 1]))
            throw std::invalid_argument(sampler + ": the times of the grid must rise, but number " +
                                        std::to_string(step) + " does not.");
}
