"""Runnable baselines: models that learn a latent space from Fractal Dream images.

Train one with `python -m baselines.aae --preset mini --out runs/first`, and then, in Python:
`model = baselines.load_run("runs/first")`, `codes = model.encode(images)`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from os import PathLike
from typing import TYPE_CHECKING

from fdd.defaults import with_defaults
from fdd.errors import FddError, known, meant, missing_extra, shown

if TYPE_CHECKING:
    from baselines.training.model import Model

BASELINES = {
    "dcgan": ("baselines.dcgan", "DCGAN"),
    "aae": ("baselines.aae", "AAE"),
    "aegean": ("baselines.aegean", "AEGeAN"),
    "lsd": ("baselines.lsd", "LSD"),
    "contrastive": ("baselines.contrastive", "Contrastive"),
    "dcca": ("baselines.dcca", "DCCA"),
    "lejepa": ("baselines.lejepa", "LeJEPA"),
    "betavae": ("baselines.betavae", "BetaVAE"),
    "regression": ("baselines.regression", "Regression"),
    "emulator": ("baselines.emulator", "Emulator"),
    "flow": ("baselines.flow", "Flow"),
    "biggan": ("baselines.biggan", "BigGAN"),
    "sdpc": ("baselines.sdpc", "SDPC"),
    "sdpc_gan": ("baselines.sdpc_gan", "SDPCGAN"),
    "cyclegan": ("baselines.cyclegan", "CycleGAN"),
}
"""Module and class of each baseline, by the name that config.json has."""

for _package in (
    "torch",
    "lightning_fabric",
    "matplotlib",
    "optuna",
    "pytorch_msssim",
    "safetensors",
    "tensorboard",
):
    if find_spec(_package) is None:
        _error = missing_extra("baselines", ImportError(name=_package))
        if sys.argv[:1] == ["-m"]:  # as while `python -m baselines.NAME` is looking for the module
            print(f"error: {_error}", file=sys.stderr)
            raise SystemExit(2)
        raise _error


@with_defaults
def load_run(path: str | PathLike[str], device: str = "auto", checkpoint: str = "last") -> Model:
    """The model of a run folder, on `device` (auto, cpu, cuda, cuda:N).

    `checkpoint` is "last", the newest, or "best", the one with the best score on held-out images.

    FddError that names the folder and what is missing, damaged or unknown in it.
    """
    import torch

    from baselines.training.model import Model
    from baselines.training.runs import load_fitting, read_config, saved_options
    from fdd.devices import pick_device
    from fdd.files import as_path

    folder, place = as_path("path", path), pick_device(device)
    known("checkpoint", checkpoint, ("last", "best"))
    saved = read_config(folder)
    known(f"run folder {shown(folder)}: baseline", saved["baseline"], BASELINES)
    module, name = BASELINES[saved["baseline"]]
    baseline = getattr(import_module(module), name)
    options = saved_options(baseline.config_type, saved, folder)
    weights = load_fitting(folder, baseline, options, checkpoint)
    network = baseline(options, torch.Generator())
    network.load_state_dict(weights)
    return Model(network, saved, place)


@with_defaults
def load_pretrained(name: str, device: str = "auto") -> Model:
    """A trained model that comes with the package, on `device` (auto, cpu, cuda, cuda:N).

    Its `config` is that of the run that made it. FddError for an unknown name (the known ones are
    told), and for a file that is not the published one.
    """
    import torch

    from baselines.pretrained.models import SHIPPED, about
    from baselines.training.model import Model
    from baselines.training.runs import PROVENANCE
    from fdd.devices import pick_device

    known("name", name, SHIPPED)
    told, weights = about(name)
    module, made = BASELINES[told["config"]["baseline"]]
    baseline = getattr(import_module(module), made)
    options = {key: value for key, value in told["config"].items() if key not in PROVENANCE}
    network = baseline(baseline.config_type(**options), torch.Generator())
    # files lack what a model only trained with
    network.load_state_dict(network.state_dict() | weights)
    return Model(network, told["config"], pick_device(device))


def load_trained(
    argument: str, path: str | PathLike[str], device: str = "auto", checkpoint: str = "last"
) -> Model:
    """The model of a run folder, or else the one of that name that comes with the package.

    A folder of results that has such a name does not hide the model. FddError as `load_run` and
    `load_pretrained`, and one that names the `argument` for what is neither.
    """
    from baselines.pretrained.models import SHIPPED
    from fdd.files import as_path

    folder, name = as_path(argument, path), str(path)
    if name in SHIPPED and not (folder / "config.json").is_file():
        return load_pretrained(name, device)
    if not folder.exists():
        raise FddError(
            f"{argument}={shown(path)} is not there{meant(name, SHIPPED)}: it must be a run "
            f"folder, or one of {', '.join(SHIPPED)}"
        )
    return load_run(folder, device, checkpoint)
