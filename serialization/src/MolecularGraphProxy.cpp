#include "openmmjump/serialization/MolecularGraphProxy.h"

#include <array>

#include "openmm/OpenMMException.h"
#include "openmm/serialization/SerializationNode.h"
#include "openmmjump/MolecularGraph.h"

using namespace OpenMM;

namespace JumpPlugin {

namespace {

void writeFourAtoms(SerializationNode& node, const std::array<int, 4>& atoms) {
    node.setIntProperty("atom1", atoms[0])
        .setIntProperty("atom2", atoms[1])
        .setIntProperty("atom3", atoms[2])
        .setIntProperty("atom4", atoms[3]);
}

} // namespace

MolecularGraphProxy::MolecularGraphProxy() : SerializationProxy("MolecularGraph") {}

void MolecularGraphProxy::serialize(const void* object, SerializationNode& node) const {
    node.setIntProperty("version", 1);
    const MolecularGraph& graph = *reinterpret_cast<const MolecularGraph*>(object);
    SerializationNode& atoms = node.createChildNode("Atoms");
    for (int i = 0; i < graph.getNumAtoms(); i++) {
        const MolecularGraph::Atom& atom = graph.getAtom(i);
        atoms.createChildNode("Atom")
            .setIntProperty("particle", atom.particle)
            .setIntProperty("atomicNumber", atom.atomicNumber)
            .setIntProperty("blockType", atom.blockType)
            .setBoolProperty("ligand", atom.ligand);
    }
    SerializationNode& bonds = node.createChildNode("Bonds");
    for (int i = 0; i < graph.getNumBonds(); i++) {
        const MolecularGraph::Bond& bond = graph.getBond(i);
        bonds.createChildNode("Bond")
            .setIntProperty("atom1", bond.atom1)
            .setIntProperty("atom2", bond.atom2)
            .setIntProperty("order", bond.order);
    }
    SerializationNode& centers = node.createChildNode("Stereocenters");
    for (int i = 0; i < graph.getNumStereocenters(); i++)
        writeFourAtoms(centers.createChildNode("Stereocenter"), graph.getStereocenter(i).atoms);
    SerializationNode& stereoBonds = node.createChildNode("StereoBonds");
    for (int i = 0; i < graph.getNumStereoBonds(); i++)
        writeFourAtoms(stereoBonds.createChildNode("StereoBond"), graph.getStereoBond(i).atoms);
    SerializationNode& riders = node.createChildNode("RidingAtoms");
    for (int i = 0; i < graph.getNumRidingAtoms(); i++) {
        const MolecularGraph::RidingAtom& rider = graph.getRidingAtom(i);
        riders.createChildNode("RidingAtom")
            .setIntProperty("particle", rider.particle)
            .setIntProperty("parent", rider.parent)
            .setIntProperty("reference1", rider.reference1)
            .setIntProperty("reference2", rider.reference2)
            .setIntProperty("frame", rider.frame);
    }
}

void* MolecularGraphProxy::deserialize(const SerializationNode& node) const {
    if (node.getIntProperty("version") != 1)
        throw OpenMMException("Unsupported version number");
    MolecularGraph* graph = new MolecularGraph();
    try {
        for (auto& atom : node.getChildNode("Atoms").getChildren())
            graph->addAtom(atom.getIntProperty("particle"), atom.getIntProperty("atomicNumber"),
                           atom.getIntProperty("blockType"), atom.getBoolProperty("ligand"));
        for (auto& bond : node.getChildNode("Bonds").getChildren())
            graph->addBond(bond.getIntProperty("atom1"), bond.getIntProperty("atom2"), bond.getIntProperty("order"));
        for (auto& center : node.getChildNode("Stereocenters").getChildren())
            graph->addStereocenter(center.getIntProperty("atom1"), center.getIntProperty("atom2"),
                                   center.getIntProperty("atom3"), center.getIntProperty("atom4"));
        for (auto& bond : node.getChildNode("StereoBonds").getChildren())
            graph->addStereoBond(bond.getIntProperty("atom1"), bond.getIntProperty("atom2"),
                                 bond.getIntProperty("atom3"), bond.getIntProperty("atom4"));
        for (auto& rider : node.getChildNode("RidingAtoms").getChildren())
            graph->addRidingAtom(rider.getIntProperty("particle"), rider.getIntProperty("parent"),
                                 rider.getIntProperty("reference1"), rider.getIntProperty("reference2"),
                                 (MolecularGraph::FrameType)rider.getIntProperty("frame"));
    } catch (...) {
        delete graph;
        throw;
    }
    return graph;
}

} // namespace JumpPlugin
