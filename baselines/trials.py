"""The trials of a sweep: what it varies, how they are drawn, run and kept, and their table.

A trial enters the journal in one record, when it has ended, and the options of the next one follow
from those records alone. So a sweep that is killed at any moment resumes as if it never stopped.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import optuna
import pandas as pd
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from baselines import BASELINES
from baselines.training.config import RunConfig
from baselines.training.data import held_out_batch, open_data
from baselines.training.loop import train
from baselines.training.parallel import processes_told
from baselines.training.runs import load_state
from fdd.commands import say
from fdd.defaults import matplotlib, styled
from fdd.errors import FddError, known, meant, one_line, shown, whole_number
from fdd.files import LOCK, alone_in, as_path, atomic_write, not_linked
from fdd.options import value_of

Values = CategoricalDistribution | FloatDistribution | IntDistribution
"""What an option may be: one of a list of values, or anything in a range."""

RECORD = b'{"op_code":'
"""How each record of an Optuna journal begins."""
TRIALS = 20
"""Trials of a search that has no end of its own."""
DATA = frozenset({"data", "exclude", "version", "image_size", "train_images", "batch_size"})
"""Options that the images to train on must allow."""
INK, BLUE, ORANGE, GREY = "#1c2b3a", "#1f5fa8", "#d9480f", "#8a949e"


@dataclass(frozen=True)
class Plan:
    """What a sweep does: `trials` runs of `make` with options from `space`, the others fixed."""

    make: Any
    config: RunConfig
    """All options; those that vary with the first of their values."""
    space: dict[str, Values]
    search: str
    """grid, random or tpe."""
    seed: int
    trials: int

    def record(self) -> dict[str, Any]:
        """All that must be the same for a sweep to resume, by name."""
        told = {"baseline": self.make.name, "search": self.search, "search_seed": self.seed}
        return told | asdict(self.config) | {name: words(d) for name, d in self.space.items()}


def parse_value(text: str, kind: Any) -> Any:
    """`text` as a value of an option's type; if it is none, as it is, for the check to refuse."""
    try:
        return value_of("", text, kind)
    except FddError:
        return text


def parse_values(name: str, text: str, kind: Any) -> Values:
    """What `--set name=text` lets an option of that type be: `words` gives the text back.

    FddError for an empty value, one that is given twice, and a malformed range.
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
            raise FddError(f"{name}={text} has {value} twice; a value must be given once")
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

    FddError for a text of another form, an option that `config` lacks or that is given twice, and
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
            near = meant(name, kinds)
            raise FddError(
                f"--set {setting}: there is no option {name}{near}; the baseline's --help lists "
                "them"
            )
        if name in found:
            raise FddError(f"--set {setting}: {name} is given twice; give all its values at once")
        found[name] = parse_values(name, text, kinds[name])
    return found


def make_plan(
    baseline: str,
    preset: str,
    settings: Sequence[str],
    search: str = "grid",
    trials: int | None = None,
    seed: int = 0,
) -> Plan:
    """The sweep that these arguments of the command ask for. Writes nothing.

    FddError for what is unknown, given twice, empty or out of range, each value beside the first of
    the other options; for a grid of ranges; where nothing varies; for data that cannot be opened.
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


def sweep(plan: Plan, out: str | PathLike[str]) -> pd.DataFrame:
    """Run the trials of a plan that have not ended yet, and give the table of those that have.

    `out` becomes the sweep's folder; if it holds the same sweep, that one resumes. The columns are
    number, the options that vary, score, best_step, state (complete or failed), seconds, folder and
    reason (why it failed or stopped early); the best score comes first. There are fewer rows than
    `plan.trials` if Ctrl-C or SIGTERM stopped the sweep. A trial whose loss is not finite, or whose
    networks do not fit into memory, has failed, and the next one begins.

    FddError for a folder that cannot be used or is in use, a full disk, and if every trial failed.
    """
    folder, processes = as_path("out", out), processes_told("WORLD_SIZE")
    if processes != 1:
        raise FddError(f"WORLD_SIZE={processes} must be 1: start a sweep without torchrun")
    there = set(os.listdir(folder)) - {LOCK} if folder.is_dir() else set()
    if there and "optuna.log" not in there:
        raise FddError(
            f"sweep folder {shown(folder)}: it holds files but no sweep; choose another with --out"
        )
    with alone_in(folder):
        study = open_study(plan, folder)
        while len(study.trials) < plan.trials and run_trial(plan, study, folder):
            pass
        table = tabulate(study.trials, list(plan.space))
        with atomic_write(folder / "trials.csv") as path:
            table.to_csv(path, index=False)
        if table["score"].notna().any():
            with styled({}), atomic_write(folder / "scores.png") as path:
                plot(table, plan).savefig(path, format="png", dpi=160, facecolor="white")
    if len(table) >= plan.trials and table["score"].isna().all():
        raise FddError(f"all {len(table)} trials failed; the first one: {table['reason'][0]}")
    return table


