#ifndef OPENMMJUMP_WRAPPERS_NETWORKBINDINGS_H_
#define OPENMMJUMP_WRAPPERS_NETWORKBINDINGS_H_

#include "openmmjump/network/sampling/CounterNoise.h"
#include "openmmjump/network/sampling/JumpInputs.h"
#include "openmmjump/network/sampling/TensorNoise.h"
#include <memory>
#include <optional>
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/extension.h>
#include <variant>
#include <vector>

namespace JumpPlugin {

// What the bindings of the families share.

/**
 * The part of openmmjump._network that belongs to a family: an object of this class in the family's `...Bindings.cpp`.
 * All those files are linked into the module as they are, so none is dropped.
 */
class FamilyBindings {
public:
    using Function = void (*)(pybind11::module& module);
    explicit FamilyBindings(Function bind) { getAll().push_back(bind); }
    static std::vector<Function>& getAll() {
        static std::vector<Function> all;
        return all;
    }
};

using OptionalTensor = std::optional<torch::Tensor>;
/** A number, or one for each molecule. */
using Time = std::variant<double, torch::Tensor>;
/** A Python function of a point and the time. */
using GuidingForce = std::optional<std::function<torch::Tensor(const torch::Tensor&, double)>>;
/** Noise streams, one for each replica, or the numbers of all draws, (draws, N, ...). */
using Noise = std::variant<std::vector<NoiseStream>, torch::Tensor>;
using ReleaseGil = pybind11::call_guard<pybind11::gil_scoped_release>;

inline torch::Tensor orNothing(const OptionalTensor& tensor) {
    return tensor.value_or(torch::Tensor());
}

/**
 * The noise of a jump.
 *
 * @param firstDraw  number of the first of the draws in a tensor: 0, or 1 for a sampler that has no use for number 0
 */
inline std::unique_ptr<NoiseSource> makeNoise(const Noise& noise, int64_t firstDraw = 0) {
    if (const auto* streams = std::get_if<std::vector<NoiseStream>>(&noise))
        return std::make_unique<CounterNoise>(*streams);
    const torch::Tensor& draws = std::get<torch::Tensor>(noise);
    if (firstDraw == 1)
        return std::make_unique<TensorNoise>(torch::Tensor(), draws);
    return std::make_unique<TensorNoise>(draws[0], draws.narrow(0, 1, draws.size(0) - 1));
}

template <class Network>
torch::Tensor toTime(const Network& network, const Time& t) {
    if (const torch::Tensor* tensor = std::get_if<torch::Tensor>(&t))
        return *tensor;
    return torch::full({}, std::get<double>(t), network.options());
}

} // namespace JumpPlugin

#endif /*OPENMMJUMP_WRAPPERS_NETWORKBINDINGS_H_*/
