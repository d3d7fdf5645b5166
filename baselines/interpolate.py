"""What a trained model generates along a path in its latent space.

Command: `fdd interpolate RUN`. The path leads from code to code, the stations, in legs that are
straight lines or arcs, and is drawn as an animated GIF and as a strip, one still picture. Where the
codes stand for Fractal Dream images, the path of the Fractal Dream itself is drawn beside the
model's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

import fdd
from baselines import load_trained
from baselines.training.pictures import read_pictures
from fdd.commands import arguments_of, command, say
from fdd.data.path import linear
from fdd.errors import FddError, shown, whole_number
from fdd.files import alone_in_part, as_path, atomic_write, not_linked, writing_to
from fdd.options import Arg, parse
from fdd.pictures import grid, resize, save_png
from fdd.releases.cards import Release, release
from fdd.rendering.cpu import render_cpu

if TYPE_CHECKING:
    from baselines.training.data import Images, Params
    from baselines.training.model import Model

Floats = NDArray[np.float64]

PARALLEL = 1e-6
"""Sine of the angle of two codes below which no arc between them is the shortest."""
FRAME_MS = 80
"""Milliseconds that the GIF shows a frame."""
STRIP = 6
"""Pictures of a leg in the strip, at most."""
GAP = 4
"""White pixels around each image."""
LINE, MARGIN = 14, 76
"""Pixels for a line of words above a picture, and for those to its left."""
MODEL, TRUE = "model", "Fractal Dream"


@dataclass(frozen=True)
class Options:
    """Draw what a trained model makes along a path in its latent space, as a GIF and as a strip.

    For runs on Fractal Dream images, --between images also draws what the Fractal Dream makes along
    the straight line of parameters, and tells how similar the two are.
    """

    run: Annotated[Path, Arg("RUN", positional=True)]
    """The folder of a trained run, or the name of a trained model of the package, such as
    mini-emulator."""
    path: Literal["linear", "spherical"] = "linear"
    """How to go from one code to the next: on a straight line, or on an arc around 0 (slerp). A
    line passes nearer to 0 than most codes of N(0, 1) lie, an arc does not."""
    between: Literal["codes", "images"] = "codes"
    """Where the path leads: through codes drawn from N(0, 1), or through the codes of images of the
    test split (or, for a run on a folder, of its pictures), which needs a model with an encoder, or
    one that learns the parameters themselves (lsd, emulator)."""
    rows: Annotated[tuple[int, ...], Arg(default="the first ones")] = ()
    """With --between images, which images to pass, by their numbers from 0: RUN --rows 4 9 2."""
    stations: int = 3
    """How many codes or images to pass, if --rows does not say which."""
    cyclic: bool = True
    """Return to the first station at the end, so that the GIF loops without a jump."""
    frames: int = 24
    """Frames from one station to the next."""
    seed: int = 0
    """With --between codes, another number draws other codes."""
    checkpoint: Literal["last", "best"] = "last"
    """Weights of the last checkpoint, or of that with the best score."""
    out: Annotated[Path | None, Arg("FOLDER", "RUN/interpolation")] = None
    """The folder to write to."""
    device: str = "auto"
    """Where the model runs: cpu, cuda, cuda:1 and so on; auto takes cuda when there is one."""

    def check(self) -> None:
        """FddError for the first option that is out of its range."""
        whole_number("stations", self.stations, 2)
        whole_number("frames", self.frames, 1)
        whole_number("seed", self.seed, 0, 2**63 - 1)
        if self.rows and self.between != "images":
            raise FddError(f"rows={self.rows} needs between='images', not {shown(self.between)}")
        if len(self.rows) == 1:
            raise FddError(f"rows={self.rows} must name at least 2 images")

    def images(self, available: int) -> tuple[int, ...]:
        """The rows to pass, out of that many; FddError if one of them is not there."""
        rows = self.rows or tuple(range(self.stations))
        for row in rows:
            whole_number("rows", row, 0, available - 1)
        return rows


def spherical(start: Floats, end: Floats, shares: Floats) -> Floats:
    """The same on an arc, at equal angles for equal shares (slerp; Shoemake 1985): [N, L].

    Codes of N(0, 1) lie near a sphere of radius sqrt(L), and a straight line between two of them
    leads through its inside, where a generator has seen few codes (White 2016, arXiv:1609.04468).
    `linear` where the two are parallel or one is 0, since there is no arc then.
    """
    p, q = start * np.linalg.norm(end), end * np.linalg.norm(start)
    angle = 2 * np.arctan2(np.linalg.norm(p - q), np.linalg.norm(p + q))
    if np.sin(angle) < PARALLEL:
        return linear(start, end, shares)
    before, after = np.sin(np.stack([1 - shares, shares])[..., None] * angle) / np.sin(angle)
    return before * start + after * end


LEGS: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "linear": linear,
    "spherical": spherical,
}


def path(stations: ArrayLike, frames: int, cyclic: bool, how: str) -> Floats:
    """From station to station [M, L], M at least 2, with `frames` points a leg: float64 [N, L].

    Point number i * frames is station i exactly. A cyclic path has N = M * frames points, and the
    one after its last is its first; any other ends with the last station, N = (M - 1) * frames + 1.
    """
    here = np.asarray(stations, np.float64)
    there = np.roll(here, -1, axis=0)
    legs = [LEGS[how](a, b, np.arange(frames) / frames) for a, b in zip(here, there, strict=True)]
    points = np.concatenate(legs)
    return points if cyclic else points[: (len(here) - 1) * frames + 1]


class Frames(NamedTuple):
    """What is drawn: uint8 [N, S, S, 3], the names of the stations, and the true path if known."""

    made: Images
    names: list[str]
    true: Images | None = None
    imaged: NDArray[np.bool_] | None = None
    """Which of the true frames exist: bool [N]."""


def fractal_dream(params: Params, card: Release) -> tuple[Images, NDArray[np.bool_]]:
    """Images as the release draws them, uint8 [N, S, S, 3], and which exist, bool [N].

    Degenerate parameters have no image and are left white, where `fdd.render` would refuse all.
    """
    images, degenerate = render_cpu(card.drawing(), params)
    return images, ~degenerate


def between_codes(model: Model, options: Options) -> Frames:
    """The path through codes of N(0, 1)."""
    rng = np.random.Generator(np.random.Philox(key=options.seed))
    codes = rng.standard_normal((options.stations, model.latent_size))
    made = model.generate(path(codes, options.frames, options.cyclic, options.path))
    return Frames(made, [f"code {number}" for number in range(options.stations)])


def between_images(model: Model, options: Options) -> Frames:
    """The path through the codes of images, and the true path between Fractal Dream images."""
    if model.has_vectors and options.path != "linear":
        raise FddError(
            f"path={shown(options.path)} must be linear with between='images' for the baseline "
            f"{shown(model.config['baseline'])}, whose codes follow the line of parameters"
        )
    size = model.image_size
    if not model.has_vectors:
        try:
            model.encode(np.empty((0, size, size, 3), np.uint8))
        except FddError as error:
            raise FddError(f"between='images': {error}; use between='codes'") from None
    if model.config["data"].startswith("images:"):
        return between_pictures(model, options)
    card = release(model.config["version"])
    rows = options.images(card.rows("test"))
    params = np.concatenate([fdd.sample_params(1, "test", row, card.name) for row in rows])
    return between_params(model, options, card, params, [f"image {row}" for row in rows])


def between_params(
    model: Model, options: Options, card: Release, params: Params, names: list[str]
) -> Frames:
    """The path through the codes of the images of params [M, 6], and the true path between them."""
    line = path(params, options.frames, options.cyclic, "linear")
    true, imaged = fractal_dream(line, card)
    true = resize(true, model.image_size)
    codes: ArrayLike
    if model.has_vectors:
        codes = model.vectors(line)
    else:
        stations = model.encode(true[:: options.frames])
        codes = path(stations, options.frames, options.cyclic, options.path)
    return Frames(model.generate(codes), names, true, imaged)


def between_pictures(model: Model, options: Options) -> Frames:
    """The path through the codes of pictures in the folder that the run was trained on."""
    config = model.config
    folder = as_path("data", config["data"].removeprefix("images:"))
    exclude = None if config["exclude"] is None else as_path("exclude", config["exclude"])
    pictures = read_pictures(folder, model.image_size, exclude)
    rows = options.images(len(pictures))
    codes = model.encode(pictures.read(list(rows)))
    made = model.generate(path(codes, options.frames, options.cyclic, options.path))
    return Frames(made, [f"image {row}" for row in rows])


def animation(frames: Frames) -> list[Images]:
    """The pictures of the GIF: the model's frame and, if known, the true one to its right."""
    words, both = [MODEL], [frames.made]
    if frames.true is not None:
        words, both = [MODEL, TRUE], [frames.made, frames.true]
    columns = enlarged(np.stack(both, axis=1))
    width = columns.shape[3] + GAP
    texts = [(GAP + column * width, 0, word) for column, word in enumerate(words)]
    return [lettered(grid(pair, len(pair), GAP), texts) for pair in columns]


