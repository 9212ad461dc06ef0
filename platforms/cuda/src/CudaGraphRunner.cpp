#include "CudaGraphRunner.h"

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <iostream>

using torch::Tensor;

namespace JumpPlugin {

namespace {

/** Calls before the recording: libraries allocate their workspaces, and the network its tables, at the first one. */
constexpr int WarmUpCalls = 2;

bool sameKind(const Tensor& a, const Tensor& b) {
    return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && a.device() == b.device();
}

} // namespace

Tensor CudaGraphRunner::run(const Function& sampler, const Tensor& x0, const Tensor& noise) {
    if (recordable && !fits(x0, noise))
        record(sampler, x0, noise);
    if (!recordable)
        return sampler(x0, noise);
    this->x0.copy_(x0);
    this->noise.copy_(noise);
    graph->replay();
    return result.clone(); // the next replay writes to the same place
}

bool CudaGraphRunner::fits(const Tensor& x0, const Tensor& noise) const {
    return graph != nullptr && sameKind(this->x0, x0) && sameKind(this->noise, noise);
}

void CudaGraphRunner::record(const Function& sampler, const Tensor& x0, const Tensor& noise) {
    graph = nullptr;
    this->x0 = x0.clone();
    this->noise = noise.clone();
    const c10::cuda::CUDAStream before = c10::cuda::getCurrentCUDAStream();
    before.synchronize();                                                   // the copies are made on that stream
    const c10::cuda::CUDAStreamGuard guard(c10::cuda::getStreamFromPool()); // the default stream can't be recorded
    try {
        for (int call = 0; call < WarmUpCalls; call++)
            result = sampler(this->x0, this->noise);
        c10::cuda::getCurrentCUDAStream().synchronize();
        graph = std::make_unique<at::cuda::CUDAGraph>();
        // Only this thread's calls may spoil the recording: other threads may run Contexts of their own.
        graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
        result = sampler(this->x0, this->noise);
        graph->capture_end();
    } catch (const c10::Error& error) {
        graph = nullptr;
        recordable = false;
        std::cerr << "OpenMM-Jump: the sampler can't be recorded as a CUDA graph and runs without: "
                  << error.what_without_backtrace() << std::endl;
    }
}

} // namespace JumpPlugin
