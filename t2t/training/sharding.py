"""Weights, gradients and moments spread over the processes, and gathered again for a checkpoint.

Each process keeps a slice of every tensor and fetches the rest of a block only while it computes that block
(fully sharded data parallelism, FSDP2 of torch). Slices are float32 and products run under autocast, as
without sharding, so both ways of running give the same losses.

Paper: Rajbhandari et al. 2020, arXiv:1910.02054 (ZeRO, stage 3).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(model: nn.Module, accelerator: Accelerator, *, block_names: set[str]) -> nn.Module:
    """Shard a model in place: a group for each block, and one for all that lies outside of blocks.

    Args:
        model: the same weights in every process.
        block_names: class names of the blocks, `_no_split_modules` of a model of transformers.
    """
    # Mixed precision of Accelerate, without the wrapper that keeps whole copies in step (DDP).
    prepared: nn.Module = accelerator.prepare_model(model, evaluation_mode=True)
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for module in list(prepared.modules()):
        if type(module).__name__ in block_names:
            fully_shard(module, mesh=mesh)
    fully_shard(prepared, mesh=mesh)
    return prepared


def whole(tensor: Tensor) -> Tensor:
    """The tensor that a slice is of; a tensor that is whole stays as it is. Every process must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@contextmanager
def whole_while_used(model: nn.Module) -> Iterator[None]:
    """Let parts of a sharded model be called by themselves, as generation calls encoder and decoder.

    What lies outside of the blocks is fetched for as long as this lasts, and blocks fetch themselves. Every
    process must make the same calls. A model that is not sharded stays as it is.
    """
    if not isinstance(model, FSDPModule):
        yield
        return
    model.unshard()
    try:
        yield
    finally:
        model.reshard()


def slice_like(example: Tensor, tensor: Tensor) -> Tensor:
    """The slice of a whole tensor that belongs with a slice; the tensor itself where that is whole."""
    if not isinstance(example, DTensor):
        return tensor
    # each process has the whole tensor, so none needs to send anything
    return distribute_tensor(
        tensor.to(example.device), example.device_mesh, example.placements, src_data_rank=None
    )


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """The model's state dict with whole tensors on the CPU. Every process must call it.

    Tied weights stay one tensor under several names, so that a writer stores them once.
    """
    gathered: dict[int, Tensor] = {}
    weights = {}
    for name, weight in model.state_dict(keep_vars=True).items():
        if id(weight) not in gathered:
            gathered[id(weight)] = whole(weight.detach()).cpu()
        weights[name] = gathered[id(weight)]
    return weights


def local(tensors: list[Tensor]) -> list[Tensor]:
    """The parts of the tensors that this process holds."""
    return [tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors]


def sum_over_slices(values: Tensor, example: Tensor) -> Tensor:
    """Numbers of each process's slices, added up over all that share `example`; its own where it is whole."""
    if isinstance(example, DTensor):
        torch.distributed.all_reduce(values, group=example.device_mesh.get_group())
    return values
