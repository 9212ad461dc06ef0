#include "layers/NetworkTensors.h"
#include "openmmjump/network/files/FileError.h"
#include <ATen/CPUGeneratorImpl.h>
#include <cmath>
#include <set>
#include <sstream>
#include <stdexcept>

namespace JumpPlugin {

using torch::Tensor;

namespace {

void checkTensor(const std::string& family, const TensorMap& tensors, const NamedShape& expected) {
    const auto& [name, shape] = expected;
    const Tensor& tensor = tensors.at(name);
    if (!tensor.defined() || tensor.sizes() != at::IntArrayRef(shape))
        throw std::invalid_argument(family + ": the tensor " + name + " has the shape " +
                                    (tensor.defined() ? shapeText(tensor.sizes()) : "of nothing") +
                                    ", but the config asks for " + shapeText(shape) + ".");
    const Tensor& like = tensors.begin()->second;
    if (!tensor.is_floating_point() || tensor.scalar_type() != like.scalar_type() || tensor.device() != like.device())
        throw std::invalid_argument(family + ": the tensor " + name +
                                    " must have the same floating point type and device as " +
                                    FileError::quote(tensors.begin()->first) + ".");
}

} // namespace

void listLinear(std::vector<NamedShape>& list, const std::string& name, int64_t outputs, int64_t inputs) {
    list.push_back({name + ".weight", {outputs, inputs}});
    list.push_back({name + ".bias", {outputs}});
}

void record(TensorMap* trace, const std::string& name, const Tensor& value) {
    if (trace != nullptr)
        (*trace)[name] = value;
}

std::string shapeText(at::IntArrayRef shape) {
    std::ostringstream text;
    text << '(';
    for (size_t axis = 0; axis < shape.size(); axis++)
        text << (axis > 0 ? ", " : "") << shape[axis];
    text << ')';
    return text.str();
}

bool endsWith(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

void checkTensors(const std::string& family, const TensorMap& tensors, const std::vector<NamedShape>& required,
                  const std::vector<NamedShape>& optional) {
    std::set<std::string> known;
    for (const NamedShape& expected : required) {
        if (tensors.count(expected.first) == 0)
            throw std::invalid_argument(family + ": the tensor " + expected.first + " is missing.");
        checkTensor(family, tensors, expected);
        known.insert(expected.first);
    }
    for (const NamedShape& expected : optional)
        if (tensors.count(expected.first) > 0) {
            checkTensor(family, tensors, expected);
            known.insert(expected.first);
        }
    for (const auto& tensor : tensors)
        if (known.count(tensor.first) == 0)
            throw std::invalid_argument(family + ": the tensor " + FileError::quote(tensor.first) +
                                        " does not belong to a network of this config.");
}

TensorMap initializeTensors(const std::vector<NamedShape>& shapes, double cutoff, int64_t rbfDim, uint64_t seed,
                            const std::function<bool(const std::string&)>& isHead) {
    torch::NoGradGuard noGrad;
    c10::InferenceMode noInferenceMode(false);
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    TensorMap result;
    const double first = std::exp(-cutoff), r = static_cast<double>(rbfDim);
    for (const auto& [name, shape] : shapes) {
        Tensor tensor = torch::empty(shape, torch::kFloat32);
        if (endsWith(name, "embedding.weight") || endsWith(name, "expand_embedding"))
            tensor.normal_(0, 1, generator);
        else if (endsWith(name, "distance_expansion.means"))
            tensor = torch::linspace(first, 1, rbfDim);
        else if (endsWith(name, "distance_expansion.betas"))
            tensor.fill_(std::pow(2 / r * (1 - first), -2));
        else if (shape.size() == 2) {
            const double fans = static_cast<double>(shape[0] + shape[1]);
            if (isHead(name))
                tensor.normal_(0, std::sqrt(2 / fans), generator);
            else
                tensor.uniform_(-std::sqrt(6 / fans), std::sqrt(6 / fans), generator);
        } else
            tensor.fill_(endsWith(name, "norm.weight") || endsWith(name, "gamma") ? 1 : 0);
        result[name] = tensor;
    }
    return result;
}

void checkPositions(const std::string& family, const MoleculeBatch& batch, const Tensor& positions,
                    const std::string& name) {
    if (!positions.defined() || positions.dim() != 2 || positions.size(0) != batch.getNumAtoms() ||
        positions.size(1) != 3)
        throw std::invalid_argument(family + ": " + name + " must have the shape (" +
                                    std::to_string(batch.getNumAtoms()) + ", 3), but has " +
                                    (positions.defined() ? shapeText(positions.sizes()) : "none") + ".");
}

void checkTime(const std::string& family, const MoleculeBatch& batch, const Tensor& time) {
    if (time.numel() != 1 && (time.dim() != 1 || time.size(0) != batch.getNumMolecules()))
        throw std::invalid_argument(family + ": t must be one number, or one for each of the " +
                                    std::to_string(batch.getNumMolecules()) + " molecules, but has the shape " +
                                    shapeText(time.sizes()) + ".");
}

Tensor partsFirst(const Tensor& rows, int64_t heads) {
    std::vector<int64_t> shape = {heads, 3, rows.size(0) / (3 * heads)};
    if (rows.dim() == 2)
        shape.push_back(rows.size(1));
    return rows.view(shape).transpose(0, 1).reshape(rows.sizes());
}

Tensor lengths(const Tensor& vectors) {
    const Tensor squared = vectors.square().sum(1);
    const Tensor zero = squared <= 0; // masked_fill, unlike where, takes a number that need not be copied to the device
    return squared.masked_fill(zero, 1).sqrt().masked_fill(zero, 0);
}

} // namespace JumpPlugin
