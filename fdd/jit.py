"""Compiling with numba: cached on disk where that is possible, without the interpreter lock."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def jit(function: Callable[..., Any]) -> Any:
    """`numba.njit` for a whole kernel: cached, releasing the lock, IEEE division."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        kernel = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder can be written: neither beside the source nor the user's cache
        return numba.njit(**options)(function)
    save = kernel._cache.save_overload

    def save_if_there_is_room(*arguments: Any) -> None:
        with contextlib.suppress(OSError):
            save(*arguments)

    kernel._cache.save_overload = save_if_there_is_room
    return kernel


def source_digest(*names: str) -> str:
    """SHA-256 of modules of this package, by name.

    numba keys its cache by the kernel's own file alone; a kernel that closes over this digest is
    compiled anew when a module that it inlines has changed.
    """
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for name in names:
        digest.update((folder / f"{name}.py").read_bytes())
    return digest.hexdigest()
