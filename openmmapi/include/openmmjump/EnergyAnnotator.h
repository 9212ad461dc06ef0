#ifndef OPENMMJUMP_ENERGYANNOTATOR_H_
#define OPENMMJUMP_ENERGYANNOTATOR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmmjump/EnergyLabel.h"
#include "openmmjump/internal/windowsExportJump.h"

namespace OpenMM {
class Context;
}

namespace JumpPlugin {

/**
 * Labels conformations of one molecule with energies: one System, one Context, many conformations. Such labels are what
 * energy-based alignment trains with (Lu et al., "Aligning Protein Conformation Ensemble Generation with Physical
 * Feedback", ICML 2025).
 *
 * Each conformation is minimised, so that it is judged by the basin it lies in and not by a strained bond. There are
 * two ways to minimise:
 *
 * - LocalMinimizer: OpenMM's LocalEnergyMinimizer, as the published labels were made (tolerance 10 kJ/mol/nm). Where it
 *   stops is a matter of chance within some ten kJ/mol for a protein.
 * - Preconditioned (default): a preconditioned L-BFGS minimiser on the surface on which all constraints hold (see
 *   openmmapi/src/ConstrainedMinimizer.h). It takes several times fewer evaluations of the forces and ends lower;
 *   conformations that differ by 1e-4 A get the same label within a few kJ/mol (docs/annotation.md has figures).
 *
 * An annotator holds no state but its Context: a label doesn't depend on what was labelled before, except by rounding.
 */
class OPENMM_EXPORT_JUMP EnergyAnnotator {
public:
    enum Mode : int { LocalMinimizer = 0, Preconditioned = 1 };
    /**
     * Make an annotator on the fastest platform that works. Platforms with a choice of precision compute in mixed.
     *
     * @param system  the System; it is copied
     * @param mode    how to minimise
     * @throws OpenMM::OpenMMException if the System has no particles, or no platform can compute its forces
     */
    explicit EnergyAnnotator(const OpenMM::System& system, Mode mode = Preconditioned);
    /**
     * Make an annotator on a platform of your choice.
     *
     * @param system      the System; it is copied
     * @param mode        how to minimise
     * @param platform    the platform
     * @param properties  platform-specific properties by name. Precision is mixed unless they say double; single is
     *                    refused, because some devices sum the energies of a protein badly in single precision.
     * @throws OpenMM::OpenMMException if the precision is single, or the Context can't be created
     */
    EnergyAnnotator(const OpenMM::System& system, Mode mode, OpenMM::Platform& platform,
                    const std::map<std::string, std::string>& properties = {});
    ~EnergyAnnotator();
    EnergyAnnotator(const EnergyAnnotator&) = delete;
    EnergyAnnotator& operator=(const EnergyAnnotator&) = delete;

    /** How conformations are minimised. */
    Mode getMode() const;
    /** Root-mean-square force at which a minimisation ends, in kJ/mol/nm (default: 10 for LocalMinimizer, 1 for
     * Preconditioned). */
    double getTolerance() const;
    /**
     * Set the root-mean-square force (over components) at which a minimisation ends.
     *
     * @param tolerance  in kJ/mol/nm, above 0
     * @throws OpenMM::OpenMMException if it is not
     */
    void setTolerance(double tolerance);
    /** Largest number of iterations of a minimisation (default: 0, no limit). */
    int getMaxIterations() const;
    /**
     * Set the largest number of iterations of a minimisation; 0 means no limit.
     *
     * @throws OpenMM::OpenMMException if it is negative
     */
    void setMaxIterations(int iterations);
    /** Largest wall time of a minimisation in s (default: 0, no limit). */
    double getMaxSeconds() const;
    /**
     * Set the largest wall time of a minimisation in s; 0 means no limit. It is looked at after each iteration.
     *
     * @throws OpenMM::OpenMMException if it is negative
     */
    void setMaxSeconds(double seconds);
    /** Name of the platform that computes. */
    std::string getPlatformName() const;
    /** "mixed" or "double". Of the platforms without a choice, Reference computes in double, CPU in mixed precision. */
    std::string getPrecision() const;
    /**
     * Label one conformation.
     *
     * @param positions  of all particles, in nm
     * @return the label; a minimisation that was stopped by a limit is no error, its label says so
     * @throws OpenMM::OpenMMException if the number of positions is wrong, one of them is not finite (the message names
     *         the particle), or the energy is not finite before or after the minimisation. The annotator can be
     *         used again afterwards.
     */
    EnergyLabel annotate(const std::vector<OpenMM::Vec3>& positions);
    /**
     * Weights of conformations of one molecule, softmax(-E / (kT sqrt(L))): the weights of energy-based alignment. The
     * square root tames the spread of energies, which grows with the size of a molecule; with L = 1 the weights are
     * Boltzmann's.
     *
     * @param energies     of the conformations, in kJ/mol; NaN where there is none
     * @param temperature  in K, above 0
     * @param residues     L, above 0
     * @return a weight for each conformation; their sum is 1. 0 where there is no energy, and everywhere if there is
     *         none at all.
     * @throws OpenMM::OpenMMException if temperature or residues are not above 0
     */
    static std::vector<double> computeBoltzmannWeights(const std::vector<double>& energies, double temperature,
                                                       int residues = 1);

private:
    class Impl;
    std::unique_ptr<Impl> impl;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_ENERGYANNOTATOR_H_
