"""Where to compute: processors and GPUs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fdd.errors import FddError, missing_extra, shown

if TYPE_CHECKING:
    import torch


def available_threads() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pick_device(name: object) -> torch.device:
    """The device called `name`: "auto", "cpu", "cuda" or "cuda:N". FddError for any other."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("torch", error) from error
    told = name if isinstance(name, str) else ""
    if told == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = told.partition(":")
    if told != "cpu" and (kind != "cuda" or not (index.isdecimal() or told == "cuda")):
        raise FddError(f"device={shown(name)} must be auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise FddError(f"device={shown(name)}, but torch sees {count} CUDA devices here; use cpu")
    return torch.device(told)


def fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies matrices of bfloat16 faster than those of float32.

    GPUs do from compute capability 8.0 on, x86 processors with AVX512_BF16 or AMX. Of others it is
    not known, and said to be false: without such instructions bfloat16 is up to ten times slower.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_capability(device) >= (8, 0)
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    return bool(features.get("avx512bf16") or features.get("amx-bf16"))
