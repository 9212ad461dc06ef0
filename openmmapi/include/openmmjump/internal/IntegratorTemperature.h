#ifndef OPENMMJUMP_INTEGRATORTEMPERATURE_H_
#define OPENMMJUMP_INTEGRATORTEMPERATURE_H_

#include <optional>

#include "openmm/Integrator.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace JumpPlugin {

/**
 * What the stochastic Integrators of OpenMM have in common without a common class: temperature, friction and seed. An
 * Integrator without them is left alone.
 */
class OPENMM_EXPORT_JUMP IntegratorTemperature {
public:
    explicit IntegratorTemperature(OpenMM::Integrator& integrator) : integrator(integrator) {}
    /**
     * In K; empty if the Integrator has none. Of a NoseHooverIntegrator that of its first chain, of a CustomIntegrator
     * its global variable kT, over the gas constant.
     */
    std::optional<double> getTemperature() const;
    /** Set the temperature, in K; that of all chains of a NoseHooverIntegrator. */
    void setTemperature(double temperature);
    /** Seed of the random numbers; empty if the Integrator has none. */
    std::optional<int> getRandomNumberSeed() const;
    /** Set the seed of the random numbers. */
    void setRandomNumberSeed(int seed);

private:
    OpenMM::Integrator& integrator;
};

/** Raises the friction of a LangevinMiddleIntegrator for the time of its life. */
class FrictionRaiser {
public:
    /** @param least  in 1/ps */
    FrictionRaiser(OpenMM::Integrator& integrator, double least);
    ~FrictionRaiser();
    FrictionRaiser(const FrictionRaiser&) = delete;
    /** Whether the friction is higher than it was. */
    bool hasRaised() const { return raised; }

private:
    OpenMM::Integrator& integrator;
    double friction; // before, 1/ps
    bool raised;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_INTEGRATORTEMPERATURE_H_
