#ifndef OPENMMJUMP_NETWORK_TORCH_H_
#define OPENMMJUMP_NETWORK_TORCH_H_

/**
 * The part of LibTorch this library uses. Including <torch/torch.h> instead would triple the compile time.
 */
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#endif /*OPENMMJUMP_NETWORK_TORCH_H_*/
