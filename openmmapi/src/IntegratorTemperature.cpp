#include "openmmjump/internal/IntegratorTemperature.h"

#include "openmm/BrownianIntegrator.h"
#include "openmm/CustomIntegrator.h"
#include "openmm/DPDIntegrator.h"
#include "openmm/LangevinMiddleIntegrator.h"
#include "openmm/NoseHooverIntegrator.h"
#include "openmm/QTBIntegrator.h"
#include "openmmjump/internal/Constants.h"

using namespace OpenMM;

namespace JumpPlugin {

namespace {

/** Call a function with the Integrator in its own class, if it is one of these; false if not. */
template <class... Classes, class Action>
bool visit(Integrator& integrator, const Action& action) {
    const auto attempt = [&](auto* found) {
        if (found != nullptr)
            action(*found);
        return found != nullptr;
    };
    return (attempt(dynamic_cast<Classes*>(&integrator)) || ...);
}

template <class Action>
bool visitThermal(Integrator& integrator, const Action& action) {
    return visit<LangevinMiddleIntegrator, BrownianIntegrator, DPDIntegrator, QTBIntegrator>(integrator, action);
}

/** The place of kT among the global variables of a CustomIntegrator, -1 if it has none. OpenMM's own call it so. */
int findThermalEnergy(const CustomIntegrator& custom) {
    for (int i = 0; i < custom.getNumGlobalVariables(); i++)
        if (custom.getGlobalVariableName(i) == "kT")
            return i;
    return -1;
}

template <class Action>
bool visitSeeded(Integrator& integrator, const Action& action) {
    return visitThermal(integrator, action) || visit<CustomIntegrator>(integrator, action);
}

} // namespace

std::optional<double> IntegratorTemperature::getTemperature() const {
    std::optional<double> temperature;
    if (visitThermal(integrator, [&](auto& found) { temperature = found.getTemperature(); }))
        return temperature;
    if (auto* chains = dynamic_cast<NoseHooverIntegrator*>(&integrator); chains && chains->getNumThermostats() > 0)
        return chains->getTemperature(0);
    if (auto* custom = dynamic_cast<CustomIntegrator*>(&integrator); custom && findThermalEnergy(*custom) != -1)
        return custom->getGlobalVariable(findThermalEnergy(*custom)) / BOLTZ;
    return temperature;
}

void IntegratorTemperature::setTemperature(double temperature) {
    visitThermal(integrator, [&](auto& found) { found.setTemperature(temperature); });
    if (auto* chains = dynamic_cast<NoseHooverIntegrator*>(&integrator))
        for (int i = 0; i < chains->getNumThermostats(); i++)
            chains->setTemperature(temperature, i);
    if (auto* custom = dynamic_cast<CustomIntegrator*>(&integrator); custom && findThermalEnergy(*custom) != -1)
        custom->setGlobalVariable(findThermalEnergy(*custom), BOLTZ * temperature);
}

std::optional<int> IntegratorTemperature::getRandomNumberSeed() const {
    std::optional<int> seed;
    visitSeeded(integrator, [&](auto& found) { seed = found.getRandomNumberSeed(); });
    return seed;
}

void IntegratorTemperature::setRandomNumberSeed(int seed) {
    visitSeeded(integrator, [&](auto& found) { found.setRandomNumberSeed(seed); });
}

FrictionRaiser::FrictionRaiser(Integrator& integrator, double least) :
    integrator(integrator), friction(0), raised(false) {
    visit<LangevinMiddleIntegrator>(integrator, [&](auto& langevin) {
        friction = langevin.getFriction();
        raised = friction < least;
        if (raised)
            langevin.setFriction(least);
    });
}

FrictionRaiser::~FrictionRaiser() {
    visit<LangevinMiddleIntegrator>(integrator, [&](auto& langevin) { langevin.setFriction(friction); });
}

} // namespace JumpPlugin