def open_study(plan: Plan, folder: Path) -> optuna.Study:
    """The journal of the folder, begun if there is none.

    FddError if it is damaged, in whatever a sweep reads of it, and if it belongs to another plan.
    """
    journal = not_linked(folder / "optuna.log")
    Path(f"{journal}.lock").unlink(missing_ok=True)  # a process that was killed may leave it
    if journal.exists():  # a full disk may cut the last record short
        written = journal.read_bytes()
        whole = written.rfind(b"\n") + 1
        if not RECORD.startswith(written[whole:][: len(RECORD)]):
            raise damaged(folder, "its last line is not a record")
        os.truncate(journal, whole)
    backend = JournalFileBackend(str(journal), JournalFileOpenLock(str(journal)))
    try:
        storage = JournalStorage(backend)
        if optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=None, storage=storage)
        else:
            study = optuna.create_study(storage=storage, study_name="sweep", direction="maximize")
        trials, attributes = study.trials, study.user_attrs
    except OSError:
        raise
    except Exception as error:  # what Optuna raises for a damaged file has no common type
        raise damaged(folder, str(error)) from None
    for trial in trials:
        if trial.user_attrs.get("sha256") != seal(trial):
            raise damaged(folder, f"trial {trial.number} is not as it was recorded")
    wanted = plan.record()
    here = attributes.pop("plan", None)
    if not all(isinstance(seconds, float) for seconds in attributes.values()):
        raise damaged(folder, "the seconds of a trial are no number")
    if here is None and not trials:
        study.set_user_attr("plan", wanted)
        return study
    if not isinstance(here, dict):
        raise damaged(folder, "it does not say what the sweep is")
    for name, value in wanted.items():
        if here.get(name) != value:
            raise FddError(
                f"sweep folder {shown(folder)}: it holds a sweep with "
                f"{name}={shown(here.get(name))}, not {shown(value)}; choose another folder with "
                "--out"
            )
    return study


def damaged(folder: Path, why: str) -> FddError:
    return FddError(
        f"sweep folder {shown(folder)}: optuna.log is damaged: {one_line(why)[:200]}; choose "
        "another folder with --out"
    )


def seal(trial: FrozenTrial) -> str:
    """SHA-256 of all that a sweep reads of a trial that has ended."""
    told = {name: value for name, value in trial.user_attrs.items() if name != "sha256"}
    read = [trial.number, trial.state.name, trial.values, trial.params, told]
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


def trial_folder(number: int) -> str:
    return f"trial-{number:04d}"


def run_trial(plan: Plan, study: optuna.Study, out: Path) -> bool:
    """Run or resume the next trial and record how it ended; False if a signal stopped it."""
    number = len(study.trials)
    options = draw(plan, study.trials)
    words = ", ".join(f"{name}={value}" for name, value in options.items())
    say(f"trial {number} ({number + 1} of {plan.trials}): {words}")
    config, folder = replace(plan.config, **options), out / trial_folder(number)
    timer = f"seconds of trial {number}"
    began = time.monotonic() - study.user_attrs.get(timer, 0.0)
    reason, failed, stopped = None, False, False
    try:
        outcome = train(plan.make, config, folder)
        reason, stopped = outcome.reason, outcome.stopped
    except (FddError, torch.cuda.OutOfMemoryError) as error:
        if isinstance(error.__cause__, OSError):  # the disk's fault, not the trial's
            raise
        reason, failed = str(error).partition("\n")[0], True
    seconds = round(time.monotonic() - began, 1)
    if not failed and reason is None and outcome.step < config.steps:
        study.set_user_attr(timer, seconds)
        return False
    best = {} if failed else load_state(folder)["watch"]
    if (folder / "config.json").exists():
        record_hparams(folder, options, best)
    result = {"best_step": best.get("best_step"), "seconds": seconds, "reason": reason}
    trial = create_trial(
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        value=best.get("best_score"),
        params=options,
        distributions={**plan.space},
        user_attrs=result,
    )
    trial.number = number
    trial.set_user_attr("sha256", seal(trial))
    study.add_trial(trial)
    say(f"failed: {reason}" if failed else f"score {best['best_score']:.4g}")
    return not stopped


