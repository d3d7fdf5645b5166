"""A model from a path or a name.

A run folder, ONNX files, stored codes, a trained model of the package, or what a module has.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.adapters.functions import SPLITS, Adapted, StoredCodes, from_codes, from_functions
from benchmarks.adapters.networks import PIXELS, AnyPath, from_onnx, takes_images
from fdd.errors import FddError, known, meant, shown
from fdd.files import as_path

CHECKPOINTS = ("last", "best")
ATTRIBUTE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
WEIGHTS = (".ckpt", ".pt", ".pth", ".safetensors")
"""Endings of files that no network can be built from."""
BLOCK = 2**20


def load_model(
    path: AnyPath, *, checkpoint: str = "last", pixels: tuple[float, float] = PIXELS
) -> Adapted | StoredCodes:
    """The model that a path or a name stands for.

    Parameters
    ----------
    path : the first of these that it is:
        a run folder of a baseline (with config.json);
        a folder with encoder.onnx, generator.onnx or both (`from_onnx`);
        a folder with train.npy and test.npy (`from_codes`);
        one .onnx file: an encoder if it takes images, else a generator;
        the name of a trained model that comes with the package (`baselines.load_pretrained`);
        package.module:attribute, which names a model, or a function without arguments that returns
        one, for torch modules of your own. Importing it runs its code.
    checkpoint : of a run, last or best
    pixels : of ONNX files, as for `from_onnx`

    Raises
    ------
    FddError : for anything else, and for a file that is missing or damaged.
    """
    kind, files = _kind_and_files(path, checkpoint)
    place = as_path("path", path)
    name = place.absolute().stem
    if kind == "run":
        import baselines

        run = baselines.load_run(path, checkpoint=checkpoint)
        return _adapt(path, run, run.config["baseline"])
    if kind == "pretrained":
        import baselines

        return _adapt(path, baselines.load_pretrained(str(path)), name)
    if kind == "onnx":
        roles = {file.stem: file for file in files}
        if files == [place]:
            roles = {"encoder" if takes_images(path) else "generator": files[0]}
        return from_onnx(roles.get("encoder"), roles.get("generator"), pixels=pixels, name=name)
    if kind == "codes":
        return from_codes(path, name)
    return _adapt(path, _imported(str(path)), str(path))


def weights_sha256(path: AnyPath, *, checkpoint: str = "last") -> str:
    """The SHA-256 of the files that `load_model` reads a model's numbers from, in hexadecimal.

    For one file it is that of the file; for two, that of what `sha256sum` prints for them in their
    folder, encoder or train first; for package.module:attribute it is "". Weights that ONNX keeps
    in files beside a graph are not covered.
    """
    kind, files = _kind_and_files(path, checkpoint)
    if kind == "pretrained":
        return _shipped()[str(path)]
    digests = {file.name: _sha256(file) for file in files}
    if len(digests) < 2:
        return "".join(digests.values())
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as source:
            for block in iter(partial(source.read, BLOCK), b""):
                digest.update(block)
    except OSError as error:
        raise FddError(f"{shown(file)} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def _kind_and_files(path: AnyPath, checkpoint: str) -> tuple[str, list[Path]]:
    """What a path is (run, onnx, codes, pretrained or attribute), and the files of its numbers."""
    known("checkpoint", checkpoint, CHECKPOINTS)
    if path == "":
        raise _no_model(path)
    place = as_path("path", path)
    if (place / "config.json").is_file():
        from baselines.training.runs import find_checkpoint

        folder = find_checkpoint(place, checkpoint) or place / "checkpoints" / checkpoint
        return "run", [folder / "model.safetensors"]
    graphs = [place / f"{role}.onnx" for role in ("encoder", "generator")]
    if any(file.is_file() for file in graphs):
        return "onnx", [file for file in graphs if file.is_file()]
    arrays = [place / f"{split}.npy" for split in SPLITS]
    if any(file.is_file() for file in arrays):
        return "codes", arrays
    if place.is_file() and place.suffix == ".onnx":
        return "onnx", [place]
    if ATTRIBUTE.fullmatch(str(path)) and not place.exists():
        return "attribute", []
    if not place.is_file() and str(path) in _shipped():  # a folder of results may have its name
        return "pretrained", []
    raise _no_model(path)


def _shipped() -> dict[str, str]:
    """SHA-256 of the trained models that come with the package, by name."""
    from baselines.pretrained.models import SHIPPED

    return SHIPPED


def _no_model(path: AnyPath) -> FddError:
    place = Path(path)
    if place.suffix in WEIGHTS and place.is_file():
        return FddError(
            f"{shown(path)} holds weights without their network: build it in a module, mymodel.py, "
            "with the line model = benchmarks.adapters.from_torch(encoder, generator, "
            "latent_size=K), and give mymodel:model"
        )
    return FddError(
        f"{shown(path)} is not a model{meant(str(path), _shipped())}: it must be a run folder "
        "(with config.json), a folder with encoder.onnx, generator.onnx or train.npy and "
        "test.npy, a .onnx file, one of "
        f"{', '.join(_shipped())}, or package.module:attribute"
    )


def _imported(path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise FddError(f"{shown(path)} cannot be imported: {error}") from error
    if _is_model(found) or not callable(found):
        return found
    try:
        return found()
    except TypeError as error:
        raise FddError(f"{shown(path)} fails when called without arguments: {error}") from error


def _is_model(value: Any) -> bool:
    return hasattr(value, "latent_size") and not isinstance(value, type)


def _adapt(path: AnyPath, model: Any, name: str) -> Adapted | StoredCodes:
    """Anything with latent_size and with encode or generate, as an `Adapted`."""
    if isinstance(model, Adapted | StoredCodes):
        return replace(model, name=model.name or name)
    if not _is_model(model):
        raise FddError(
            f"{shown(path)} gives {type(model).__name__}: it must be a model, with latent_size and "
            "with encode or generate"
        )
    encode = getattr(model, "encode", None) if getattr(model, "can_encode", True) else None
    vectors = getattr(model, "vectors", None) if getattr(model, "has_vectors", True) else None
    if vectors is not None and vectors(np.zeros((1, 6))) is None:  # it finds codes of its own
        vectors = None
    generate = getattr(model, "generate", None) if getattr(model, "can_generate", True) else None
    found = from_functions(
        encode, generate, latent_size=model.latent_size, vectors=vectors, name=name
    )
    return replace(
        found,
        image_size=getattr(model, "image_size", None),
        config=getattr(model, "config", None),
        supervision=getattr(model, "supervision", None),
    )
