"""What feedback does for sparse deep predictive coding: errors, iterations, denoising.

    python -m benchmarks.feedback runs/sdpc-k0 runs/sdpc-k1

The authors' claims (Boutin et al. 2020, arXiv:2002.00892), measured on the test split: that
feedback lowers the total prediction error, that inference takes fewer iterations, and that it
removes noise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.image_scores import ssim
from benchmarks.protocol.data import read_split
from benchmarks.statistics.arrays import Floats, require
from fdd.commands import arguments_of, command, say
from fdd.errors import FddError, one_line, shown, whole_number
from fdd.files import as_path
from fdd.options import Arg, parse

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.training.model import Model

CODERS = ("sdpc", "sdpc_gan")
"""Baselines that infer sparse maps."""
NOISES = (0.25, 0.5)
"""Standard deviations of the noise, for pixels in [-1, 1]."""
WIDE = 1.96
"""Standard errors on each side of a 95 % interval over images."""


@dataclass(frozen=True)
class Options:
    """Measure runs of baselines.sdpc or baselines.sdpc_gan with feedbacks of several strengths.

    Each row is a run with a strength; the second table has the differences to the first row.
    """

    runs: Annotated[tuple[Path, ...], Arg("RUN", positional=True)] = ()
    """The run folders."""
    k: Annotated[tuple[float, ...], Arg(default="that of each run")] = ()
    """Strengths of the feedback."""
    images: int = 96
    """Test images."""
    iterations: int = 200
    """Most iterations of an inference."""
    tolerance: float = 1e-2
    """An image is inferred when an iteration changes no layer's maps by more than this share."""


def measured(
    model: Model,
    images: NDArray[np.uint8],
    k: float,
    iterations: int = 200,
    tolerance: float = 1e-2,
    seed: int = 0,
) -> dict[str, Floats]:
    """Of each of images [N, S, S, 3] with a feedback of strength k, by name, each [N].

    error 1, error 2 and so on: half the squared error with which each layer predicts what is below;
    error: their sum; iterations: until the maps stand still; active 1 and so on: the share of each
    layer's maps that is not 0; hoyer 1 and so on: their sparsity (Hoyer 2004), from 0 for maps that
    are the same everywhere to 1 for a single number; ssim 0: that of the reconstruction with the
    image; ssim 0.25 and ssim 0.5: the same where noise of that standard deviation was added.
    """
    import torch

    from baselines.sdpc import infer
    from baselines.training.data import to_images, to_tensor

    network: Any = getattr(model.network, "coder", model.network)
    layers = network.layers()

    def inferred(pixels: Any) -> Any:
        return infer(network.centred(pixels), layers, k, iterations, tolerance)

    pixels = to_tensor(images, network.mean.device)
    found: dict[str, Floats] = {}
    with torch.no_grad():
        clear = inferred(pixels)
        below = network.centred(pixels)
        for i, (maps, layer) in enumerate(zip(clear.maps, layers, strict=True), 1):
            apart = (below - layer.predict(maps)).square().flatten(1).sum(1) / 2
            found[f"error {i}"] = apart.double().cpu().numpy()
            found[f"active {i}"] = (maps > 0).double().flatten(1).mean(1).cpu().numpy()
            found[f"hoyer {i}"] = hoyer(maps.double().flatten(1)).cpu().numpy()
            below = layer.gain * maps
        errors = [value for name, value in found.items() if name.startswith("error")]
        found["error"] = np.sum(errors, axis=0)
        found["iterations"] = clear.iterations.double().cpu().numpy()
        found["ssim 0"] = ssim(to_images(network.reconstruct(clear.maps)), images)
        for noise in NOISES:
            rng = torch.Generator().manual_seed(seed)
            noisy = pixels + noise * torch.randn(pixels.shape, generator=rng).to(pixels)
            made = network.reconstruct(inferred(noisy).maps)
            found[f"ssim {noise:g}"] = ssim(to_images(made), images)
    return found


def hoyer(rows: Tensor) -> Tensor:
    """Hoyer's sparsity of each row of numbers [N, n]: (sqrt(n) - |x|_1 / |x|_2) / (sqrt(n) - 1),
    [N]; 1 for a row of zeros."""
    root = rows.shape[1] ** 0.5
    ratio = rows.abs().sum(1) / rows.norm(dim=1).clamp(min=1e-12)
    return ((root - ratio) / (root - 1)).clamp(max=1)


def table(rows: dict[str, dict[str, Floats]]) -> str:
    """Markdown: the means of each row; then the mean differences to the first row, image by image,
    with their 95 % intervals over images."""
    first = next(iter(rows.values()))
    lines = [["", *first]]
    lines += [[name, *(f"{row[c].mean():.4g}" for c in first)] for name, row in rows.items()]
    parts = [_lines(lines)]
    if len(rows) > 1:
        apart = [["difference to the first", *first]]
        for name, row in list(rows.items())[1:]:
            apart.append([name, *(_interval(row[c] - first[c]) for c in first)])
        parts.append(_lines(apart))
    return "\n\n".join(parts)


def _interval(values: Floats) -> str:
    middle, half = values.mean(), WIDE * values.std(ddof=1) / len(values) ** 0.5
    return f"{middle:.3g} ({middle - half:.3g} to {middle + half:.3g})"


def _lines(cells: list[list[str]]) -> str:
    rule = ["---"] * len(cells[0])
    return "\n".join(f"| {' | '.join(line)} |" for line in [cells[0], rule, *cells[1:]])


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    options = parse(Options, arguments_of(argv), "python -m benchmarks.feedback")
    require("torch")
    from baselines import load_run

    if not options.runs:
        raise FddError("name one or more run folders of baselines.sdpc")
    for name, value in [*(("k", k) for k in options.k), ("tolerance", options.tolerance)]:
        if not 0 <= value < np.inf:
            raise FddError(f"{name}={value} must be a finite number of 0 or more")
    iterations = whole_number("iterations", options.iterations, 1)
    count = whole_number("images", options.images, 2, 2**20)
    models = {}
    for folder in options.runs:
        model = load_run(as_path("run", folder), "cpu")
        if (told := model.config["baseline"]) not in CODERS:
            raise FddError(
                f"run {shown(folder)} is one of {told}; it must be one of {' or '.join(CODERS)}"
            )
        models[one_line(str(folder))] = model
    rows = {}
    for name, model in models.items():
        images, _ = read_split(model.config["version"], "test", model.image_size, count, "images")
        for k in options.k or (float(model.config["k"]),):
            found = measured(model, images, k, iterations, options.tolerance)
            rows[f"{name}, k = {k:g}"] = found
    say(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
