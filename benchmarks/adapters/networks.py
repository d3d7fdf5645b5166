"""Models of torch modules and of ONNX files: networks that take and give float32 in batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.adapters.functions import (
    Adapted,
    Function,
    Images,
    checked,
    checked_codes,
    counted,
    from_functions,
)
from benchmarks.statistics.arrays import real_array, require
from fdd.errors import FddError, missing_extra, shown, whole_number
from fdd.files import as_path

Float32 = NDArray[np.float32]
AnyPath = str | PathLike[str]

PIXELS = (-1.0, 1.0)
BATCH = 256


def from_torch(
    encoder: Any = None,
    generator: Any = None,
    *,
    latent_size: int,
    pixels: tuple[float, float] = PIXELS,
    device: str = "cpu",
    batch_size: int = BATCH,
    vectors: Function | None = None,
    name: str = "",
) -> Adapted:
    """A model of torch modules, at least one of the two.

    They run in evaluation mode and without gradients, and are left in the mode they were in. They
    are moved to `device` and stay there.

    Parameters
    ----------
    encoder : torch.nn.Module, float32 [n, 3, S, S] -> [n, latent_size]
    generator : torch.nn.Module, float32 [n, latent_size] -> [n, 3, S, S]
    latent_size : numbers in a code
    pixels : what black and white are in the modules' images; what a generator gives beyond them is
        clipped, then rounded to 256 levels
    device : auto, cpu, cuda or cuda:N
    batch_size : rows that go through a module at a time
    vectors, name : as for `from_functions`

    Raises
    ------
    FddError : for other arguments; later, if a module fails or returns something else.

    Examples
    --------
    >>> import torch
    >>> mean = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> model = from_torch(mean, latent_size=3, pixels=(0, 1))
    >>> model.encode(np.full((1, 16, 16, 3), 51, np.uint8)).round(6)
    array([[0.2, 0.2, 0.2]])
    """
    torch = require("torch")
    from fdd.devices import pick_device

    place = pick_device(device)

    def network(role: str, module: Any) -> Function | None:
        if module is None:
            return None
        if not isinstance(module, torch.nn.Module):
            raise FddError(f"{role} is {type(module).__name__}: it must be a torch.nn.Module")

        def call(batch: Float32) -> Any:
            what = f"the {role} fails on float32 {list(batch.shape)}"
            with _failing(what, RuntimeError), _evaluation(module), torch.no_grad():
                made = module.to(place)(torch.from_numpy(batch).to(place))
            if not isinstance(made, torch.Tensor):
                raise FddError(f"the {role} gives {type(made).__name__}: it must give one tensor")
            return made.to("cpu", torch.float32).numpy()

        return call

    options = {"latent_size": latent_size, "vectors": vectors, "name": name}
    encode, generate = network("encoder", encoder), network("generator", generator)
    return _of_networks(encode, generate, pixels, batch_size, options)


def from_onnx(
    encoder: AnyPath | None = None,
    generator: AnyPath | None = None,
    *,
    pixels: tuple[float, float] = PIXELS,
    batch_size: int = BATCH,
    vectors: Function | None = None,
    name: str = "",
) -> Adapted:
    """A model of ONNX files, at least one of the two, run by onnxruntime on the CPU.

    Each graph has one input and one output, both float32, and fixes the latent size. If it fixes
    the size of a batch too, batches have that size; the last one is padded, and its result cut.

    Parameters
    ----------
    encoder : path of a graph [n, 3, S, S] -> [n, latent_size]
    generator : path of a graph [n, latent_size] -> [n, 3, S, S]
    pixels, batch_size, vectors, name : as for `from_torch`

    Raises
    ------
    FddError : for a file that is missing or damaged, a graph of another form, graphs that differ in
        the latent size; later, if a graph fails or returns something else.
    """
    paths = {"encoder": encoder, "generator": generator}
    graphs = {role: _graph(role, path) for role, path in paths.items() if path is not None}
    sizes = sorted({size for _, size, _ in graphs.values() if isinstance(size, int)})
    if graphs and len(sizes) != 1:
        said = " and ".join(map(str, sizes)) or "left open"
        files = " and ".join(f"{shown(paths[role])}" for role in graphs)
        raise FddError(f"the latent size is {said} in {files}: it must be one number")
    encode, generate = (graphs[role][0] if role in graphs else None for role in paths)
    options = {"latent_size": sizes[0] if sizes else 1, "vectors": vectors, "name": name}
    model = _of_networks(encode, generate, pixels, batch_size, options)
    sides = [side for _, _, side in graphs.values() if isinstance(side, int)]
    return replace(model, image_size=sides[0] if sides else None)


def takes_images(path: AnyPath) -> bool:
    """Whether the graph in an ONNX file is an encoder rather than a generator."""
    return len(_session(path).get_inputs()[0].shape) == 4


def _of_networks(
    encoder: Function | None,
    generator: Function | None,
    pixels: tuple[float, float],
    batch_size: int,
    options: dict[str, Any],
) -> Adapted:
    """A model of networks from float32 arrays to arrays, with pixels in that range."""
    try:
        low, high = map(float, pixels)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not -1e6 <= low < high <= 1e6:
        raise FddError(
            f"pixels={shown(pixels)} must be two numbers, that of black and that of white"
        )
    whole_number("batch_size", batch_size, 1)
    levels = np.linspace(low, high, 256, dtype=np.float32)

    def to_levels(images: Images) -> Float32:
        return np.ascontiguousarray(levels[images.transpose(0, 3, 1, 2)])

    def to_images(made: Any, rows: int) -> Images:
        name = "the generator's images"
        array = real_array(name, made)
        if array.ndim != 4 or array.shape[1] != 3:
            raise FddError(f"{name} have shape {list(array.shape)}: it must be [N, 3, S, S]")
        share = (counted(name, array, rows).transpose(0, 2, 3, 1) - low) / (high - low)
        return np.rint(share.clip(0, 1) * 255).astype(np.uint8)

    def batched(call: Function | None) -> Function | None:
        if call is None:
            return None
        return lambda rows: np.concatenate(
            [call(rows[i : i + batch_size]) for i in range(0, len(rows), batch_size)]
        )

    to_codes = partial(checked_codes, "the encoder's codes", options["latent_size"])
    encode = batched(checked(to_levels, encoder, to_codes))
    generate = batched(checked(np.float32, generator, to_images))
    return from_functions(encode, generate, **options)


@contextmanager
def _evaluation(module: Any) -> Iterator[None]:
    """Evaluation mode; afterwards every part is in the mode it was in, frozen ones too."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def _failing(what: str, kind: type[Exception] = Exception) -> Iterator[None]:
    """Turns what a library raises into one FddError that begins with `what`."""
    try:
        yield
    except kind as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise FddError(f"{what}: {reason[0]}") from error


