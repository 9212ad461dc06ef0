#include "NetworkBindings.h"
#include "openmmjump/network/families/pvb/AdjointMatching.h"
#include "openmmjump/network/families/pvb/BridgeLoss.h"
#include "openmmjump/network/families/pvb/BridgeSampler.h"
#include "openmmjump/network/families/pvb/SymmetricBridge.h"
#include "openmmjump/network/sampling/TensorNoise.h"

namespace py = pybind11;
using namespace JumpPlugin;
using torch::Tensor;

namespace {

void bindNetwork(py::module& module) {
    using Network = PvbNetwork;
    py::class_<Network, std::shared_ptr<Network>>(module, "PvbNetwork", "The C++ network; see openmmjump.network.PVB.")
        .def(py::init([](const SettingValues& config, const TensorMap& tensors) {
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
}

void bindSampler(py::module& module) {
    module.def(
        "jump_pvb",
        [](std::shared_ptr<PvbNetwork> network, const MoleculeBatch& atoms, const Tensor& x0, const Noise& noise,
           const std::vector<double>& timeGrid, bool ode, const GuidingForce& guidance, bool guidanceAtEndPoint,
           bool allStates) {
            BridgeSampler sampler(network, timeGrid, ode ? BridgeSampler::Dynamics::Ode : BridgeSampler::Dynamics::Sde);
            const auto source = makeNoise(noise);
            const JumpInputs inputs{atoms, x0, *source, {guidance.value_or(nullptr), guidanceAtEndPoint}};
            return allStates ? sampler.sampleStates(inputs) : sampler.sample(inputs);
        },
        py::arg("network"), py::arg("atoms"), py::arg("x0"), py::arg("noise"),
        py::arg("time_grid") = std::vector<double>(), py::arg("ode") = false, py::arg("guidance") = py::none(),
        py::arg("guidance_at_end_point") = false, py::arg("all_states") = true, ReleaseGil());
}

void bindSymmetricBridge(py::module& module) {
    module.def(
        "internal_coordinates",
        [](const MoleculeBatch& atoms, const Tensor& x) {
            const InternalCoordinates coordinates(atoms, 0);
            std::vector<std::pair<int, std::array<int64_t, 4>>> list;
            for (const auto& each : coordinates.getCoordinates())
                list.emplace_back(static_cast<int>(each.kind), each.atoms);
            return std::make_pair(list, coordinates.computeDerivatives(x));
        },
        py::arg("atoms"), py::arg("x"),
        "Kinds (0 bond, 1 angle, 2 improper, 3 stiff and 4 soft torsion) and atoms of the internal coordinates of the "
        "first molecule, and their derivatives (coordinates, 3 N).");
    py::class_<SymmetricBridge>(module, "SymmetricBridge", "A bridge whose path has a density both ways.")
        .def(py::init([](std::shared_ptr<PvbNetwork> network, const std::vector<double>& timeGrid, double bond,
                         double angle, double improper, double stiffTorsion, double softTorsion, double anything,
                         double rotation) {
                 return SymmetricBridge(network, timeGrid,
                                        {{bond, angle, improper, stiffTorsion, softTorsion, anything}, rotation});
             }),
             py::arg("network"), py::arg("time_grid"), py::kw_only(), py::arg("bond") = CoordinateWidths().bond,
             py::arg("angle") = CoordinateWidths().angle, py::arg("improper") = CoordinateWidths().improper,
             py::arg("stiff_torsion") = CoordinateWidths().stiffTorsion,
             py::arg("soft_torsion") = CoordinateWidths().softTorsion,
             py::arg("anything") = CoordinateWidths().anything,
             py::arg("rotation") = SymmetricBridge::Settings().rotationWidth)
        .def_static("make_grid", &SymmetricBridge::makeGrid, py::arg("steps"), py::arg("power"))
        .def(
            "draw",
            [](const SymmetricBridge& bridge, const MoleculeBatch& atoms, const Tensor& x, const Noise& noise) {
                const auto source = makeNoise(noise);
                const SymmetricBridge::Path path = bridge.draw({atoms, x, *source});
                return std::make_pair(path.points, path.logDensity);
            },
            py::arg("atoms"), py::arg("x"), py::arg("noise"), ReleaseGil(),
            "Points (steps + 1, N, 3) of a path from x, in A, and the logarithms of the density of each molecule's "
            "part.")
        .def("log_density", &SymmetricBridge::computeLogDensity, py::arg("atoms"), py::arg("points"), ReleaseGil(),
             "The logarithms of the density of each molecule's part of a path, given its first point.");
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

const FamilyBindings bindings([](py::module& module) {
    bindNetwork(module);
    bindSampler(module);
    bindSymmetricBridge(module);
    bindTraining(module);
});

} // namespace
