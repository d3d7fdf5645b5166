"""What all baselines promise that learn from pairs, or from labels: runs, codes, scores."""

import csv
import dataclasses
import io
import json
import math
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
import torch
from fake_models import FEW
from PIL import Image
from tiny_runs import TINY, baseline, batch, pairs, result, resumed, table

import baselines
import fdd
from baselines import interpolate, sweep
from baselines.contrastive import Contrastive
from baselines.training.config import PairConfig
from baselines.training.loop import Outcome, train
from benchmarks import correspondence
from fdd import FddError
from fdd.releases.cards import RELEASES, Release

SMALL = Release(
    "small-1", {"train": 150, "val": 10, "test": 70}, size=16, points=400, shard_rows=80
)
SHARED = {name: value for name, value in TINY.items() if name != "kernel_size"} | {
    "version": SMALL.name,
    "batch_size": 8,
    "latent_size": 4,
    "precision": "float32",
}
OWN = {
    "contrastive": {},
    "lejepa": {"directions": 8},
    "betavae": {"kernel_size": 3},
    "regression": {},
}
"""Options that not all of them have."""
LOSSES = {
    "contrastive": ["contrastive"],
    "lejepa": ["distance", "sigreg"],
    "betavae": ["reconstruction", "kl"],
    "regression": ["regression", "sign"],
}
CODES = ["codes mean", "codes std", "codes cv"]
FOUND = {name: ["held_out_loss", "score"] for name in OWN} | {
    "betavae": ["held_out_mse", "score", "diversity", "sharpness"]
}
each = pytest.mark.parametrize("name", OWN)
each_without_generator = pytest.mark.parametrize("name", ["contrastive", "lejepa", "regression"])


def small(name, **options):
    """Options of a run of a fraction of a second."""
    return baseline(name).config_type(**SHARED | OWN[name] | options)


def model(name, seed=0, **options):
    return baseline(name)(small(name, **options), torch.Generator().manual_seed(seed))


def seen(name):
    """A batch for a baseline to step on."""
    return batch(8) if name == "regression" else pairs()


