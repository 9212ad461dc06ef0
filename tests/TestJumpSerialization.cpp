#include <gtest/gtest.h>

#include <memory>
#include <sstream>

#include "ChangeSettings.h"
#include "OpenMM.h"
#include "ToyModel.h"
#include "WalkModel.h"
#include "openmm/serialization/XmlSerializer.h"
#include "openmmjump/JumpIntegrator.h"
#include "openmmjump/internal/Base64.h"

using namespace JumpPlugin;
using namespace OpenMM;
using namespace std;

namespace {

MolecularGraph makeGraph() {
    MolecularGraph graph;
    for (int i = 0; i < 5; i++)
        graph.addAtom(2 * i, 6 + i % 3, i == 4 ? 119 : -1, i == 3);
    for (int i = 1; i < 5; i++)
        graph.addBond(0, i, i % 3);
    graph.addStereocenter(0, 1, 2, 3);
    graph.addBond(2, 3);
    graph.addStereoBond(1, 0, 2, 3);
    graph.addRidingAtom(1, 0, 1, 2, MolecularGraph::Bisector);
    graph.addRidingAtom(3, 1, 0, 2, MolecularGraph::Axis);
    graph.addRidingAtom(5, 2, 0, -1, MolecularGraph::Direction);
    graph.addRidingAtom(7, 3, -1, -1, MolecularGraph::Translation);
    return graph;
}

template <class T>
string toXml(const T& object) {
    stringstream stream;
    XmlSerializer::serialize<T>(&object, "Object", stream);
    return stream.str();
}

template <class T>
unique_ptr<T> fromXml(const string& xml) {
    stringstream stream(xml);
    return unique_ptr<T>(XmlSerializer::deserialize<T>(stream));
}

TEST(Base64, RoundTrip) {
    // RFC 4648, section 10
    EXPECT_EQ(encodeBase64(""), "");
    EXPECT_EQ(encodeBase64("f"), "Zg==");
    EXPECT_EQ(encodeBase64("fo"), "Zm8=");
    EXPECT_EQ(encodeBase64("foobar"), "Zm9vYmFy");
    string bytes;
    for (int i = 0; i < 1000; i++) {
        EXPECT_EQ(decodeBase64(encodeBase64(bytes)), bytes);
        bytes += (char)(i * 37);
    }
    for (const string bad : {"Zg=", "Z===", "====", "Zm9*", "Zg==Zg=="})
        EXPECT_THROW(decodeBase64(bad), OpenMMException) << bad;
}

TEST(JumpSerialization, Graph) {
    const MolecularGraph graph = makeGraph();
    const string xml = toXml(graph);
    const unique_ptr<MolecularGraph> copy = fromXml<MolecularGraph>(xml);
    EXPECT_EQ(toXml(*copy), xml);
    EXPECT_EQ(copy->getAtom(4).blockType, 119);
    EXPECT_EQ(copy->getAtom(1).blockType, 6);
    EXPECT_TRUE(copy->getAtom(3).ligand);
    EXPECT_EQ(copy->getBond(1).order, 2);
    EXPECT_EQ(copy->getStereocenter(0).atoms[3], 3);
    EXPECT_EQ(copy->getStereoBond(0).atoms, graph.getStereoBond(0).atoms);
    EXPECT_EQ(copy->getRidingAtom(1).frame, MolecularGraph::Axis);
}

/** Cut out what is between two texts, the first included. */
string cut(string xml, const string& from, const string& to) {
    const size_t first = xml.find(from), last = xml.find(to, first);
    EXPECT_NE(last, string::npos) << from;
    return xml.erase(first, last - first);
}

TEST(JumpSerialization, OtherVersionsAreRefused) {
    const JumpIntegrator integrator(JumpModel::fromBytes(WalkModel().getBytes()), makeGraph(), 300.0, 1.0, 0.002);
    string xml = toXml<Integrator>(integrator);
    const size_t place = xml.find("version=\"2\"");
    ASSERT_NE(place, string::npos);
    xml[place + 9] = '1';
    EXPECT_THROW(fromXml<Integrator>(xml), OpenMMException);
}

TEST(JumpSerialization, PartsOfAGraphMayNotBeMissing) {
    const std::string xml = toXml<MolecularGraph>(makeGraph());
    EXPECT_THROW(fromXml<MolecularGraph>(cut(xml, "<StereoBonds>", "<RidingAtoms>")), OpenMMException);
    EXPECT_THROW(fromXml<MolecularGraph>(cut(xml, "<Stereocenters>", "<StereoBonds>")), OpenMMException);
}

TEST(JumpSerialization, IntegratorWithAllSettings) {
    const JumpModel model = JumpModel::fromBytes(WalkModel().getBytes());
    JumpIntegrator integrator(model, makeGraph(), 310.0, new LangevinMiddleIntegrator(320.0, 2.0, 0.003));
    integrator.setRandomNumberSeed(5);
    dynamic_cast<LangevinMiddleIntegrator&>(integrator.getRelaxationIntegrator()).setRandomNumberSeed(6);
    integrator.setRelaxationSteps(11);
    integrator.setRelaxationFriction(7.5);
    integrator.setMaxAttempts(4);
    change(integrator, &RepairSettings::policy, RepairSettings::Always);
    change(integrator, &RepairSettings::iterations, 17);
    change(integrator, &RepairSettings::tolerance, 3.5);
    change(integrator, &RepairSettings::tetherStrength, 450);
    change(integrator, &SamplerSettings::useDoublePrecision, true);
    change(integrator, &SamplerSettings::useCudaGraphs, true);
    change(integrator, &SamplerSettings::threads, 2);
    integrator.setRecordEnergies(true);
    change(integrator, &SamplerSettings::timeGrid, {0, 0.3, 1});
    integrator.setConstraintTolerance(1e-7);
    integrator.setIntegrationForceGroups(5);
    GateSettings gate;
    gate.checkClashes = gate.checkStereoBonds = gate.checkConstraints = gate.checkEnergy = false;
    gate.maxConstraintError = 0.25;
    gate.maxBondRatio = 1.5;
    gate.maxEnergyIncrease = 12.5;
    integrator.setGateSettings(gate);

    const string xml = toXml<Integrator>(integrator);
    const unique_ptr<Integrator> read = fromXml<Integrator>(xml);
    const auto& copy = dynamic_cast<const JumpIntegrator&>(*read);
    EXPECT_EQ(toXml<Integrator>(copy), xml);
    EXPECT_EQ(copy.getTemperature(), 310.0);
    const auto& langevin = dynamic_cast<const LangevinMiddleIntegrator&>(copy.getRelaxationIntegrator());
    EXPECT_EQ(langevin.getTemperature(), 320.0);
    EXPECT_EQ(langevin.getRandomNumberSeed(), 6);
    EXPECT_EQ(copy.getRandomNumberSeed(), 5);
    EXPECT_EQ(copy.getRelaxationSteps(), 11);
    EXPECT_EQ(copy.getRelaxationFriction(), 7.5);
    EXPECT_EQ(copy.getMaxAttempts(), 4);
    EXPECT_EQ(copy.getRepairSettings().policy, RepairSettings::Always);
    EXPECT_EQ(copy.getRepairSettings().iterations, 17);
    EXPECT_EQ(copy.getRepairSettings().tolerance, 3.5);
    EXPECT_EQ(copy.getRepairSettings().tetherStrength, 450);
    EXPECT_TRUE(copy.getSamplerSettings().useDoublePrecision);
    EXPECT_TRUE(copy.getSamplerSettings().useCudaGraphs);
    EXPECT_EQ(copy.getSamplerSettings().threads, 2);
    EXPECT_TRUE(copy.getRecordEnergies());
    EXPECT_EQ(copy.getTimeGrid(), (vector<double>{0, 0.3, 1}));
    EXPECT_EQ(copy.getConstraintTolerance(), 1e-7);
    EXPECT_EQ(copy.getIntegrationForceGroups(), 5);
    EXPECT_FALSE(copy.getGateSettings().checkClashes);
    EXPECT_TRUE(copy.getGateSettings().checkBonds);
    EXPECT_FALSE(copy.getGateSettings().checkStereoBonds);
    EXPECT_FALSE(copy.getGateSettings().checkConstraints);
    EXPECT_EQ(copy.getGateSettings().maxConstraintError, 0.25);
    EXPECT_EQ(copy.getGateSettings().maxEnergyIncrease, 12.5);
    EXPECT_EQ(copy.getModel().getBytes(), model.getBytes());
}

TEST(JumpSerialization, DamagedXmlIsRefused) {
    JumpIntegrator integrator(JumpModel::fromBytes(WalkModel().getBytes()), makeGraph(), 300.0, 1.0, 0.002);
    string xml = toXml<Integrator>(integrator);
    const size_t data = xml.find("data=\"");
    ASSERT_NE(data, string::npos);
    xml.replace(data + 200, 4, "****");
    EXPECT_THROW(fromXml<Integrator>(xml), OpenMMException);
}

TEST(JumpSerialization, SettingsMayNotBeMissing) {
    JumpIntegrator integrator(JumpModel::fromBytes(WalkModel().getBytes()), makeGraph(), 300.0, 1.0, 0.002);
    const string xml = toXml<Integrator>(integrator);
    for (const string name : {"lagTime", "checkStereoBonds", "maxConstraintError", "recordEnergies", "iterations"}) {
        const size_t begin = xml.find(" " + name + "=\""), end = xml.find("\"", begin + name.size() + 3);
        ASSERT_NE(begin, string::npos) << name;
        EXPECT_THROW(fromXml<Integrator>(xml.substr(0, begin) + xml.substr(end + 1)), OpenMMException) << name;
    }
}

TEST(JumpSerialization, TheLagTimeIsSaved) {
    JumpIntegrator integrator(JumpModel::fromBytes(JumpTests::getToyBytes()), makeGraph(), 300.0, 1.0, 0.002);
    integrator.setRelaxationSteps(500);
    EXPECT_EQ(integrator.getLagTime(), 10);
    integrator.setLagTime(50);
    EXPECT_EQ(integrator.getStepSize(), 51);
    const auto copy = fromXml<Integrator>(toXml<Integrator>(integrator));
    EXPECT_EQ(dynamic_cast<JumpIntegrator&>(*copy).getLagTime(), 50);
    EXPECT_EQ(copy->getStepSize(), 51);
    for (double lag : {0.5, 101.0, std::nan("")})
        EXPECT_THROW(integrator.setLagTime(lag), OpenMMException);
    EXPECT_EQ(integrator.getLagTime(), 50);
}

} // namespace
