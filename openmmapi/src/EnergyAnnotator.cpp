#include "openmmjump/EnergyAnnotator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>

#include "ConstrainedMinimizer.h"
#include "Coordinates.h"
#include "openmm/Context.h"
#include "openmm/LocalEnergyMinimizer.h"
#include "openmm/NonbondedForce.h"
#include "openmm/OpenMMException.h"
#include "openmm/State.h"
#include "openmm/VerletIntegrator.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/internal/Constants.h"
#include "openmmjump/internal/Superposition.h"

using namespace OpenMM;
using namespace std;

namespace JumpPlugin {

namespace {

using Properties = map<string, string>;

/** Atoms of this mass in Da or more are heavy: all but hydrogens, also where these were given mass of their neighbours.
 */
constexpr double HeavyMass = 5;
constexpr char PrecisionProperty[] = "Precision";

void require(bool condition, const string& message) {
    if (!condition)
        throw OpenMMException("EnergyAnnotator: " + message);
}

bool hasPrecision(const Platform& platform) {
    const vector<string>& names = platform.getPropertyNames();
    return find(names.begin(), names.end(), PrecisionProperty) != names.end();
}

/** The properties with the precision that energies need. */
Properties choosePrecision(const Platform& platform, Properties properties) {
    if (!hasPrecision(platform))
        return properties;
    const string precision = properties.emplace(PrecisionProperty, "mixed").first->second;
    require(precision == "mixed" || precision == "double", "the precision must be mixed or double, not " + precision +
                                                               ", in which energies of proteins may be badly summed");
    return properties;
}

/** All platforms, the fastest first. */
vector<Platform*> rankPlatforms() {
    vector<Platform*> platforms;
    for (int i = 0; i < Platform::getNumPlatforms(); i++)
        platforms.push_back(&Platform::getPlatform(i));
    stable_sort(platforms.begin(), platforms.end(),
                [](const Platform* a, const Platform* b) { return a->getSpeed() > b->getSpeed(); });
    return platforms;
}

/** The force groups that the Forces of a System are in. */
set<int> findGroups(const System& system) {
    set<int> groups;
    for (int i = 0; i < system.getNumForces(); i++) {
        groups.insert(system.getForce(i).getForceGroup());
        auto* nonbonded = dynamic_cast<const NonbondedForce*>(&system.getForce(i));
        if (nonbonded != nullptr && nonbonded->getReciprocalSpaceForceGroup() >= 0)
            groups.insert(nonbonded->getReciprocalSpaceForceGroup());
    }
    return groups;
}

/** Counts the iterations of OpenMM's minimiser and stops it at a limit. */
class IterationCounter : public MinimizationReporter {
public:
    IterationCounter(int maxIterations, double maxSeconds) :
        maxIterations(maxIterations), maxSeconds(maxSeconds), begin(chrono::steady_clock::now()) {}
    bool report(int, const vector<double>&, const vector<double>&, map<string, double>&) override {
        iterations++;
        if (maxIterations > 0 && iterations >= maxIterations)
            outcome = LabelOutcome::IterationLimit;
        else if (maxSeconds > 0 && chrono::duration<double>(chrono::steady_clock::now() - begin).count() >= maxSeconds)
            outcome = LabelOutcome::TimeLimit;
        return outcome != LabelOutcome::Converged;
    }
    int iterations = 0;
    LabelOutcome outcome = LabelOutcome::Converged;

private:
    int maxIterations;
    double maxSeconds;
    chrono::steady_clock::time_point begin;
};

double computeDisplacement(const vector<Vec3>& from, const vector<Vec3>& to) {
    double sum = 0;
    for (size_t i = 0; i < from.size(); i++)
        sum += (to[i] - from[i]).dot(to[i] - from[i]);
    return sqrt(sum / from.size());
}

} // namespace

const char* getName(LabelOutcome outcome) {
    static const char* const names[NumLabelOutcomes] = {"converged", "iteration limit", "time limit", "stalled"};
    return names[static_cast<int>(outcome)];
}

class EnergyAnnotator::Impl {
public:
    Impl(const System& original, Mode mode) : Impl(original, mode, nullptr, {}) {}
    Impl(const System& original, Mode mode, Platform* platform, const Properties& properties) :
        mode(mode), tolerance(mode == LocalMinimizer ? 10 : 1), system(XmlSerializer::clone(original)),
        groups(findGroups(*system)) {
        require(system->getNumParticles() > 0, "the System has no particles");
        if (platform == nullptr)
            createContextAnywhere();
        else
            createContext(*platform, properties);
        minimizer = make_unique<ConstrainedMinimizer>(*context);
        for (int i = 0; i < system->getNumParticles(); i++)
            if (system->getParticleMass(i) >= HeavyMass)
                heavyAtoms.push_back(i);
    }
    EnergyLabel annotate(const vector<Vec3>& positions);
    const Platform& getPlatform() const { return context->getPlatform(); }
    string getPrecision() const {
        Platform& platform = context->getPlatform();
        if (hasPrecision(platform))
            return platform.getPropertyValue(*context, PrecisionProperty);
        return platform.getName() == "Reference" ? "double" : "mixed";
    }