def _graph(role: str, path: AnyPath) -> tuple[Function, Any, Any]:
    """The network in an ONNX file, its latent size and its image size (numbers, if fixed)."""
    session = _session(path)
    ends = [*session.get_inputs(), *session.get_outputs()]
    ranks = {"encoder": [4, 2], "generator": [2, 4]}[role]
    if [len(end.shape) for end in ends] != ranks or {end.type for end in ends} != {"tensor(float)"}:
        forms = {4: "[n, 3, S, S]", 2: "[n, latent_size]"}
        found = ", ".join(f"{end.name} {end.type} {end.shape}" for end in ends)
        raise FddError(
            f"{shown(path)} has {found}: the {role} must take one input {forms[ranks[0]]} and give "
            f"one output {forms[ranks[1]]}, both float32"
        )
    taken = ends[0]
    codes, images = sorted(ends, key=lambda end: len(end.shape))

    def call(batch: Float32) -> Any:
        size = taken.shape[0] if isinstance(taken.shape[0], int) else len(batch)
        filled = np.concatenate([batch, np.repeat(batch[-1:], -len(batch) % size, axis=0)])
        parts = np.split(filled, range(size, len(filled), size))
        with _failing(f"{shown(path)} fails on float32 {list(parts[0].shape)}"):
            made = [session.run(None, {taken.name: part})[0] for part in parts]
        return np.concatenate(made)[: len(batch)]

    return call, codes.shape[1], images.shape[3]


def _session(path: AnyPath) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_extra("onnx", error) from error
    file = as_path("path", path)
    if not file.is_file():
        raise FddError(f"{shown(path)}: there is no such file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is said once, by the FddError
    with _failing(f"{shown(path)} cannot be run by onnxruntime"):
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