def record_hparams(folder: Path, options: dict[str, Any], best: dict[str, Any]) -> None:
    """Add a trial to TensorBoard's HParams, in the events of its run.

    A failed trial, whose `best` is empty, has no score and no record of success.
    """
    shown = {name: v if type(v) in (int, float) else str(v) for name, v in options.items()}
    experiment, start, end = hparams(shown, {"best score": 0})
    with SummaryWriter(str(folder / "tb")) as events:
        for summary in (experiment, start, end) if best else (experiment, start):
            events.file_writer.add_summary(summary)
        if best:
            events.add_scalar("best score", best["best_score"], best["best_step"])


def tabulate(ended: Sequence[FrozenTrial], options: Sequence[str]) -> pd.DataFrame:
    """The table that `sweep` gives."""
    rows = [
        {
            "number": trial.number,
            **{name: "None" if v is None else v for name, v in trial.params.items()},
            "score": trial.value,
            "best_step": trial.user_attrs["best_step"],
            "state": "failed" if trial.state is TrialState.FAIL else "complete",
            "seconds": trial.user_attrs["seconds"],
            "folder": trial_folder(trial.number),
            "reason": trial.user_attrs["reason"],
        }
        for trial in ended
    ]
    end = ["score", "best_step", "state", "seconds", "folder", "reason"]
    table = pd.DataFrame(rows, columns=["number", *options, *end])
    table = table.astype({"score": float, "best_step": "Int64"})
    return table.sort_values(["score", "number"], ascending=[False, True], ignore_index=True)


def plot(table: pd.DataFrame, plan: Plan) -> Any:
    """The score against each option that varies, a panel an option, of the table `sweep` gives."""
    columns = 2 if len(plan.space) == 4 else min(len(plan.space), 3)
    lines = -(-len(plan.space) // columns)
    matplotlib()
    figure = import_module("matplotlib.figure").Figure(
        figsize=(3.2 * columns + 1.2, 2.8 * lines + 0.9), layout="constrained"
    )
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    marks: dict[str, Any] = {}
    for (name, values), axes in zip(plan.space.items(), panels, strict=False):
        draw_panel(axes, table, name, values)
        marks |= {
            label: mark for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
    for axes in panels[len(plan.space) :]:
        axes.set_axis_off()
    key = figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=4)
    key.set_frame_on(False)
    figure.supylabel("best score on held-out images", color=INK, fontsize=10)
    figure.suptitle(f"{plan.make.name}: {len(table)} trials", color=INK, fontsize=11)
    return figure


def draw_panel(axes: Any, table: pd.DataFrame, name: str, values: Values) -> None:
    """One option: listed values side by side, each with its median, or a range as a line."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8)
    axes.set_xlabel(name, color=INK, fontsize=10)
    at, scores, failed = table[name], table["score"], table["state"] == "failed"
    if isinstance(values, CategoricalDistribution):
        listed = [str(value) for value in values.choices]
        at = at.map(lambda value: listed.index(str(value)))
        slope = 20 if len("".join(listed)) > 40 else 0
        axes.set_xticks(range(len(listed)), listed, rotation=slope)
        axes.set_xlim(-0.5, len(listed) - 0.5)
        middle = scores.groupby(at).median()
        ends = middle.index - 0.25, middle.index + 0.25
        axes.hlines(middle, *ends, color=GREY, linewidth=1.5, zorder=0, label="median")
    else:
        axes.set_xscale("log" if values.log else "linear")
        axes.set_xlim(values.low, values.high)
        if isinstance(values, IntDistribution) and not values.log:
            axes.locator_params(axis="x", integer=True)
    dots: dict[str, Any] = {"linewidths": 0.6, "edgecolors": "white", "clip_on": False}
    axes.scatter(at, scores, s=34, color=BLUE, alpha=0.8, label="trial", **dots)
    axes.scatter(at[:1], scores[:1], s=60, color=ORANGE, label="best", **dots)
    if failed.any():
        foot = axes.get_xaxis_transform()  # x in data, y in shares of the panel
        cross: dict[str, Any] = {"marker": "x", "s": 24, "color": INK, "clip_on": False}
        axes.scatter(at[failed], [0.0] * failed.sum(), transform=foot, label="failed", **cross)
