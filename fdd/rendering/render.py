"""`render`: parameters to counts or images, exact; and parameters that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from fdd.attractors.families import FAMILIES
from fdd.attractors.params import Params, checked_params, uniform_params
from fdd.defaults import with_defaults
from fdd.errors import FddError, known, whole_number
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import checked_drawing

if TYPE_CHECKING:
    import torch

Output = Literal["rgb", "gray", "counts"]
DEVICES = ("cpu", "cuda")


@overload
def render(  # type: ignore[overload-overlap]
    params: Params,
    output: Output = ...,
    size: int = ...,
    points: int = ...,
    palette: str = ...,
    device: Literal["cpu"] = ...,
    threads: int | None = ...,
    family: str = ...,
    memory: int | None = ...,
) -> np.ndarray: ...
@overload
def render(
    params: Params,
    output: Output = ...,
    size: int = ...,
    points: int = ...,
    palette: str = ...,
    *,
    device: str,
    threads: int | None = ...,
    family: str = ...,
    memory: int | None = ...,
) -> torch.Tensor: ...
def render(
    params: Params,
    output: Output = "rgb",
    size: int = 128,
    points: int = 60000,
    palette: str = "kbc",
    device: str = "cpu",
    threads: int | None = None,
    family: str = "fractal_dream",
    memory: int | None = None,
) -> np.ndarray | torch.Tensor:
    """Draws attractors, exact to the byte whatever the batch, the threads or the processor.

    Parameters
    ----------
    params : float array [N, P] or [P], DataFrame or dict of columns
        Rows of the family's parameters within its ranges; for the Fractal Dream P is 6: (x0, y0, a,
        b, c, d), x0 and y0 in [-1, 1], the others in [-3, 3]. Columns with names (of a DataFrame,
        of one of its rows, of a dict) are matched by name, in any order; each parameter must be
        there once and nothing else. Columns numbered by integers count as an array.
    output : "rgb", "gray" or "counts"
        Palette colours on white, ink on white paper (see `fdd.rendering.shading.gray`), or visits
        to each cell.
    size : int
        Width and height in pixels, 2 to 4096.
    points : int
        Points of the trajectory, the starting point counted, 1 to 2^32 - 1 (2^31 - 1 on CUDA).
    palette : "kbc", "inferno" or "viridis"
        Colours of the output "rgb".
    device : "cpu", "cuda" or "cuda:N"
        Where to render. On CUDA the same bytes come as a torch tensor on that device, in the order
        of torch's current stream; this needs the extra `cuda`.
    threads : int, optional
        CPU only; by default one for each processor that this process may use.
    family : str
        The attractor: a name in `fdd.families`, where its equation, parameters and ranges are.
    memory : int, optional
        CUDA only: bytes that may be used besides the result; by default half of what is free.

    Returns
    -------
    array, or on CUDA torch.Tensor
        uint8 [N, size, size, 3], uint8 [N, size, size] or uint32 [N, size, size]; without the
        first axis if `params` is one row. Row 0 is the top of the image, where y is largest. torch
        has no `max`, `>` or `+` for uint32; on CUDA every count fits int32, so
        `counts.view(torch.int32)` has the same numbers.

    Raises
    ------
    FddError
        An argument out of its range, columns with other names, or degenerate parameters: an orbit
        that is constant in x or in y, leaves the finite numbers or exceeds the family's `argument`
        has no image. A device that is not there.
    """
    drawing = checked_drawing(family, size, points, output, palette)
    cuda = isinstance(device, str) and device.startswith("cuda")
    if not cuda:
        known("device", device, DEVICES)
    if threads is not None:
        threads = whole_number("threads", threads, 1)
    attractor = FAMILIES[family]
    array = checked_params(params, attractor)
    rows = array.reshape(-1, array.shape[-1])
    images: np.ndarray | torch.Tensor
    if cuda:
        from fdd.rendering.cuda import render_cuda

        images, degenerate = render_cuda(drawing, rows, device, memory)
    else:
        images, degenerate = render_cpu(drawing, rows, threads)
    if degenerate.any():
        from fdd.arithmetic.sines import NARROW

        row = int(degenerate.argmax())
        wild = "" if 0 < attractor.argument <= NARROW else ", or not finite,"
        raise FddError(
            f"params row {row}, {tuple(rows[row].tolist())}, is degenerate: its orbit of "
            f"{drawing.points} points is constant in x or in y{wild} and has no image"
        )
    return images if array.ndim == 2 else images[0]


@with_defaults
def imaged_params(
    n: int, family: str = "fractal_dream", seed: int = 0, points: int = 60000
) -> np.ndarray:
    """The first n rows of `fdd.uniform_params` that have an image of `points`: float64 [n, P].

    `fdd.render` draws each of them; it refuses the others, whose orbits are constant in x or in y
    or leave every bound. Raises FddError for an unknown family, or unless n is a whole number from
    0 to 10^8, seed one of at least 0 and points one that `fdd.render` takes.
    """
    smallest = checked_drawing(family, size=2, points=points, output="counts")
    n = whole_number("n", n, 0, 10**8)
    found = uniform_params(0, family, seed)
    start = 0
    while len(found) < n:
        rows = uniform_params(start + 2 * n, family, seed)[start:]
        start += 2 * n
        _, degenerate = render_cpu(smallest, rows)
        found = np.concatenate([found, rows[~degenerate]])
    return found[:n]