    const Mode mode;
    double tolerance, maxSeconds = 0;
    int maxIterations = 0;

private:
    void createContext(Platform& platform, const Properties& properties);
    void createContextAnywhere();
    void checkPositions(const vector<Vec3>& positions) const;
    map<int, double> computeGroupEnergies();
    void minimizePreconditioned(EnergyLabel& label);
    void minimizeLocally(EnergyLabel& label);
    vector<Vec3> selectHeavyAtoms(const vector<Vec3>& positions) const;

    unique_ptr<System> system;
    unique_ptr<Integrator> integrator; // never stepped; a Context must have one
    unique_ptr<Context> context;
    set<int> groups;
    vector<int> heavyAtoms;
    unique_ptr<ConstrainedMinimizer> minimizer;
};

void EnergyAnnotator::Impl::createContext(Platform& platform, const Properties& properties) {
    integrator = make_unique<VerletIntegrator>(0.001);
    context = make_unique<Context>(*system, *integrator, platform, choosePrecision(platform, properties));
}

void EnergyAnnotator::Impl::createContextAnywhere() {
    string failures;
    for (Platform* platform : rankPlatforms())
        try {
            createContext(*platform, {});
            return;
        } catch (const OpenMMException& error) {
            failures += "; " + platform->getName() + ": " + error.what();
        }
    throw OpenMMException("EnergyAnnotator: no platform can compute the forces of the System" + failures);
}

void EnergyAnnotator::Impl::checkPositions(const vector<Vec3>& positions) const {
    require((int)positions.size() == system->getNumParticles(),
            "the System has " + to_string(system->getNumParticles()) + " particles, but " +
                to_string(positions.size()) + " positions were given");
    for (size_t i = 0; i < positions.size(); i++)
        for (int k = 0; k < 3; k++)
            require(isfinite(positions[i][k]), "the position of particle " + to_string(i) + " is not finite");
}

EnergyLabel EnergyAnnotator::Impl::annotate(const vector<Vec3>& positions) {
    const auto begin = chrono::steady_clock::now();
    checkPositions(positions);
    context->setPositions(positions);
    context->computeVirtualSites();
    EnergyLabel label;
    const State start = context->getState(State::Energy | State::Positions);
    label.initialEnergy = start.getPotentialEnergy();
    require(isfinite(label.initialEnergy), "the potential energy of the conformation is not finite");
    label.initialGroupEnergies = computeGroupEnergies();
    if (mode == Preconditioned)
        minimizePreconditioned(label);
    else
        minimizeLocally(label);
    require(isfinite(label.finalEnergy), "the potential energy is not finite after the minimisation");
    label.finalGroupEnergies = computeGroupEnergies();
    label.positions = context->getState(State::Positions).getPositions();
    label.displacement = computeDisplacement(start.getPositions(), label.positions);
    vector<Vec3> heavyAfter = selectHeavyAtoms(label.positions);
    if (!heavyAfter.empty()) {
        const vector<Vec3> heavyBefore = selectHeavyAtoms(start.getPositions());
        Superposition(heavyAfter, heavyBefore).apply(heavyAfter);
        label.heavyAtomDisplacement = computeDisplacement(heavyBefore, heavyAfter);
    }
    label.seconds = chrono::duration<double>(chrono::steady_clock::now() - begin).count();
    return label;
}

map<int, double> EnergyAnnotator::Impl::computeGroupEnergies() {
    map<int, double> energies;
    for (int group : groups)
        energies[group] = context->getState(State::Energy, false, 1 << group).getPotentialEnergy();
    return energies;
}

void EnergyAnnotator::Impl::minimizePreconditioned(EnergyLabel& label) {
    const ConstrainedMinimizer::Result result = minimizer->minimize({tolerance, maxIterations, maxSeconds});
    label.outcome = result.outcome;
    label.iterations = result.iterations;
    label.evaluations = result.evaluations;
    label.finalEnergy = result.energy;
    label.rmsForce = result.rmsForce;
}

void EnergyAnnotator::Impl::minimizeLocally(EnergyLabel& label) {
    IterationCounter counter(maxIterations, maxSeconds);
    LocalEnergyMinimizer::minimize(*context, tolerance, 0, &counter);
    label.iterations = counter.iterations;
    label.finalEnergy = context->getState(State::Energy).getPotentialEnergy();
    label.rmsForce = minimizer->computeRmsForce();
    label.outcome = counter.outcome;
    // OpenMM doesn't tell whether it gave up.
    if (label.outcome == LabelOutcome::Converged && !(label.rmsForce <= tolerance))
        label.outcome = LabelOutcome::Stalled;
}

vector<Vec3> EnergyAnnotator::Impl::selectHeavyAtoms(const vector<Vec3>& positions) const {
    vector<Vec3> selected;
    for (int atom : heavyAtoms)
        selected.push_back(positions[atom]);
    return selected;
}

EnergyAnnotator::EnergyAnnotator(const System& system, Mode mode) : impl(make_unique<Impl>(system, mode)) {}

EnergyAnnotator::EnergyAnnotator(const System& system, Mode mode, Platform& platform, const Properties& properties) :
    impl(make_unique<Impl>(system, mode, &platform, properties)) {}

EnergyAnnotator::~EnergyAnnotator() = default;

EnergyAnnotator::Mode EnergyAnnotator::getMode() const {
    return impl->mode;
}

double EnergyAnnotator::getTolerance() const {
    return impl->tolerance;
}

void EnergyAnnotator::setTolerance(double tolerance) {
    require(isfinite(tolerance) && tolerance > 0, "the tolerance must be above 0, not " + to_string(tolerance));
    impl->tolerance = tolerance;
}

int EnergyAnnotator::getMaxIterations() const {
    return impl->maxIterations;
}

void EnergyAnnotator::setMaxIterations(int iterations) {
    require(iterations >= 0, "the largest number of iterations cannot be negative");
    impl->maxIterations = iterations;
}

double EnergyAnnotator::getMaxSeconds() const {
    return impl->maxSeconds;
}

void EnergyAnnotator::setMaxSeconds(double seconds) {
    require(seconds >= 0, "the largest wall time cannot be negative");
    impl->maxSeconds = seconds;
}

string EnergyAnnotator::getPlatformName() const {
    return impl->getPlatform().getName();
}

string EnergyAnnotator::getPrecision() const {
    return impl->getPrecision();
}

EnergyLabel EnergyAnnotator::annotate(const vector<Vec3>& positions) {
    return impl->annotate(positions);
}

vector<double> EnergyAnnotator::computeBoltzmannWeights(const vector<double>& energies, double temperature,
                                                        int residues) {
    require(isfinite(temperature) && temperature > 0 && residues > 0,
            "temperature and residues must be above 0, not " + to_string(temperature) + " and " + to_string(residues));
    double lowest = numeric_limits<double>::infinity(), sum = 0;
    for (double energy : energies)
        if (isfinite(energy))
            lowest = min(lowest, energy);
    vector<double> weights(energies.size(), 0.0);
    for (size_t i = 0; i < energies.size(); i++)
        if (isfinite(energies[i]))
            sum += weights[i] = exp((lowest - energies[i]) / (BOLTZ * temperature * sqrt(residues)));
    for (double& weight : weights)
        if (sum > 0)
            weight /= sum;
    return weights;
}

} // namespace JumpPlugin
