"""numpy, torch, matplotlib and the processor as a new process has them, whatever was set before."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fdd.errors import missing_extra

P = ParamSpec("P")
R = TypeVar("R")

_ENVIRONMENT = ctypes.c_char * 512
"""More than the floating-point environment of any processor takes."""


@functools.cache
def _floating_point() -> tuple[Any, Any, Any]:
    """C's fegetenv and fesetenv, and what stands for the defaults; Nones where they are not."""
    try:
        library = ctypes.CDLL(None)
        get, put = library.fegetenv, library.fesetenv
        if sys.platform == "darwin":
            default = ctypes.c_char.in_dll(library, "_FE_DFL_ENV")
            return get, put, ctypes.c_void_p(ctypes.addressof(default))
        return get, put, ctypes.c_void_p(-1)
    except (AttributeError, OSError, TypeError, ValueError):
        return None, None, None


@contextlib.contextmanager
def _exact() -> Iterator[None]:
    """Inside, the processor rounds to nearest and keeps tiny numbers, as IEEE 754 has it.

    `torch.set_flush_denormal`, and libraries that were compiled with -ffast-math, change that.
    Threads that are started inside have it too.
    """
    get, put, default = _floating_point()
    if get is None:
        yield
        return
    before = _ENVIRONMENT()
    get(before)
    put(default)
    try:
        yield
    finally:
        put(before)


@contextlib.contextmanager
def _of_torch() -> Iterator[None]:
    """Inside, torch makes float32 on the CPU unless it is told otherwise."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_device"):
        yield
        return
    kind, place = torch.get_default_dtype(), torch.get_default_device()
    with contextlib.ExitStack() as stack:
        if kind != torch.float32:
            torch.set_default_dtype(torch.float32)
            stack.callback(torch.set_default_dtype, kind)
        if place.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


@contextlib.contextmanager
def defaults() -> Iterator[None]:
    """Inside, numpy, torch and the processor compute as they do in a new process."""
    errors = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
    with _exact(), np.errstate(**errors), _of_torch():  # type: ignore[arg-type]
        yield


def matplotlib() -> Any:
    """The package, though $MPLBACKEND names what is no backend: files are drawn without one."""
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    wanted = os.environ.pop("MPLBACKEND", None)
    try:
        package = importlib.import_module("matplotlib")
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    with contextlib.suppress(ValueError):
        if wanted:  # as the package does it itself
            package.rcParams["backend"] = wanted
    return package


def styled(style: dict[str, Any]) -> contextlib.AbstractContextManager[None]:
    """Inside, matplotlib draws by its own defaults and this style, whatever matplotlibrc says."""
    try:
        matplotlib()
    except ImportError as error:
        raise missing_extra("benchmarks", error) from error
    found: contextlib.AbstractContextManager[None] = importlib.import_module(
        "matplotlib.style"
    ).context(["default", style])
    return found


def with_defaults(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose calls run in `defaults`."""

    @functools.wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        with defaults():
            return function(*arguments, **options)

    return call
