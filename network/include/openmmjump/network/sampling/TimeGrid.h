#ifndef OPENMMJUMP_NETWORK_TIMEGRID_H_
#define OPENMMJUMP_NETWORK_TIMEGRID_H_

#include <cstdint>
#include <string>
#include <vector>

namespace JumpPlugin {

/**
 * Times 0 to 1 of n equal steps.
 *
 * @throws std::invalid_argument for less than one step
 */
std::vector<double> makeUniformGrid(int64_t steps);
/** n steps that are dense at both ends: t = (1 - (1 - u)^2)^2 at n equal steps of u. */
std::vector<double> makeDenseGrid(int64_t steps);
/**
 * @param sampler  what asks, for the message
 * @throws std::invalid_argument for a grid that does not rise from 0 to 1
 */
void checkTimeGrid(const std::vector<double>& grid, const std::string& sampler);

} // namespace JumpPlugin

#endif /*OPENMMJUMP_NETWORK_TIMEGRID_H_*/
