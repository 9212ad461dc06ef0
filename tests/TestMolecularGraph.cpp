#include "openmmjump/MolecularGraph.h"

#include <gtest/gtest.h>

#include <functional>

#include "Molecules.h"
#include "WalkModel.h"
#include "openmm/OpenMMException.h"
#include "openmm/VirtualSite.h"
#include "openmmjump/JumpModel.h"

using namespace JumpTests;
using OpenMM::OpenMMException;
using OpenMM::System;

namespace {

/** The call must raise an OpenMMException with this text in one sentence. */
void expectFault(const std::function<void()>& call, const std::string& text) {
    try {
        call();
        FAIL() << "no exception, expected: " << text;
    } catch (const OpenMMException& e) {
        EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
        EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
    }
}

/** A chain of carbons, particles 0 to n-1. */
MolecularGraph makeChain(int numAtoms) {
    MolecularGraph graph;
    for (int i = 0; i < numAtoms; i++)
        graph.addAtom(i, 6);
    for (int i = 1; i < numAtoms; i++)
        graph.addBond(i - 1, i);
    return graph;
}

/** Methanol: particles C O H H H H; the last hydrogen is the hydroxyl's. */
MolecularGraph makeMethanol() {
    MolecularGraph graph;
    int c = graph.addAtom(0, 6), o = graph.addAtom(1, 8);
    graph.addBond(c, o);
    for (int h = 2; h < 5; h++)
        graph.addRidingAtom(h, c);
    graph.addRidingAtom(5, o);
    return graph;
}

void addMethanol(System& system) {
    for (double mass : {12.0, 16.0, 1.0, 1.0, 1.0, 1.0})
        system.addParticle(mass);
    for (int h = 2; h < 5; h++)
        system.addConstraint(0, h, 0.109);
    system.addConstraint(1, 5, 0.096);
}

TEST(MolecularGraph, KeepsWhatIsAdded) {
    MolecularGraph graph;
    EXPECT_EQ(graph.addAtom(7, 6), 0);
    EXPECT_EQ(graph.addAtom(5, 8, 119, true), 1);
    EXPECT_EQ(graph.addAtom(6, 118), 2);
    EXPECT_EQ(graph.addAtom(8, 1), 3);
    EXPECT_EQ(graph.getAtom(0).blockType, 5);
    EXPECT_FALSE(graph.getAtom(0).ligand);
    EXPECT_EQ(graph.getAtom(1).particle, 5);
    EXPECT_EQ(graph.getAtom(1).atomicNumber, 8);
    EXPECT_EQ(graph.getAtom(1).blockType, 119);
    EXPECT_TRUE(graph.getAtom(1).ligand);
    EXPECT_EQ(graph.getAtom(2).blockType, 117);
    EXPECT_EQ(graph.addBond(1, 0, 2), 0);
    EXPECT_EQ(graph.getBond(0).atom1, 1);
    EXPECT_EQ(graph.getBond(0).order, 2);
    EXPECT_EQ(graph.getNeighbors(0), std::vector<int>{1});
    EXPECT_EQ(graph.addStereocenter(0, 3, 2, 1), 0);
    EXPECT_EQ(graph.getStereocenter(0).atoms, (std::array<int, 4>{0, 3, 2, 1}));
    graph.addBond(1, 2);
    graph.addBond(2, 3);
    EXPECT_EQ(graph.addStereoBond(0, 1, 2, 3), 0);
    EXPECT_EQ(graph.getStereoBond(0).atoms, (std::array<int, 4>{0, 1, 2, 3}));
    EXPECT_EQ(graph.addRidingAtom(0, 1, 0, 2, MolecularGraph::Bisector), 0);
    EXPECT_EQ(graph.getRidingAtom(0).reference2, 2);
    EXPECT_EQ(graph.getNumAtoms(), 4);
    EXPECT_EQ(graph.getNumBonds(), 3);
    EXPECT_EQ(graph.getNumStereocenters(), 1);
    EXPECT_EQ(graph.getNumStereoBonds(), 1);
    EXPECT_EQ(graph.getNumRidingAtoms(), 1);
}

TEST(MolecularGraph, RefusesWrongAtoms) {
    MolecularGraph graph = makeMethanol();
    expectFault([&] { graph.addAtom(-1, 6); }, "particle index -1 is negative");
    expectFault([&] { graph.addAtom(0, 6); }, "particle 0 was added before");
    expectFault([&] { graph.addAtom(5, 6); }, "particle 5 was added before");
    expectFault([&] { graph.addAtom(9, 0); }, "atomic number 0 of particle 9");
    expectFault([&] { graph.addAtom(9, 119); }, "atomic number 119");
    expectFault([&] { graph.addAtom(9, 6, 138); }, "block type 138 of particle 9");
    expectFault([&] { graph.addAtom(9, 6, -2); }, "block type -2");
    EXPECT_EQ(graph.getNumAtoms(), 2);
}

TEST(MolecularGraph, RefusesWrongBondsAndHandedness) {
    MolecularGraph graph = makeChain(4);
    expectFault([&] { graph.addBond(1, 0); }, "between model atoms 1 and 0 was added before");
    expectFault([&] { graph.addBond(2, 2); }, "bonded to itself");
    expectFault([&] { graph.addBond(0, 4); }, "model atom 4, but the graph has 4");
    expectFault([&] { graph.addBond(-1, 0); }, "model atom -1");
    expectFault([&] { graph.addBond(0, 2, 4); }, "bond order 4");
    expectFault([&] { graph.addStereocenter(0, 1, 2, 1); }, "model atom 1 occurs twice");
    expectFault([&] { graph.addStereocenter(0, 1, 2, 9); }, "model atom 9");
    expectFault([&] { graph.addStereoBond(0, 1, 2, 1); }, "model atom 1 occurs twice in a stereo bond");
    expectFault([&] { graph.addStereoBond(0, 1, 2, 4); }, "a stereo bond refers to model atom 4");
    expectFault([&] { graph.addStereoBond(0, 2, 1, 3); }, "model atoms 0 and 2 of a stereo bond are not bonded");
    expectFault([&] { graph.addStereoBond(0, 1, 3, 2); }, "model atoms 1 and 3 of a stereo bond are not bonded");
    expectFault([&] { graph.addStereoBond(1, 2, 3, 0); }, "model atoms 3 and 0 of a stereo bond are not bonded");
    expectFault([&] { graph.getStereoBond(0); }, "no stereo bond 0");
    expectFault([&] { graph.getAtom(4); }, "no model atom 4");
    expectFault([&] { graph.getBond(-1); }, "no bond -1");
    EXPECT_EQ(graph.getNumBonds(), 3);
}

TEST(MolecularGraph, RefusesWrongRidingAtoms) {
    MolecularGraph graph = makeChain(3);
    expectFault([&] { graph.addRidingAtom(1, 0); }, "particle 1 was added before");
    expectFault([&] { graph.addRidingAtom(9, 3); }, "model atom 3");
    expectFault([&] { graph.addRidingAtom(9, 0, 1, -1, MolecularGraph::Axis); }, "model atom -1");
    expectFault([&] { graph.addRidingAtom(9, 0, 1, 1, MolecularGraph::Axis); }, "must be different");
    expectFault([&] { graph.addRidingAtom(9, 0, 0, -1, MolecularGraph::Direction); }, "must be different");
    expectFault([&] { graph.addRidingAtom(9, 0, 1, 2, MolecularGraph::Direction); }, "does not use");
    expectFault([&] { graph.addRidingAtom(9, 0, 1, -1, MolecularGraph::Translation); }, "does not use");
    expectFault([&] { graph.addRidingAtom(9, 0, 1, 2, (MolecularGraph::FrameType)4); }, "frame type 4");
    graph.addRidingAtom(9, 0);
    expectFault([&] { graph.addRidingAtom(9, 1); }, "particle 9 was added before");
}

TEST(MolecularGraph, ChoosesFrames) {
    MolecularGraph chain = makeChain(3);
    const auto& end = chain.getRidingAtom(chain.addRidingAtom(10, 0));
    EXPECT_EQ(end.frame, MolecularGraph::Axis);
    EXPECT_EQ(end.reference1, 1);
    EXPECT_EQ(end.reference2, 2);
    const auto& middle = chain.getRidingAtom(chain.addRidingAtom(11, 1));
    EXPECT_EQ(middle.frame, MolecularGraph::Bisector);
    EXPECT_EQ(middle.reference1, 0);
    EXPECT_EQ(middle.reference2, 2);
    MolecularGraph pair = makeMethanol();
    EXPECT_EQ(pair.getRidingAtom(0).frame, MolecularGraph::Direction);
    EXPECT_EQ(pair.getRidingAtom(0).reference1, 1);
    EXPECT_EQ(pair.getRidingAtom(0).reference2, -1);
    MolecularGraph single;
    single.addAtom(0, 8);
    single.addRidingAtom(1, 0);
    EXPECT_EQ(single.getRidingAtom(0).frame, MolecularGraph::Translation);
    EXPECT_EQ(single.getRidingAtom(0).reference1, -1);
}

TEST(MolecularGraph, FindsMolecules) {
    MolecularGraph graph;
    for (int i = 0; i < 6; i++)
        graph.addAtom(i, 6);
    graph.addBond(4, 2);
    graph.addBond(5, 0);
    graph.addBond(0, 3);
    EXPECT_EQ(graph.getMolecules(), (std::vector<int>{0, 1, 2, 0, 2, 0}));
    EXPECT_TRUE(MolecularGraph().getMolecules().empty());
}

TEST(MolecularGraph, AcceptsConstrainedHydrogens) {
    System system;
    addMethanol(system);
    addMethanol(system); // a second molecule that is not in the graph, with its constraints
    makeMethanol().validate(system);
}

TEST(MolecularGraph, AcceptsConstraintsBetweenRidersOfOneParent) {
    System system;
    addMethanol(system);
    system.addConstraint(2, 3, 0.178);
    makeMethanol().validate(system);
}

/** Methanol, all of whose atoms are model atoms. */
MolecularGraph makeWholeMethanol() {
    MolecularGraph graph;
    for (int element : {6, 8, 1, 1, 1, 1})
        graph.addAtom(graph.getNumAtoms(), element);
    for (int atom : {1, 2, 3, 4})
        graph.addBond(0, atom);
    graph.addBond(5, 1);
    return graph;
}

TEST(MolecularGraph, AcceptsConstrainedBondsToHydrogensItMoves) {
    System system;
    addMethanol(system);
    makeWholeMethanol().validate(system);
    for (const auto& [particle1, particle2] : {std::pair(0, 1), std::pair(2, 3), std::pair(0, 5)}) {
        System rigid;
        addMethanol(rigid);
        rigid.addConstraint(particle1, particle2, 0.15);
        expectFault([&] { makeWholeMethanol().validate(rigid); },
                    "joins two model atoms that are not a heavy atom and its hydrogen");
    }
}

TEST(MolecularGraph, AcceptsVirtualSitesAsRiders) {
    System system;
    addMethanol(system);
    system.addParticle(0);
    system.setVirtualSite(6, new OpenMM::TwoParticleAverageSite(0, 1, 1.2, -0.2));
    MolecularGraph graph = makeMethanol();
    graph.addRidingAtom(6, 0);
    graph.validate(system);
}

TEST(MolecularGraph, RefusesParticlesTheSystemDoesNotHave) {
    System system;
    for (int i = 0; i < 5; i++)
        system.addParticle(12);
    MolecularGraph graph = makeMethanol();
    expectFault([&] { graph.validate(system); }, "riding atom 3 is particle 5, but the System has only 5 particles");
    expectFault([&] { graph.validate(System()); }, "model atom 0 is particle 0");
    expectFault([&] { MolecularGraph().validate(system); }, "no model atoms");
}

TEST(MolecularGraph, RefusesParticlesThatCannotMove) {
    MolecularGraph graph = makeMethanol();
    System fixed;
    for (double mass : {12.0, 0.0, 1.0, 1.0, 1.0, 1.0})
        fixed.addParticle(mass);
    expectFault([&] { graph.validate(fixed); }, "model atom 1 (particle 1) has no mass");
    fixed.setVirtualSite(1, new OpenMM::TwoParticleAverageSite(0, 2, 0.5, 0.5));
    expectFault([&] { graph.validate(fixed); }, "model atom 1 (particle 1) is a virtual site");
    System fixedHydrogen;
    for (double mass : {12.0, 16.0, 1.0, 0.0, 1.0, 1.0})
        fixedHydrogen.addParticle(mass);
    expectFault([&] { graph.validate(fixedHydrogen); }, "riding atom 1 (particle 3) has no mass and is not a virtual");
}

TEST(MolecularGraph, RefusesConstraintsThatAJumpWouldBreak) {
    auto expectRefused = [](int particle1, int particle2, const std::string& text) {
        System system;
        addMethanol(system);
        system.addParticle(12); // particle 6 is not in the graph
        system.addConstraint(particle1, particle2, 0.1);
        expectFault([&] { makeMethanol().validate(system); }, text);
    };
    expectRefused(0, 1, "the constraint between particles 0 and 1 joins two model atoms");
    expectRefused(5, 0, "the constraint between particles 5 and 0 joins a riding atom to an atom it does not ride on");
    expectRefused(2, 5, "joins a riding atom to an atom it does not ride on");
    expectRefused(1, 6, "joins the graph to a particle outside it, so a jump would break it: add particle 6");
    expectRefused(6, 2, "add particle 6 as a riding atom");
}

TEST(MolecularGraph, AcceptsForceFieldSystems) {
    for (std::string name : {"alanine-dipeptide", "chignolin"}) {
        auto system = loadSystem(name);
        MolecularGraph graph = makeGraph(*system);
        graph.validate(*system);
        EXPECT_EQ(graph.getNumAtoms() + graph.getNumRidingAtoms(), system->getNumParticles());
        EXPECT_EQ(graph.getNumStereoBonds(), name == "chignolin" ? 9 : 2); // the peptide bonds
        for (int molecule : graph.getMolecules())
            EXPECT_EQ(molecule, 0);
    }
}

TEST(MolecularGraph, RefusesAtomsTheModelWasNotTrainedFor) {
    const auto file = JumpPlugin::ModelFile::fromBytes(WalkModel().getBytes(), "walk");
    auto makeModel = [&](std::vector<std::pair<int, int>> vocabulary) {
        auto metadata = file.getMetadata();
        metadata.vocabulary = vocabulary;
        return JumpPlugin::JumpModel::fromBytes(
            JumpPlugin::ModelFile::fromParts(metadata, file.getTensors()).getBytes());
    };
    System system;
    addMethanol(system);
    makeMethanol().validate(system, JumpPlugin::JumpModel::fromBytes(file.getBytes()));
    makeMethanol().validate(system, makeModel({{6, 5}, {8, 7}}));
    expectFault([&] { makeMethanol().validate(system, makeModel({{6, 5}, {8, 119}})); },
                "the model 'walk' was not trained for model atom 1 (particle 1): atomic number 8, block type 7");
    expectFault([&] { makeMethanol().validate(System(), makeModel({{6, 5}})); }, "model atom 0 is particle 0");
}

} // namespace