def strip(frames: Frames, per_leg: int) -> Images:
    """Some frames of each leg side by side, the stations among them; the true ones below."""
    step = -(-per_leg // STRIP)
    kept = [i for i in range(len(frames.made)) if i % per_leg % step == 0]
    rows = {MODEL: frames.made[kept]}
    if frames.true is not None:
        rows[TRUE] = frames.true[kept]
    pictures = enlarged(np.stack(list(rows.values())))
    side = pictures.shape[2] + GAP
    texts = [
        (MARGIN + GAP + kept.index(number * per_leg) * side, 0, name)
        for number, name in enumerate(frames.names)
    ]
    texts += [(GAP, LINE + side // 2 + row * side - 6, word) for row, word in enumerate(rows)]
    return lettered(grid(pictures.reshape(-1, *pictures.shape[2:]), len(kept), GAP), texts, MARGIN)


def enlarged(images: Images) -> Images:
    """Images [..., S, S, 3] enlarged by a whole number to about READABLE pixels on a side."""
    from baselines.training.record import READABLE

    zoom = max(1, READABLE // images.shape[-2])
    return images.repeat(zoom, axis=-3).repeat(zoom, axis=-2)


def lettered(picture: Images, texts: Sequence[tuple[int, int, str]], left: int = 0) -> Images:
    """A picture with a white margin above and to its left, and words at (x, y) of the whole."""
    whole = Image.fromarray(np.pad(picture, ((LINE, 0), (left, 0), (0, 0)), constant_values=255))
    for x, y, text in texts:
        ImageDraw.Draw(whole).text((x, y), text, fill="black")
    return np.asarray(whole)


def save_gif(pictures: Sequence[Images], target: Path) -> None:
    """Writes pictures uint8 [H, W, 3] as a GIF that loops forever."""
    first, *others = [Image.fromarray(picture) for picture in pictures]
    with atomic_write(target) as temporary:
        first.save(
            temporary,
            "GIF",
            save_all=True,
            append_images=others,
            duration=FRAME_MS,
            loop=0,
        )


def interpolate(options: Options) -> list[str]:
    """Draw the path and write it; lines that say what was written and found.

    FddError for an option out of its range, a folder that is not a run, a model that cannot do it,
    a folder as in `write`, and a path that another process draws there.
    """
    options.check()
    model = load_trained("run", options.run, options.device, options.checkpoint)
    draw = between_images if options.between == "images" else between_codes
    with alone_in_part(*place(options)):
        return write(draw(model, options), options)


def place(options: Options) -> tuple[Path, str]:
    """The folder of a path's files, and their name. FddError for a link in the run's folder."""
    if options.out is None:
        folder = not_linked(as_path("run", options.run) / "interpolation")
    else:
        folder = as_path("out", options.out)
    return folder, f"{options.between}-{options.path}"


def write(frames: Frames, options: Options) -> list[str]:
    """Write the GIF and the strip; lines that say what was written and found.

    FddError for a folder that cannot be written, or that is a link in the run's folder.
    """
    folder, name = place(options)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        save_gif(animation(frames), folder / f"{name}.gif")
        save_png(strip(frames, options.frames), folder / f"{name}.png")
    lines = [f"wrote {folder / name}.{ending}" for ending in ("gif", "png")]
    return lines + compared(frames)


def compared(frames: Frames) -> list[str]:
    """How similar the model's frames are to the true ones, in lines; none without these."""
    if frames.true is None or frames.imaged is None:
        return []
    import torch

    from baselines.training.data import to_tensor
    from baselines.training.stopping import similarity

    cpu = torch.device("cpu")
    made, true = (to_tensor(i[frames.imaged], cpu) for i in (frames.made, frames.true))
    lines = [f"mean SSIM of model and {TRUE}: {similarity(made, true):.3f} ({len(made)} frames)"]
    missing = len(frames.imaged) - len(made)
    if missing:
        share = f"{missing} of {len(frames.imaged)} frames"
        lines.append(f"left white, since degenerate parameters have no image: {share}")
    return lines


@command()
def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns its exit status, as `fdd.commands.command` says."""
    say(*interpolate(parse(Options, arguments_of(argv), "fdd interpolate")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
