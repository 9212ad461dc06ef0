#include "NetworkBindings.h"
#include "openmmjump/network/families/unisim/InterpolantSampler.h"
#include "openmmjump/network/sampling/TensorNoise.h"

namespace py = pybind11;
using namespace JumpPlugin;
using torch::Tensor;

namespace {

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
        .def(py::init([](const SettingValues& config, const TensorMap& tensors) {
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
}

void bindInterpolant(py::module& module) {
    module.def(
        "jump_unisim",
        [](std::shared_ptr<UniSimNetwork> network, const MoleculeBatch& atoms, const Tensor& x0, const Noise& noise,
           const std::vector<double>& timeGrid, const GuidingForce& guidance, bool guidanceAtEndPoint,
           std::optional<int64_t> maxAtoms, bool allStates) {
            InterpolantSampler sampler(network, timeGrid);
            if (maxAtoms)
                sampler.setMaxAtoms(*maxAtoms);
            const auto source = makeNoise(noise, 1); // there is no starting point to draw
            const JumpInputs inputs{atoms, x0, *source, {guidance.value_or(nullptr), guidanceAtEndPoint}};
            return allStates ? sampler.sampleStates(inputs) : sampler.sample(inputs);
        },
        py::arg("network"), py::arg("atoms"), py::arg("x0"), py::arg("noise"), py::arg("time_grid"),
        py::arg("guidance") = py::none(), py::arg("guidance_at_end_point") = false, py::arg("max_atoms") = py::none(),
        py::arg("all_states") = true, ReleaseGil());
}

const FamilyBindings bindings([](py::module& module) {
    bindUniSim(module);
    bindInterpolant(module);
});

} // namespace
