"""The processes of a data-parallel run, as torchrun starts them."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist


class Processes:
    """This process among those of the run; a single process needs no torch.distributed.

    Attributes:
        rank, world: number of this process, and how many there are.
        device: where it computes.
    """

    def __init__(self, device: str = "auto", threads: int = 1):
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        use_cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if use_cuda else torch.device("cpu")
        torch.set_num_threads(threads)
        if use_cuda:
            torch.cuda.set_device(self.device)
        self.opened = self.world > 1 and not dist.is_initialized()
        if self.opened:
            dist.init_process_group("nccl" if use_cuda else "gloo")

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def parallel(self, module: torch.nn.Module) -> torch.nn.Module:
        """The module with gradients averaged over all processes.

        The loss must be computed by calling what is returned, not the module within: only that call prepares the
        exchange (the published training code calls a method of the module itself, and its gradients stay apart).
        """
        if self.world == 1:
            return module
        devices = [self.device.index] if self.device.type == "cuda" else None
        # Parts of a network that a stage doesn't train (another head, say) get no gradient.
        return torch.nn.parallel.DistributedDataParallel(module, device_ids=devices, find_unused_parameters=True)

    def any(self, flag: bool) -> bool:
        """Whether the flag is raised in any process."""
        if self.world == 1:
            return flag
        value = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return bool(value.item())

    def share(self, value: Any) -> Any:
        """What the first process passes, in all processes."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Return when all processes have come here."""
        if self.world > 1:
            dist.barrier()

    def close(self) -> None:
        """Leave the group."""
        if self.opened:
            dist.destroy_process_group()