@pytest.fixture(scope="module", autouse=True)
def release():
    """The release small-1 is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RELEASES, SMALL.name, SMALL)
        yield


@pytest.fixture(scope="module")
def folders(release, tmp_path_factory):
    """A run folder of each baseline, after eight steps."""
    folder = tmp_path_factory.mktemp("runs")
    for name in OWN:
        assert train(baseline(name), small(name), folder / name) == Outcome(8)
    return folder


@each
def test_a_run_leaves_what_the_docs_say(folders, name):
    folder = folders / name
    saved = json.loads((folder / "config.json").read_text())
    wanted = dataclasses.asdict(small(name)) | {"baseline": name, "data_version": SMALL.name}
    assert wanted.items() <= saved.items()
    rows = table(folder)
    network = "autoencoder" if name == "betavae" else "encoder"
    shown = [] if name == "regression" else CODES
    columns = [*LOSSES[name], *shown, f"gradient of {network} norm", *FOUND[name]]
    assert list(rows[0]) == ["step", "epoch", *columns]
    assert [int(row["step"]) for row in rows] == list(range(1, 9))
    assert all(math.isfinite(float(row[c])) for row in rows for c in columns if c != "codes cv")
    if name != "betavae":
        assert all(float(row["score"]) == -float(row["held_out_loss"]) for row in rows)
    kinds = {"samples", "reconstructions"} if name == "betavae" else {"neighbours"}
    for kind in kinds:
        assert [path.name for path in (folder / kind).iterdir()] == ["step-000008.png"]
    others = {"config.json", "metrics.csv", "tb", "checkpoints"}
    assert {path.name for path in folder.iterdir()} == others | kinds


@each
def test_a_run_that_was_stopped_ends_with_the_same_bits(folders, name, tmp_path):
    assert resumed(baseline(name), small(name), tmp_path / "run") == result(folders / name)


@each
def test_a_step_trains_everything_on_random_numbers_of_its_own(name):
    made = []
    options = {"pairs": "some", "conditional": "sparse"} if name == "contrastive" else {}
    for _ in range(2):
        torch.manual_seed(torch.initial_seed() + 1)
        network = model(name, **options)
        before = torch.get_rng_state()
        was = {key: value.clone() for key, value in network.named_parameters()}
        losses = network.step(seen(name), torch.Generator().manual_seed(1))
        assert torch.equal(torch.get_rng_state(), before)
        assert list(losses) == LOSSES[name]
        assert not any(loss.requires_grad for loss in losses.values())
        assert [k for k, v in network.named_parameters() if torch.equal(v, was[k])] == []
        made.append(network.state_dict())
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])
    first, other = (model(name, seed).encoder[0].weight for seed in (0, 1))
    assert not torch.equal(first, other)


@each
def test_steps_on_one_batch_lower_its_loss(name):
    network, rng = model(name), torch.Generator().manual_seed(1)
    losses = [network.step(seen(name), rng) for _ in range(40)]
    first, last = losses[0], losses[-1]
    if name == "betavae":
        assert last["reconstruction"] < 0.9 * first["reconstruction"]
    else:
        assert sum(last.values()) < 0.5 * sum(first.values())


@pytest.mark.parametrize(
    ("name", "options", "supervision"),
    [
        ("contrastive", {}, "pairs"),
        ("contrastive", {"pairs": "one", "conditional": "one"}, "one"),
        ("lejepa", {}, "pairs"),
        ("betavae", {}, "one"),
        ("betavae", {"pairs": "some"}, "pairs"),
        ("betavae", {"single": True}, "none"),
        ("regression", {}, "labels"),
        ("aae", None, "none"),
    ],
)
def test_a_baseline_states_what_it_learns_from(name, options, supervision):
    made = baseline(name)
    config = made.config_type(**TINY) if options is None else small(name, **options)
    assert made(config, torch.Generator()).supervision == supervision


@each
def test_a_loaded_run_is_an_encoder(folders, name):
    loaded = baselines.load_run(folders / name)
    images = fdd.load("test", version=SMALL.name).read(range(20))
    codes = loaded.encode(images)
    assert (codes.shape, codes.dtype, loaded.latent_size) == ((20, 4), np.float32, 4)
    assert np.isfinite(codes).all()
    assert (codes.std(axis=0) > 0).all()
    np.testing.assert_allclose(loaded.encode(images[5:8]), codes[5:8], rtol=1e-4, atol=1e-5)
    assert loaded.can_generate == (name == "betavae")
    if loaded.can_generate:
        drawn = loaded.generate(codes)
        assert (drawn.shape, drawn.dtype) == ((20, 16, 16, 3), np.uint8)


@each_without_generator
def test_what_needs_a_generator_says_that_there_is_none(folders, name, tmp_path, capsys):
    message = f"baseline='{name}' has no generator"
    with pytest.raises(FddError) as error:
        baselines.load_run(folders / name).generate(np.zeros((2, 4)))
    assert str(error.value) == message
    between = "images" if name == "contrastive" else "codes"
    words = [str(folders / name), "--between", between, "--out", str(tmp_path / "drawn")]
    assert interpolate.main(words) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert not (tmp_path / "drawn").exists()


@each_without_generator
def test_neighbours_have_the_nearest_codes_and_stand_below_held_out_images(folders, name):
    config = small(name)
    if isinstance(config, PairConfig):
        options = {"version": SMALL.name, **config.pair_options()}
        held_out = next(iter(fdd.pairs(config.pairs, "val", 256, **options)))[0][:, 0]
    else:
        held_out = fdd.load("val", version=SMALL.name).read(range(10))
    codes = baselines.load_run(folders / name).encode(held_out)
    distances = np.abs(codes[:, None] - codes[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    nearest = held_out[distances.argmin(axis=1)]
    sheet = np.asarray(Image.open(folders / name / "neighbours" / "step-000008.png"))
    rows = len(held_out) // 8 if len(held_out) < 16 else 2
    assert sheet.shape == (98 * 2 * rows + 2, 98 * 8 + 2, 3)
    # 16 x 16 images, six times enlarged, each between gaps of two pixels
    shown = [
        [sheet[2 + 98 * r : 98 + 98 * r : 6, 2 + 98 * c : 98 + 98 * c : 6] for c in range(8)]
        for r in range(2 * rows)
    ]
    assert np.array_equal(np.concatenate(shown[::2]), held_out[: 8 * rows])
    assert np.array_equal(np.concatenate(shown[1::2]), nearest[: 8 * rows])


class Scored(Contrastive):
    """Its held-out loss falls until step 2 and never again."""

    LOSSES = (9.0, 5.0, 2.0, 4.0, 3.0, 2.5, 2.0, 2.5, 3.0)

    def __init__(self, config, rng):
        super().__init__(config, rng)
        self.register_buffer("made", torch.zeros((), dtype=torch.long))

    def step(self, batch, rng):
        self.made += 1
        return super().step(batch, rng)

    def loss(self, batch):
        return super().loss(batch) if self.training else torch.tensor(self.LOSSES[self.made])


def test_a_run_stops_when_its_held_out_loss_has_not_fallen_for_a_while(tmp_path):
    config = small("contrastive", checkpoint_every=1, patience=3)
    assert train(Scored, config, tmp_path / "run") == Outcome(
        5,
        "no better score for 3 checkpoints; the best checkpoint is that of step 2 (score -2)",
    )


def test_a_sweep_ranks_runs_on_pairs_by_their_score(tmp_path, capsys):
    given = SHARED | {"steps": 2, "log_every": 2, "checkpoint_every": 2, "lr": "1e-3,1e-2"}
    words = ["contrastive", *(f"--set={name}={value}" for name, value in given.items())]
    assert sweep.main([*words, "--out", str(tmp_path / "sweep")]) == 0, capsys.readouterr().err
    with (tmp_path / "sweep" / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    assert {float(trial["lr"]) for trial in trials} == {1e-3, 1e-2}
    scores = [float(trial["score"]) for trial in trials]
    assert scores == sorted(scores, reverse=True)
    for trial, score in zip(trials, scores, strict=True):
        kept = table(tmp_path / "sweep" / trial["folder"])
        assert score == pytest.approx(-float(kept[-1]["held_out_loss"]), rel=1e-6)


def test_the_benchmark_scores_the_codes_of_such_a_run(folders, tmp_path):
    words = [folders / "contrastive", "--images", 40, "--train-images", 60, "--out", tmp_path]
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = correspondence.main([*map(str, words)], FEW)
    assert status == 0, errors.getvalue()
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert saved["config"]["baseline"] == "contrastive"
    assert (tmp_path / "index.html").exists()
    assert saved["scores"]


MUST = "must be off: it changes how pairs are related"


@pytest.mark.parametrize("name", ["contrastive", "lejepa", "betavae"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "fdd"}, "data='fdd' must be 'stream': pairs are drawn as they are used"),
        ({"flip": True}, f"flip=True {MUST}"),
        ({"rotate": 3.0}, f"rotate=3.0 {MUST}"),
        ({"translate": 0.1}, f"translate=0.1 {MUST}"),
        ({"zoom": 0.1}, f"zoom=0.1 {MUST}"),
        ({"near_width": 0}, "near_width=0 must be a number above 0 and at most 6"),
        ({"near_width": -1}, "near_width=-1 must be a number above 0 and at most 6"),
        ({"near_width": 7}, "near_width=7 must be a number above 0 and at most 6"),
        ({"near_law": "cauchy"}, "near_law='cauchy' is not known; choose from laplace, normal"),
        ({"ou_rho": 1}, "ou_rho=1 must be a number above 0 and below 1"),
        ({"ou_rho": 0.0}, "ou_rho=0.0 must be a number above 0 and below 1"),
        ({"some_change": 1.5}, "some_change=1.5 must be a number above 0 and below 1"),
        ({"batch_size": 1}, "batch_size=1 must be a whole number of 2 or more"),
    ],
)
def test_a_bad_option_of_pairs_is_one_sentence(name, options, message):
    config = dataclasses.replace(baseline(name).config_type(), **options)
    with pytest.raises(FddError) as error:
        config.check()
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["contrastive", "dcca", "lejepa", "betavae", "regression"])
def test_an_average_that_would_not_be_kept_is_refused(name):
    with pytest.raises(FddError) as error:
        dataclasses.replace(baseline(name).config_type(), ema=0.9).check()
    assert str(error.value) == "ema=0.9 must be off: this baseline does without"


def test_pairs_of_no_known_kind_are_one_sentence():
    kinds = "start, near, ou, one, some"
    with pytest.raises(FddError) as error:
        small("contrastive", pairs="views").check()
    assert str(error.value) == f"pairs='views' is not known; choose from {kinds}"
