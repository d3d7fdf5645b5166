"""Compiling with numba: cached on disk where that is possible, without the interpreter lock."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numba
from numba.core.dispatcher import Dispatcher


def jit(function: Callable[..., Any]) -> Any:
    """`numba.njit` for a whole kernel: cached, releasing the lock, IEEE division."""
    options = {"nogil": True, "error_model": "numpy"}
    if not _can_be_cached(function):
        return numba.njit(**options)(function)
    try:
        kernel = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder can be written: neither beside the source nor the user's cache
        return numba.njit(**options)(function)
    if isinstance(kernel, Dispatcher):  # not where NUMBA_DISABLE_JIT is set
        kernel._cache = _ForgivingCache(kernel._cache)
    return kernel


def _can_be_cached(function: Callable[..., Any]) -> bool:
    """Whether compiled code could be told from older code, and numba would look for a good place.

    Without a source nothing says what the code was compiled from, and without a home folder numba
    makes one that is named ~ in the working folder.
    """
    if str(function.__globals__.get("__file__", "")).endswith(".pyc"):
        return False
    if numba.config.CACHE_DIR or os.path.isabs(os.path.expanduser("~")):
        return True
    folder = Path(function.__code__.co_filename).parent
    cache = folder / "__pycache__"
    return "XDG_CACHE_HOME" in os.environ or os.access(cache if cache.exists() else folder, os.W_OK)


class _ForgivingCache:
    """numba's cache of compiled code, but a full disk or a damaged file only costs the time."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, *arguments: Any) -> Any:
        try:
            return self._cache.load_overload(*arguments)
        except Exception:  # unpickling a damaged file can raise anything
            return None

    def holds(self, signature: Any, codegen: Any) -> bool:
        """Whether code for these types and this processor is listed."""
        try:
            cache = self._cache
            return cache._index_key(signature, codegen) in cache._cache_file._load_index()
        except Exception:  # it is numba's own business how the list is kept
            return False

    def save_overload(self, *arguments: Any) -> None:
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            self._cache.save_overload(*arguments)


def is_compiled(kernel: Any, *arguments: Any) -> bool:
    """Whether a `jit` can be called so without compiling: it was, here or as its cache says."""
    if not isinstance(kernel, Dispatcher):
        return True
    signature = tuple(map(numba.typeof, arguments))
    if signature in kernel.overloads:
        return True
    return isinstance(kernel._cache, _ForgivingCache) and kernel._cache.holds(
        signature, kernel.targetctx.codegen()
    )


def is_cached(kernel: Any) -> bool:
    """Whether another process finds what one compiles for a `jit`."""
    return isinstance(kernel, Dispatcher) and isinstance(kernel._cache, _ForgivingCache)


def source_digest(*names: str) -> str:
    """SHA-256 of modules of fdd, by their paths in it, such as "arithmetic/sines".

    "" where they were installed without their sources; compiled code is not cached then.

    numba keys its cache by the kernel's own file alone; a kernel that closes over this digest is
    compiled anew when a module that it inlines has changed.
    """
    digest = hashlib.sha256()
    for name in names:
        source = files("fdd").joinpath(f"{name}.py")
        if not source.is_file():
            return ""
        digest.update(source.read_bytes())
    return digest.hexdigest()
