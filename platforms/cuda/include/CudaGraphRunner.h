#ifndef OPENMMJUMP_CUDAGRAPHRUNNER_H_
#define OPENMMJUMP_CUDAGRAPHRUNNER_H_

#include <ATen/cuda/CUDAGraph.h>

#include <memory>

#include "openmmjump/network/sampling/SamplerRunner.h"

namespace JumpPlugin {

/**
 * Records the sampling of a jump as a CUDA graph at the first call and replays it from then on: a small network on a
 * GPU spends its time on launches, and a replay is one launch. Recorded anew if shapes change. A sampling that can't be
 * recorded is run as it is.
 */
class CudaGraphRunner : public SamplerRunner {
public:
    void forget() override { graph = nullptr; }
    torch::Tensor run(const Function& sampler, const torch::Tensor& x0, const torch::Tensor& noise) override;

private:
    bool fits(const torch::Tensor& x0, const torch::Tensor& noise) const;
    void record(const Function& sampler, const torch::Tensor& x0, const torch::Tensor& noise);

    std::unique_ptr<at::cuda::CUDAGraph> graph;
    torch::Tensor x0, noise, result; // what the graph reads and writes
    bool recordable = true;
};

} // namespace JumpPlugin

#endif // OPENMMJUMP_CUDAGRAPHRUNNER_H_
