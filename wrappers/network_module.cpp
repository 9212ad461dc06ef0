/**
 * openmmjump._network: the C++ networks for Python. Training registers their tensors as parameters and calls the same
 * forward passes that a simulation runs. The user's side of it is the package openmmjump.network. What belongs to one
 * family is bound in its own folder.
 */
#include "NetworkBindings.h"
#include "openmmjump/network/ModelFamily.h"
#include "openmmjump/network/files/FileError.h"
#include "openmmjump/network/graph/NeighborGraph.h"
#include "openmmjump/network/model/ModelFile.h"
#include "openmmjump/network/sampling/Sampler.h"
#include "openmmjump/network/sampling/TensorNoise.h"
#include "openmmjump/network/sampling/TimeGrid.h"

namespace py = pybind11;
using namespace JumpPlugin;
using torch::Tensor;

namespace {

void bindAtoms(py::module& module) {
    py::class_<MoleculeBatch>(module, "MoleculeBatch", "The molecules of a batch; see openmmjump.network.Atoms.")
        .def(py::init([](const Tensor& atomType, const Tensor& blockType, const Tensor& bonds,
                         const OptionalTensor& edgeMask, const OptionalTensor& molecule,
                         const OptionalTensor& bondOrder, const OptionalTensor& stereocenters) {
                 return MoleculeBatch(atomType, blockType, bonds, orNothing(edgeMask), orNothing(molecule),
                                      orNothing(bondOrder), orNothing(stereocenters));
             }),
             py::arg("atom_type"), py::arg("block_type"), py::arg("bonds"), py::arg("edge_mask") = py::none(),
             py::arg("molecule") = py::none(), py::arg("bond_order") = py::none(),
             py::arg("stereocenters") = py::none())
        .def("repeat", &MoleculeBatch::repeat, py::arg("copies"), "Several copies of the batch, one after the other.")
        .def_property_readonly("num_atoms", &MoleculeBatch::getNumAtoms)
        .def_property_readonly("num_molecules", &MoleculeBatch::getNumMolecules)
        .def_property_readonly("atom_type", &MoleculeBatch::getAtomType)
        .def_property_readonly("block_type", &MoleculeBatch::getBlockType)
        .def_property_readonly("bonds", &MoleculeBatch::getBonds)
        .def_property_readonly("bond_order", &MoleculeBatch::getBondOrder)
        .def_property_readonly("stereocenters", &MoleculeBatch::getStereocenters)
        .def_property_readonly("edge_mask", &MoleculeBatch::getEdgeMask)
        .def_property_readonly("molecule", &MoleculeBatch::getMolecule)
        .def("has_complete_graph", &MoleculeBatch::hasCompleteGraph, py::arg("k"));
}

void bindGraph(py::module& module) {
    module.def(
        "neighbor_graph",
        [](const MoleculeBatch& batch, const Tensor& positions, int64_t k) {
            auto graph = NeighborGraph::build(batch, positions, k);
            return std::make_pair(graph->edges.clone(), graph->getEdgeBond());
        },
        py::arg("atoms"), py::arg("positions"), py::arg("k"), ReleaseGil(),
        "Edges (2, E), sorted by source and centre (row 0 sources, row 1 centres), and their bond flags (E).");
}

void bindNoise(py::module& module) {
    py::class_<NoiseStream>(module, "NoiseStream", "Which jump a replica makes: seed, jump number and attempt.")
        .def(py::init([](uint64_t seed, uint64_t jump, uint32_t attempt) { return NoiseStream{seed, jump, attempt}; }),
             py::arg("seed"), py::arg("jump"), py::arg("attempt") = 0);
    module.def(
        "counter_noise",
        [](const std::vector<NoiseStream>& streams, int64_t step,
           const std::variant<int64_t, std::vector<int64_t>>& shape) {
            const auto* whole = std::get_if<std::vector<int64_t>>(&shape);
            return CounterNoise(streams).draw(
                step, whole != nullptr ? *whole : std::vector<int64_t>{std::get<int64_t>(shape), 3},
                torch::TensorOptions(torch::kFloat64));
        },
        py::arg("streams"), py::arg("step"), py::arg("shape"),
        "Noise of a step in double precision; a shape that is a number N means (N, 3).");
    module.def("uniform_grid", &makeUniformGrid, py::arg("steps"));
    module.def("dense_grid", &makeDenseGrid, py::arg("steps"));
}

const ModelFamily& findFamily(const std::string& name) {
    const ModelFamily* family = ModelFamily::find(name);
    if (family == nullptr)
        throw std::invalid_argument("There is no family of models named '" + name + "'.");
    return *family;
}

void bindSettings(py::module& module) {
    static const char* const sections[] = {"architecture", "sampler", "model"};
    py::class_<Setting>(module, "Setting", "A setting of a family of networks: the one description of it.")
        .def_readonly("key", &Setting::key)
        .def_property_readonly("section",
                               [](const Setting& setting) { return sections[static_cast<size_t>(setting.section)]; })
        .def_property_readonly("kind", &Setting::getKind)
        .def_readonly("default", &Setting::defaultValue)
        .def_property_readonly("low", [](const Setting& setting) { return setting.limits.low; })
        .def_property_readonly("high", [](const Setting& setting) { return setting.limits.high; })
        .def_property_readonly("low_open", [](const Setting& setting) { return setting.limits.lowIsOpen; })
        .def_readonly("words", &Setting::words)
        .def_readonly("help", &Setting::help)
        .def_readonly("required", &Setting::required);
}

void bindFamilies(py::module& module) {
    using Traits = ModelFamily::Traits;
    using Family = std::unique_ptr<ModelFamily, py::nodelete>;
    const auto trait = [](auto Traits::*member) {
        return [member](const ModelFamily& family) { return family.getTraits().*member; };
    };
    py::class_<ModelFamily, Family>(module, "ModelFamily", "A family of networks as the engine knows it.")
        .def_property_readonly("name", &ModelFamily::getName)
        .def_property_readonly("settings", &ModelFamily::getSettings)
        .def_property_readonly("small_settings", &ModelFamily::getSmallSettings)
        .def_property_readonly("sampler_type", trait(&Traits::samplerType))
        .def_property_readonly("has_time_grid", trait(&Traits::hasTimeGrid))
        .def_property_readonly("default_steps", trait(&Traits::defaultSteps))
        .def_property_readonly("moves_hydrogens", trait(&Traits::movesHydrogens))
        .def_property_readonly("has_density", trait(&Traits::hasDensity))
        .def_property_readonly("has_energies", trait(&Traits::hasEnergies))
        .def_property_readonly("takes_lag_time", trait(&Traits::takesLagTime))
        .def_property_readonly("takes_temperature", trait(&Traits::takesTemperature))
        .def_property_readonly("is_double_precision", trait(&Traits::isDoublePrecision))
        .def("complete", &ModelFamily::complete, py::arg("config"), "The settings with defaults filled in, checked.")
        .def("list_tensors", &ModelFamily::listTensors, py::arg("config"), "Names and shapes of a network's tensors.")
        .def("initialize", &ModelFamily::initialize, py::arg("config"), py::arg("seed"), "Fresh tensors.")
        .def("knows_atom", &ModelFamily::knowsAtom, py::arg("atomic_number"), py::arg("block_type"))
        .def("make_sampler", &ModelFamily::makeSampler, py::arg("config"), py::arg("tensors"),
             py::arg("time_grid") = std::vector<double>(),
             "The sampler of a network whose tensors do not change any more.");
    module.def("family", &findFamily, py::arg("name"), py::return_value_policy::reference);
    module.def("families", [] {
        std::vector<std::string> names;
        for (const ModelFamily* family : ModelFamily::getAll())
            names.push_back(family->getName());
        return names;
    });
}

void bindSampler(py::module& module) {
    py::class_<Sampler>(module, "Sampler", "A transfer operator that draws conformations.")
        .def_property_readonly("num_draws", &Sampler::getNumDraws)
        .def("noise_shape", &Sampler::getNoiseShape, py::arg("num_atoms"))
        .def(
            "sample",
            [](const Sampler& sampler, const MoleculeBatch& atoms, const Tensor& x0, const Noise& noise,
               const GuidingForce& guidance, bool guidanceAtEndPoint, double lagTime, double temperature) {
                const auto source = makeNoise(noise);
                return sampler.sample(
                    {atoms, x0, *source, {guidance.value_or(nullptr), guidanceAtEndPoint}, lagTime, temperature});
            },
            py::arg("atoms"), py::arg("x0"), py::arg("noise"), py::arg("guidance") = py::none(),
            py::arg("guidance_at_end_point") = false, py::kw_only(), py::arg("lag_time"), py::arg("temperature"),
            ReleaseGil());
}

void bindModelFile(py::module& module) {
    py::register_exception<FileError>(module, "FileError", PyExc_ValueError);
    py::class_<ModelFile>(module, "ModelFile", "A checked model file; see openmmjump.modelfile.")
        .def_static("read", &ModelFile::read, py::arg("path"), ReleaseGil())
        .def_static(
            "from_bytes",
            [](const py::bytes& bytes, const std::string& name) {
                return ModelFile::fromBytes(static_cast<std::string>(bytes), name);
            },
            py::arg("bytes"), py::arg("name"))
        .def_property_readonly("metadata_text", &ModelFile::getMetadataText)
        .def_property_readonly("bytes", [](const ModelFile& file) { return py::bytes(file.getBytes()); })
        .def_property_readonly("num_parameters", &ModelFile::getNumParameters)
        .def_property_readonly("family", [](const ModelFile& file) { return file.getMetadata().family; })
        .def_property_readonly("config", [](const ModelFile& file) { return file.getMetadata().settings; })
        .def_property_readonly("time_grid", [](const ModelFile& file) { return file.getMetadata().timeGrid; })
        .def_property_readonly("guidance_schedule",
                               [](const ModelFile& file) { return file.getMetadata().guidanceSchedule; });
}

} // namespace

PYBIND11_MODULE(_network, module) {
    module.doc() = "The networks of OpenMM-Jump in C++. Use openmmjump.network.";
    bindAtoms(module);
    bindGraph(module);
    bindNoise(module);
    bindSettings(module);
    bindSampler(module);
    bindFamilies(module);
    bindModelFile(module);
    for (const auto bind : FamilyBindings::getAll())
        bind(module);
}
