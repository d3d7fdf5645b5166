"""What a sweep searches: values of a baseline's options, and in which order they are tried."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import optuna
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from baselines import BASELINES
from baselines.training.config import RunConfig
from baselines.training.data import held_out_batch, open_data
from fdd.errors import FddError, known, whole_number

Search = Literal["grid", "random", "tpe"]
Values = CategoricalDistribution | FloatDistribution | IntDistribution
"""What an option may be: one of a list of values, or anything in a range."""

TRIALS = 20
"""Trials of a search that has no end of its own."""
DATA = frozenset({"data", "exclude", "version", "image_size", "train_images", "batch_size"})
"""Options that the images to train on must allow."""


@dataclass(frozen=True)
class Plan:
    """What a sweep does: `trials` runs of `make` with options from `space`, the others fixed."""

    make: Any
    config: RunConfig
    """All options; those that vary with the first of their values."""
    space: dict[str, Values]
    search: Search
    seed: int
    trials: int

    def record(self) -> dict[str, Any]:
        """All that must be the same for a sweep to go on, by name."""
        told = {"baseline": self.make.name, "search": self.search, "search_seed": self.seed}
        return told | asdict(self.config) | {name: words(d) for name, d in self.space.items()}


def parse_value(text: str, kind: Any) -> Any:
    """`text` as a value of an option's type; if it is none, as it is, for the check to refuse."""
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    named: dict[str, Any] = {}
    if kind is bool:
        named = {"True": True, "False": False, "true": True, "false": False}
    elif get_origin(kind) is Literal:
        named = {str(choice): choice for choice in get_args(kind)}
    elif type(None) in get_args(kind):
        named = {"None": None}
    return named.get(text, text)


def parse_values(name: str, text: str, kind: Any) -> Values:
    """What `--set name=text` lets an option of that type be: `words` gives the text back.

    FddError for an empty value, one that is there twice, and a range that is none.
    """
    if kind in (int, float) and ":" in text:
        log = text.startswith("log:")
        ends = [parse_value(end, kind) for end in text.removeprefix("log:").split(":")]
        real = all(isinstance(end, int | float) and math.isfinite(end) for end in ends)
        if not real or len(ends) != 2 or ends[0] >= ends[1] or (log and ends[0] <= 0):
            numbers = "whole numbers" if kind is int else "numbers"
            raise FddError(
                f"{name}={text} must be LOW:HIGH, {numbers} with LOW below HIGH, or log:LOW:HIGH "
                "with LOW above 0 too"
            )
        return (IntDistribution if kind is int else FloatDistribution)(ends[0], ends[1], log)
    values = [parse_value(part, kind) for part in text.split(",")]
    for value in values:
        if value == "":
            raise FddError(f"{name}={text} has an empty value; write {name}=VALUE,VALUE")
        if values.count(value) > 1:
            raise FddError(f"{name}={text} has {value} twice; a value must be there once")
    return CategoricalDistribution(values)


def words(values: Values) -> str:
    """The values as `--set` takes them: "0.5,0.7", "4:16" or "log:1e-06:0.01"."""
    if isinstance(values, CategoricalDistribution):
        return ",".join(map(str, values.choices))
    return f"{'log:' if values.log else ''}{values.low}:{values.high}"


def choices(values: Values) -> tuple[Any, ...]:
    """The listed values; of a range those that stand for it when options are checked."""
    if isinstance(values, CategoricalDistribution):
        return values.choices
    if isinstance(values, IntDistribution):  # what must be odd refuses low or its neighbour
        return values.low, values.low + 1, values.high
    return values.low, values.high


def parse_settings(config: RunConfig, settings: Sequence[str]) -> dict[str, Values]:
    """What the options in `settings`, texts NAME=VALUES, may be, by name.

    FddError for a text that is none, an option that `config` has not or that is there twice, and
    what `parse_values` refuses.
    """
    kinds = get_type_hints(type(config))
    found: dict[str, Values] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.replace("-", "_")
        if not equals:
            raise FddError(f"--set {setting} must be --set NAME=VALUES, as in beta1=0.5,0.7")
        if name not in asdict(config):
            raise FddError(
                f"--set {setting}: there is no option {name}; the baseline's --help lists them"
            )
        if name in found:
            raise FddError(f"--set {setting}: {name} is there twice; give all its values at once")
        found[name] = parse_values(name, text, kinds[name])
    return found


def make_plan(
    baseline: str,
    preset: str,
    settings: Sequence[str],
    search: Search = "grid",
    trials: int | None = None,
    seed: int = 0,
) -> Plan:
    """The sweep that these arguments of the command ask for. Writes nothing.

    FddError for what is unknown, twice, empty or out of range, each value beside the first of the
    other options; for a grid of ranges; where nothing varies; for data that cannot be opened.
    """
    known("baseline", baseline, BASELINES)
    module = import_module(BASELINES[baseline][0])
    known("preset", preset, module.PRESETS)
    if trials is not None:
        whole_number("trials", trials, 1)
    whole_number("search_seed", seed, 0, 2**32 - 1)
    given = parse_settings(module.PRESETS[preset], settings)
    first = {name: choices(values)[0] for name, values in given.items()}
    config = replace(module.PRESETS[preset], **first)
    probes = {
        name: [replace(config, **{name: value}) for value in choices(values)]
        for name, values in given.items()
    }
    for configs in probes.values():
        for one in configs:
            check(one)
    space = {name: values for name, values in given.items() if not values.single()}
    if not space:
        raise FddError("nothing varies; give an option several values: --set beta1=0.5,0.7")
    if search == "grid":
        for name, values in space.items():
            if not isinstance(values, CategoricalDistribution):
                raise FddError(
                    f"{name}={words(values)} is a range, and a grid needs values: list them "
                    f"({name}=VALUE,VALUE) or choose --search random or tpe"
                )
        size = math.prod(len(choices(values)) for values in space.values())
        trials = min(trials or size, size)
    opened = [one for name in space if name in DATA for one in probes[name][1:]]
    for one in [config, *opened]:  # last, since this may have to render the release
        check_data(one)
    make = getattr(module, BASELINES[baseline][1])
    return Plan(make, config, space, search, seed, trials or TRIALS)


def check(config: RunConfig) -> None:
    """FddError unless a trial can have these options."""
    config.check()
    if config.checkpoint_every > config.steps:
        raise FddError(
            f"checkpoint_every={config.checkpoint_every} must be at most steps={config.steps}: "
            "a trial is scored at its checkpoints"
        )


def check_data(config: RunConfig) -> None:
    """FddError unless there are images to train on and to judge by, as these options want them."""
    _, held_out = open_data(config)
    held_out_batch(held_out, config, torch.device("cpu"))


def draw(plan: Plan, ended: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The options of the next trial: a function of the plan and of the trials that have ended."""
    sampler: BaseSampler
    if plan.search == "grid":
        grid = {name: choices(values) for name, values in plan.space.items()}
        sampler = GridSampler(grid, seed=plan.seed)
    else:
        seed = int(np.random.SeedSequence([plan.seed, len(ended)]).generate_state(1)[0])
        sampler = (RandomSampler if plan.search == "random" else TPESampler)(seed=seed)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.add_trials(ended)
    return study.ask({**plan.space}).params
