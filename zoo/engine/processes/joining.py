# SPDX-License-Identifier: Apache-2.0
"""Run several processes without CUDA: gloo replaces what mmengine's launcher does on GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.engine.processes.launched import count_processes, rank_in
from zoo.engine.processes.meeting import met_store

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn

__all__ = ["join_processes", "unwrap_model"]


def join_processes(config: Config) -> None:
    """Join the processes of a run, if none of them has a GPU.

    mmengine picks a CUDA device for each of them unconditionally. So the group is created before
    the Runner, which then finds it, and the model is wrapped without a device number. Nothing is
    changed with CUDA, or if the config chooses a backend.

    Args:
        config: Its ``launcher`` and ``env_cfg`` are read; ``model_wrapper_cfg`` is set.
    """
    import torch
    from torch import distributed

    stated = config.get("env_cfg", {}).get("dist_cfg", {}).get("backend", "nccl")
    if config.launcher == "none" or torch.cuda.is_available() or stated not in ("nccl", "gloo"):
        return
    if not distributed.is_initialized():
        rank = {"rank": rank_in(config.launcher), "world_size": count_processes(config.launcher)}
        # Of this attempt alone: gloo would find the addresses of an earlier one.
        store = met_store()
        distributed.init_process_group("gloo", **({"store": store, **rank} if store else {}))
    unused = config.get("find_unused_parameters", False)
    wrapper = {
        "type": "MMDistributedDataParallel",
        "device_ids": None,
        "broadcast_buffers": False,
        "find_unused_parameters": unused,
    }
    config.setdefault("model_wrapper_cfg", wrapper)


def unwrap_model(model: nn.Module) -> nn.Module:
    """Return the model inside the wrapper of a distributed run, or the model itself.

    Args:
        model: As mmengine's Runner holds it.
    """
    from mmengine.model import is_model_wrapper

    inner: nn.Module = model.module if is_model_wrapper(model) else model  # type: ignore[assignment]
    return inner
