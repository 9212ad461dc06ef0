#include "openmmjump/network/families/mixture/MixtureSampler.h"
#include <algorithm>
#include <cmath>
#include <stdexcept>

using namespace JumpPlugin;
using std::string;
using torch::Tensor;

namespace {

[[noreturn]] void fail(const string& sentence) {
    throw std::invalid_argument("MixtureSampler: " + sentence);
}

/** A tensor of the given shape, in double precision. */
Tensor take(const TensorMap& tensors, const string& name, c10::IntArrayRef shape) {
    const auto found = tensors.find(name);
    if (found == tensors.end())
        fail("the tensor '" + name + "' is missing.");
    if (found->second.sizes() != shape)
        fail("the tensor '" + name + "' has the shape " + c10::str(found->second.sizes()) + ", but it must be " +
             c10::str(shape) + ".");
    return found->second.to(torch::kFloat64);
}

} // namespace

MixtureSampler::MixtureSampler(const MixtureConfig& config, const TensorMap& tensors) : config(config) {
    const int64_t K = config.numComponents, N = config.numAtoms;
    if (tensors.size() > 3)
        fail("there are tensors besides 'weights', 'means' and 'cholesky'.");
    Tensor weights = take(tensors, "weights", {K});
    if (!(weights >= 0).all().item<bool>() || !(weights.sum() > 0).item<bool>())
        fail("the weights must not be negative, and one must be above zero.");
    weights = weights / weights.sum();
    means = take(tensors, "means", {K, N, 3}).reshape({K, 3 * N});
    cholesky = take(tensors, "cholesky", {K, 3 * N, 3 * N}).tril();
    const Tensor diagonal = cholesky.diagonal(0, 1, 2);
    if (!(diagonal > 0).all().item<bool>())
        fail("a diagonal of 'cholesky' has a number that is not above zero.");
    cumulative = weights.cumsum(0);
    logNorms = weights.log() - diagonal.log().sum(1) - 1.5 * N * std::log(2 * M_PI);
}

void MixtureSampler::checkBatch(const MoleculeBatch& batch) const {
    const std::vector<int64_t>& start = batch.getMoleculeStart();
    for (int64_t molecule = 0; molecule < batch.getNumMolecules(); molecule++)
        if (start[molecule + 1] - start[molecule] != config.numAtoms)
            fail("the model is for " + std::to_string(config.numAtoms) + " atoms, but there are " +
                 std::to_string(start[molecule + 1] - start[molecule]) + ".");
}

/** Where each component expects the next conformation of a molecule, (K, 3N). */
Tensor MixtureSampler::drift(const Tensor& x0) const {
    return means + config.memory * (x0.to(options()).reshape({1, -1}) - means);
}

Tensor MixtureSampler::sample(const JumpInputs& inputs) const {
    torch::NoGradGuard noGrad;
    checkBatch(inputs.batch);
    if (inputs.guidance.force)
        fail("it takes no steps in which it could be guided.");
    const std::vector<int64_t> shape = getNoiseShape(inputs.batch.getNumAtoms());
    const Tensor kicks = inputs.noise.draw(0, shape, options()), choices = inputs.noise.draw(1, shape, options());
    std::vector<Tensor> result;
    for (int64_t molecule = 0; molecule < inputs.batch.getNumMolecules(); molecule++) {
        const auto rows = [&](const Tensor& all) { return all.narrow(0, molecule * config.numAtoms, config.numAtoms); };
        // A uniform number from a normal one, Phi(z), chooses the component.
        const double z = rows(choices)[0][0].item<double>();
        const double uniform = 0.5 * std::erfc(-z / std::sqrt(2.0));
        const int64_t component = std::min((cumulative <= uniform).sum().item<int64_t>(), config.numComponents - 1);
        const Tensor kick = cholesky[component].matmul(rows(kicks).reshape({-1}));
        result.push_back((drift(rows(inputs.x0))[component] + kick).reshape({config.numAtoms, 3}));
    }
    return torch::cat(result);
}

double MixtureSampler::computeLogDensity(const JumpInputs& inputs, const Tensor& x1) const {
    torch::NoGradGuard noGrad;
    checkBatch(inputs.batch);
    double sum = 0;
    for (int64_t first = 0; first < inputs.batch.getNumAtoms(); first += config.numAtoms) {
        const auto rows = [&](const Tensor& all) { return all.narrow(0, first, config.numAtoms); };
        const Tensor residual = rows(x1).to(options()).reshape({1, -1}) - drift(rows(inputs.x0));
        const Tensor white = torch::linalg_solve_triangular(cholesky, residual.unsqueeze(2), false);
        sum += (logNorms - 0.5 * white.square().sum({1, 2})).logsumexp(0).item<double>();
    }
    return sum;
}
