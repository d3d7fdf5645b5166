"""The first images of a machine: drawn without compiled code, while another process compiles it.

numba takes ten seconds for the kernel, once per machine; the reference draws an image in one or
two. So a small call is drawn by the reference, to the same bytes, and the kernel is compiled beside
it into numba's cache, where later calls and later processes find it. That process ends with ours.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from fdd.attractors import reference
from fdd.attractors.families import FAMILIES
from fdd.progress import progress_bar
from fdd.rendering import shading
from fdd.rendering.drawing import Drawing

MOST_POINTS = 300_000
"""Points that one process draws by the reference at most, all calls together: seven seconds."""

_OWN_FAMILIES = frozenset(FAMILIES)
"""Another process knows no family that was declared in this one."""

_lock = threading.Lock()
_drawn = 0
_compiling: Any = None
"""The process that compiles, once there is one."""


def draws(drawing: Drawing, rows: int, cached: bool = True) -> bool:
    """Whether a call of `rows` rows, for which no code is compiled yet, is drawn by the reference.

    If so, another process begins to compile, where this one finds what it compiled (`cached`).
    """
    global _drawn, _compiling
    points = rows * drawing.points
    if multiprocessing.parent_process() is not None:
        return False  # a worker has more to do than one image
    with _lock:
        if points == 0 or _drawn + points > MOST_POINTS:
            return False
        _drawn += points
        if cached and _compiling is None and drawing.family in _OWN_FAMILIES and sys.executable:
            _compiling = _start(drawing)
            atexit.register(_stop, _compiling)
    return True


def _start(drawing: Drawing) -> Any:
    program = (
        "from fdd.rendering import cpu, uncompiled\n"
        f"uncompiled.end_with({os.getpid()})\n"
        f"cpu.compile_for({drawing.family!r}, {drawing.size}, {drawing.points})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _stop(process: Any) -> None:
    process.kill()
    process.wait()


def end_with(parent: int) -> None:
    """Ends this process soon after its parent, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def wait() -> None:
    """Waits for the process that compiles, if there is one, and says so."""
    process = _compiling
    if process is not None and process.poll() is None:
        with announced() as line:
            while process.poll() is None:
                time.sleep(0.05)
                line.update(0)


def announced() -> Any:
    """A line on a terminal that says why it takes so long, while it lasts."""
    text = "compiling the renderer, once on this machine"
    return progress_bar(desc=text, bar_format="{desc}: {elapsed}", disable=None, leave=False)


def render_by_reference(drawing: Drawing, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `fdd.rendering.cpu.render_cpu`, some twenty thousand times as slowly for many rows."""
    images = np.full((len(params), *drawing.shape), drawing.empty, drawing.kind)
    degenerate = np.zeros(len(params), bool)
    for row, vector in enumerate(params):
        counts = counts_by_reference(drawing, vector)
        if counts is None:
            degenerate[row] = True
        else:
            images[row] = _shaded(drawing, counts)
    return images, degenerate


def counts_by_reference(drawing: Drawing, vector: np.ndarray) -> np.ndarray | None:
    """Counts uint32 [size, size] of one row; None if it is degenerate."""
    orbit = reference.orbit(FAMILIES[drawing.family], tuple(vector.tolist()), drawing.points)
    return reference.counts(orbit, drawing.size)


def _shaded(drawing: Drawing, counts: np.ndarray) -> np.ndarray:
    """One image of its counts."""
    if drawing.output == "counts":
        return counts
    pixels = shading.paint_by_numpy(counts.ravel(), drawing.colours, drawing.channels)
    return pixels.reshape(drawing.shape)
