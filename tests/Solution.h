#ifndef OPENMMJUMP_TESTS_SOLUTION_H_
#define OPENMMJUMP_TESTS_SOLUTION_H_

#include <algorithm>
#include <cmath>
#include <map>

#include "Molecules.h"
#include "OpenMM.h"

namespace JumpTests {

/** A flexible triatomic, twice, among argon in a skewed box that is periodic: OpenMM reorders and wraps its atoms. */
struct Solution {
    OpenMM::System system;
    MolecularGraph graph;
    Positions positions;
    const Vec3 box[3] = {Vec3(3, 0, 0), Vec3(1, 2.9, 0), Vec3(-0.8, 1.1, 2.7)};

    Solution() {
        system.setDefaultPeriodicBoxVectors(box[0], box[1], box[2]);
        auto* bonds = new OpenMM::HarmonicBondForce();
        auto* nonbonded = new OpenMM::NonbondedForce();
        bonds->setUsesPeriodicBoundaryConditions(true);
        nonbonded->setNonbondedMethod(OpenMM::NonbondedForce::CutoffPeriodic);
        nonbonded->setCutoffDistance(0.9);
        system.addForce(bonds);
        system.addForce(nonbonded);
        const Positions places = {Vec3(0.05, 0.1, 0.02), box[0] * 0.95 + box[1] * 0.5 + box[2] * 0.9};
        addArgon(places, *nonbonded);
        for (const Vec3& place : places)
            addMolecule(place, *bonds, *nonbonded);
    }
    /** Put a Context at the start and let it move until OpenMM has sorted its atoms anew. */
    void warmUp(OpenMM::Context& context, OpenMM::Integrator& dynamics, double temperature, int steps) const {
        context.setPositions(positions);
        context.applyConstraints(1e-6);
        context.setVelocitiesToTemperature(temperature, 5);
        dynamics.step(steps);
    }

private:
    double getDistance(const Vec3& a, const Vec3& b) const {
        double shortest = INFINITY;
        for (int i = -1; i <= 1; i++)
            for (int j = -1; j <= 1; j++)
                for (int k = -1; k <= 1; k++)
                    shortest = std::min(shortest, norm(a - b + box[0] * i + box[1] * j + box[2] * k));
        return shortest;
    }
    void addArgon(const Positions& places, OpenMM::NonbondedForce& nonbonded) {
        for (int i = 0; i < 216; i++) {
            const Vec3 place =
                box[0] * ((i % 6 + 0.5) / 6) + box[1] * ((i / 6 % 6 + 0.5) / 6) + box[2] * ((i / 36 + 0.5) / 6);
            if (getDistance(place, places[0]) < 0.5 || getDistance(place, places[1]) < 0.5)
                continue;
            system.addParticle(40.0);
            nonbonded.addParticle(0, 0.34, 1);
            positions.push_back(place);
        }
    }
    void addMolecule(const Vec3& place, OpenMM::HarmonicBondForce& bonds, OpenMM::NonbondedForce& nonbonded) {
        const int first = system.getNumParticles();
        for (const Vec3& offset : {Vec3(0, 0, 0), Vec3(0.15, 0, 0), Vec3(0.05, 0.14, 0), Vec3(0, 0, 0.1)}) {
            const int particle = system.addParticle(12.0);
            nonbonded.addParticle(0, 0.3, 0.5);
            positions.push_back(place + offset);
            if (particle == first + 3) {
                graph.addRidingAtom(particle, atomOf.at(first));
                system.addConstraint(first, particle, 0.1);
            } else
                atomOf[particle] = graph.addAtom(particle, 6);
            for (int other = first; other < particle; other++)
                nonbonded.addException(other, particle, 0, 1, 0);
        }
        for (int end = 1; end <= 2; end++) {
            graph.addBond(atomOf.at(first), atomOf.at(first + end));
            bonds.addBond(first, first + end, 0.15, 1e4);
        }
    }
    std::map<int, int> atomOf;
};

} // namespace JumpTests

#endif // OPENMMJUMP_TESTS_SOLUTION_H_
