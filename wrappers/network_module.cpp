/**
 * openmmjump._network: the C++ networks for Python. Training registers their tensors as parameters and calls the same
 * forward passes that a simulation runs. The user's side of it is the package openmmjump.network.
 */
#include "openmmjump/network/AdjointMatching.h"
#include "openmmjump/network/BridgeLoss.h"
#include "openmmjump/network/BridgeSampler.h"
#include "openmmjump/network/CounterNoise.h"
#include "openmmjump/network/InterpolantSampler.h"
#include "openmmjump/network/PvbNetwork.h"
#include "openmmjump/network/TensorNoise.h"
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/extension.h>

namespace py = pybind11;
using namespace JumpPlugin;
using torch::Tensor;
using OptionalTensor = std::optional<Tensor>;

namespace {

Tensor orNothing(const OptionalTensor& tensor) {
    return tensor.value_or(Tensor());
}

/**
 * A tensor, or a Python number.
 */
template <class Network>
Tensor toTime(const Network& network, const std::variant<double, Tensor>& t) {
    if (const Tensor* tensor = std::get_if<Tensor>(&t))
        return *tensor;
    return torch::full({}, std::get<double>(t), network.options());
}

using Time = std::variant<double, Tensor>;
using ReleaseGil = py::call_guard<py::gil_scoped_release>;

void bindAtoms(py::module& module) {
    py::class_<MoleculeBatch>(module, "MoleculeBatch", "The molecules of a batch; see openmmjump.network.Atoms.")
        .def(py::init([](const Tensor& atomType, const Tensor& blockType, const Tensor& bonds,
                         const OptionalTensor& edgeMask, const OptionalTensor& molecule) {
                 return MoleculeBatch(atomType, blockType, bonds, orNothing(edgeMask), orNothing(molecule));
             }),
             py::arg("atom_type"), py::arg("block_type"), py::arg("bonds"), py::arg("edge_mask") = py::none(),
             py::arg("molecule") = py::none())
        .def("repeat", &MoleculeBatch::repeat, py::arg("copies"), "Several copies of the batch, one after the other.")
        .def_property_readonly("num_atoms", &MoleculeBatch::getNumAtoms)
        .def_property_readonly("num_molecules", &MoleculeBatch::getNumMolecules)
        .def_property_readonly("atom_type", &MoleculeBatch::getAtomType)
        .def_property_readonly("block_type", &MoleculeBatch::getBlockType)
        .def_property_readonly("bonds", &MoleculeBatch::getBonds)
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

void bindNetwork(py::module& module) {
    using Network = PvbNetwork;
    py::class_<Network, std::shared_ptr<Network>>(module, "PvbNetwork", "The C++ network; see openmmjump.network.PVB.")
        .def(py::init([](const PvbConfig::Values& config, const TensorMap& tensors) {
                 return std::make_shared<Network>(PvbConfig::fromValues(config), tensors);
             }),
             py::arg("config"), py::arg("tensors"))
        .def_property("fused", &Network::getFused, &Network::setFused,
                      "Whether fused operations are used, or compositions of plain ones.")
        .def_property_readonly("has_velocity", &Network::hasVelocity)
        .def("log_variance", &Network::logVariance, py::arg("atoms"), py::arg("x0"), ReleaseGil())
        .def(
            "drift",
            [](const Network& network, const MoleculeBatch& atoms, const Time& t, const Tensor& y0, const Tensor& yt) {
                return network.drift(*network.prepare(atoms, y0), toTime(network, t), yt);
            },
            py::arg("atoms"), py::arg("t"), py::arg("y0"), py::arg("yt"), ReleaseGil())
        .def(
            "velocity",
            [](const Network& network, const MoleculeBatch& atoms, const Time& t, const Tensor& y0, const Tensor& yt) {
                return network.velocity(*network.prepare(atoms, y0), toTime(network, t), yt);
            },
            py::arg("atoms"), py::arg("t"), py::arg("y0"), py::arg("yt"), ReleaseGil())
        .def(
            "fields",
            [](const Network& network, const MoleculeBatch& atoms, const Time& t, const Tensor& y0, const Tensor& yt) {
                auto fields = network.fields(*network.prepare(atoms, y0), toTime(network, t), yt);
                return std::make_pair(fields.velocity.defined() ? OptionalTensor(fields.velocity) : OptionalTensor(),
                                      fields.drift);
            },
            py::arg("atoms"), py::arg("t"), py::arg("y0"), py::arg("yt"), ReleaseGil())
        .def(
            "trace",
            [](const Network& network, const MoleculeBatch& atoms, const Tensor& x0, const Time& t, const Tensor& y0,
               const Tensor& yt) {
                TensorMap trace;
                if (network.getConfig().encoder == PvbConfig::Encoder::Learned)
                    network.encode(atoms, x0, &trace);
                network.decode(*network.prepare(atoms, y0), toTime(network, t), yt, &trace);
                return trace;
            },
            py::arg("atoms"), py::arg("x0"), py::arg("t"), py::arg("y0"), py::arg("yt"), ReleaseGil());
    module.def(
        "list_tensors",
        [](const PvbConfig::Values& config) { return Network::listTensors(PvbConfig::fromValues(config)); },
        py::arg("config"), "Names and shapes of the tensors of a network.");
    module.def(
        "initialize",
        [](const PvbConfig::Values& config, uint64_t seed) {
            return Network::initialize(PvbConfig::fromValues(config), seed);
        },
        py::arg("config"), py::arg("seed"), "Fresh tensors.");
    module.def(
        "full_config", [](const PvbConfig::Values& config) { return PvbConfig::fromValues(config).toValues(); },
        py::arg("config"), "The config with defaults filled in, after validation.");
}

std::unique_ptr<NoiseSource> toNoise(const std::pair<Tensor, OptionalTensor>& tensors) {
    return std::make_unique<TensorNoise>(tensors.first, orNothing(tensors.second));
}

/** A Python function of a point and the time. */
using GuidingForce = std::optional<std::function<Tensor(const Tensor&, double)>>;

void bindSampler(py::module& module) {
    py::class_<CounterNoise::Stream>(module, "NoiseStream",
                                     "Which jump a replica makes: seed, jump number and attempt.")
        .def(py::init([](uint64_t seed, uint64_t jump, uint32_t attempt) {
                 return CounterNoise::Stream{seed, jump, attempt};
             }),
             py::arg("seed"), py::arg("jump"), py::arg("attempt") = 0);
    module.def(
        "jump",
        [](std::shared_ptr<PvbNetwork> network, const MoleculeBatch& atoms, const Tensor& x0,
           const std::variant<std::vector<CounterNoise::Stream>, std::pair<Tensor, OptionalTensor>>& noise,
           const std::vector<double>& timeGrid, bool ode, const GuidingForce& guidance, bool guidanceAtEndPoint,
           bool allStates) {
            BridgeSampler sampler(network, timeGrid, ode ? BridgeSampler::Dynamics::Ode : BridgeSampler::Dynamics::Sde);
            std::unique_ptr<NoiseSource> source;
            if (auto streams = std::get_if<std::vector<CounterNoise::Stream>>(&noise))
                source = std::make_unique<CounterNoise>(*streams);
            else
                source = toNoise(std::get<std::pair<Tensor, OptionalTensor>>(noise));
            const Sampler::Guidance force{guidance.value_or(nullptr), guidanceAtEndPoint};
            return allStates ? sampler.sampleStates(atoms, x0, *source, force)
                             : sampler.sample(atoms, x0, *source, force);
        },
        py::arg("network"), py::arg("atoms"), py::arg("x0"), py::arg("noise"),
        py::arg("time_grid") = std::vector<double>(), py::arg("ode") = false, py::arg("guidance") = py::none(),
        py::arg("guidance_at_end_point") = false, py::arg("all_states") = true, ReleaseGil());
    module.def("uniform_grid", &BridgeSampler::uniformGrid, py::arg("steps"));
    module.def("dense_grid", &BridgeSampler::denseGrid, py::arg("steps"));
    module.def(
        "counter_noise",
        [](const std::vector<CounterNoise::Stream>& streams, int64_t step, int64_t numAtoms) {
            return CounterNoise(streams).draw(step, numAtoms, torch::TensorOptions(torch::kFloat64));
        },
        py::arg("streams"), py::arg("step"), py::arg("num_atoms"));
}

void bindTraining(py::module& module) {
    module.def(
        "bridge_loss",
        [](const PvbNetwork& network, const MoleculeBatch& atoms, const Tensor& x0, const Tensor& x1, const Time& t,
           const Tensor& encoderNoise, const Tensor& bridgeNoise, const OptionalTensor& augmentation,
           const OptionalTensor& mask, double klWeight, double bridgeWeight, double velocityWeight,
           double endpointWeightCap) {
            BridgeLoss::Inputs inputs = {
                x0, x1, toTime(network, t), encoderNoise, bridgeNoise, orNothing(augmentation), orNothing(mask)};
            auto parts = BridgeLoss::compute(network, atoms, inputs,
                                             {klWeight, bridgeWeight, velocityWeight, endpointWeightCap});
            return TensorMap{
                {"loss", parts.loss}, {"kl", parts.kl}, {"velocity", parts.velocity}, {"drift", parts.drift}};
        },
        py::arg("network"), py::arg("atoms"), py::arg("x0"), py::arg("x1"), py::arg("t"), py::arg("encoder_noise"),
        py::arg("bridge_noise"), py::arg("augmentation") = py::none(), py::arg("mask") = py::none(),
        py::arg("kl_weight") = 0.8, py::arg("bridge_weight") = 1.0, py::arg("velocity_weight") = 1.0,
        py::arg("endpoint_weight_cap") = 20.0, ReleaseGil());
    module.def("rmsd", &AdjointMatching::rmsd, py::arg("atoms"), py::arg("x"), py::arg("reference"), ReleaseGil());
    module.def("lean_adjoint", &AdjointMatching::leanAdjoint, py::arg("reference"), py::arg("atoms"), py::arg("states"),
               py::arg("time_grid"), py::arg("gradient"), py::arg("last_step"), ReleaseGil());
    module.def(
        "adjoint_loss",
        [](const PvbNetwork& optimized, const PvbNetwork& reference, const MoleculeBatch& atoms, const Tensor& y0,
           double t, const Tensor& y, const Tensor& adjoint, double rewardWeight, const OptionalTensor& mask) {
            return AdjointMatching::loss(optimized, reference, atoms, y0, t, y, adjoint, rewardWeight, orNothing(mask));
        },
        py::arg("optimized"), py::arg("reference"), py::arg("atoms"), py::arg("y0"), py::arg("t"), py::arg("yt"),
        py::arg("adjoint"), py::arg("reward_weight") = 100.0, py::arg("mask") = py::none(), ReleaseGil());
}

/**
 * A method of a UniSim network whose arguments are molecules, a time and positions.
 */
template <class Function>
auto atTime(const Function& function) {
    return [function](const UniSimNetwork& network, const MoleculeBatch& atoms, const Time& t, const Tensor& x) {
        return function(network, atoms, toTime(network, t), x);
    };
}

void bindUniSim(py::module& module) {
    using Network = UniSimNetwork;
    using Batch = MoleculeBatch;
    py::class_<Network, std::shared_ptr<Network>>(module, "UniSimNetwork",
                                                  "The C++ network; see openmmjump.network.UniSim.")
        .def(py::init([](const UniSimConfig::Values& config, const TensorMap& tensors) {
                 return std::make_shared<Network>(UniSimConfig::fromValues(config), tensors);
             }),
             py::arg("config"), py::arg("tensors"))
        .def_property("fused", &Network::getFused, &Network::setFused,
                      "Whether fused operations are used, or compositions of plain ones.")
        .def_property_readonly("sigma", [](const Network& network) { return network.getConfig().sigma(); })
        .def("encode", atTime([](const Network& network, const Batch& atoms, const Tensor& t, const Tensor& x) {
                 auto features = network.encode(atoms, t, x);
                 return std::make_pair(features.scalars, features.vectors);
             }),
             py::arg("atoms"), py::arg("t"), py::arg("x"), ReleaseGil())
        .def(
            "energy",
            [](const Network& network, const Batch& atoms, const Time& t, const Tensor& x, int64_t head) {
                return network.energy(atoms, toTime(network, t), x, head);
            },
            py::arg("atoms"), py::arg("t"), py::arg("x"), py::arg("head"), ReleaseGil())
        .def(
            "force",
            [](const Network& network, const Batch& atoms, const Time& t, const Tensor& x, int64_t head) {
                return network.force(atoms, toTime(network, t), x, head);
            },
            py::arg("atoms"), py::arg("t"), py::arg("x"), py::arg("head"), ReleaseGil())
        .def("fields", atTime([](const Network& network, const Batch& atoms, const Tensor& t, const Tensor& y) {
                 auto fields = network.fields(atoms, t, y);
                 return std::make_pair(fields.velocity, fields.denoiser);
             }),
             py::arg("atoms"), py::arg("t"), py::arg("y"), ReleaseGil())
        .def("guidance_heads", atTime([](const Network& network, const Batch& atoms, const Tensor& t, const Tensor& y) {
                 auto heads = network.guidanceHeads(atoms, t, y);
                 return std::make_tuple(heads.start, heads.end, heads.middle);
             }),
             py::arg("atoms"), py::arg("t"), py::arg("y"), ReleaseGil())
        .def("guidance", atTime([](const Network& network, const Batch& atoms, const Tensor& t, const Tensor& y) {
                 return network.guidance(atoms, t, y);
             }),
             py::arg("atoms"), py::arg("t"), py::arg("y"), ReleaseGil());
    module.def(
        "list_unisim_tensors",
        [](const UniSimConfig::Values& config) { return Network::listTensors(UniSimConfig::fromValues(config)); },
        py::arg("config"), "Names and shapes of the tensors of a network.");
    module.def(
        "initialize_unisim",
        [](const UniSimConfig::Values& config, uint64_t seed) {
            return Network::initialize(UniSimConfig::fromValues(config), seed);
        },
        py::arg("config"), py::arg("seed"), "Fresh tensors.");
    module.def(
        "full_unisim_config",
        [](const UniSimConfig::Values& config) { return UniSimConfig::fromValues(config).toValues(); },
        py::arg("config"), "The config with defaults filled in, after validation.");
}

void bindInterpolant(py::module& module) {
    module.def(
        "jump_unisim",
        [](std::shared_ptr<UniSimNetwork> network, const MoleculeBatch& atoms, const Tensor& x0,
           const std::variant<std::vector<CounterNoise::Stream>, Tensor>& noise, const std::vector<double>& timeGrid,
           const GuidingForce& guidance, bool guidanceAtEndPoint, std::optional<int64_t> maxAtoms, bool allStates) {
            InterpolantSampler sampler(network, timeGrid);
            if (maxAtoms)
                sampler.setMaxAtoms(*maxAtoms);
            std::unique_ptr<NoiseSource> source;
            if (auto streams = std::get_if<std::vector<CounterNoise::Stream>>(&noise))
                source = std::make_unique<CounterNoise>(*streams);
            else
                source = std::make_unique<TensorNoise>(Tensor(), std::get<Tensor>(noise));
            const Sampler::Guidance force{guidance.value_or(nullptr), guidanceAtEndPoint};
            return allStates ? sampler.sampleStates(atoms, x0, *source, force)
                             : sampler.sample(atoms, x0, *source, force);
        },
        py::arg("network"), py::arg("atoms"), py::arg("x0"), py::arg("noise"), py::arg("time_grid"),
        py::arg("guidance") = py::none(), py::arg("guidance_at_end_point") = false, py::arg("max_atoms") = py::none(),
        py::arg("all_states") = true, ReleaseGil());
}

} // namespace

PYBIND11_MODULE(_network, module) {
    module.doc() = "The networks of OpenMM-Jump in C++. Use openmmjump.network.";
    bindAtoms(module);
    bindGraph(module);
    bindNetwork(module);
    bindSampler(module);
    bindTraining(module);
    bindUniSim(module);
    bindInterpolant(module);
}
