"""Trained models in the explorer: its JavaScript draws and encodes what torch does, to 1e-4."""

import base64
import gzip
import hashlib
import json

import numpy as np
import pytest
import torch
from explorer_modules import run_node, write_modules, write_run
from tiny_runs import TINY
from torch.nn.utils import parametrize

import baselines
import fdd
from baselines.emulator import drawn
from benchmarks.images.retrieval import retrieval
from benchmarks.images.structure import ssim
from fdd import FddError
from fdd.explorer import explore
from fdd.explorer.command import main
from fdd.explorer.models import PRETRAINED, SHOWN, pretrained, trained, unpacked
from fdd.pictures import resize

PARAMS = fdd.sample_params(3, "test", version="mini-1")
NOISE = np.random.default_rng(0).standard_normal(32 * 32).astype(np.float32)
SMALL = {name: value for name, value in TINY.items() if name != "kernel_size"}
LAYERED = {name: SMALL[name] for name in SMALL if name != "width"} | {
    "atoms": "4:6",
    "sides": "4:3",
    "lambdas": "0.1:0.1",
    "iterations": 12,
}
OPTIONS = {
    "dcgan": {**TINY, "mapping_layers": 1, "ema": 0.9},
    "lsd": {
        **TINY,
        "colors": "hsv",
        "vector": "canonical",
        "generator_stride": 2,
        "kernel_size": 9,
    },
    "aae": {**TINY, "kernel_size": 5},
    "betavae": {**TINY, "latent_size": 3},
    "contrastive": {**SMALL, "batch_size": 16, "odd_codes": 2},
    "lejepa": {**SMALL, "colors": "hsv"},
    "dcca": {
        **SMALL,
        "batch_size": 16,
        "encoder_codes": 5,
        "encoder_odd_codes": 2,
        "odd_codes": 3,
        "memory": 0,
    }
    | {"hidden": 6, "latent_size": 7, "encoder_from": "elsewhere"},
    "dcca-features": {**SMALL, "batch_size": 16, "reads": "features", "odd_codes": 0, "memory": 0}
    | {"hidden": 6, "latent_size": 7, "encoder_from": "elsewhere"},
    "dcca-hidden": {**SMALL, "batch_size": 16, "reads": "hidden", "odd_codes": 0, "memory": 0}
    | {"hidden": 6, "latent_size": 7, "encoder_from": "elsewhere"},
    "dcca-sorted": {**SMALL, "batch_size": 16, "reads": "features", "odd_codes": 0, "memory": 0}
    | {"hidden": 6, "codes": 7, "latent_size": 3, "codes_from": "elsewhere"},
    "dcca-axes": {**SMALL, "batch_size": 16, "reads": "features", "odd_codes": 0, "memory": 0}
    | {"hidden": 6, "codes": 7, "sorted_codes": 4, "latent_size": 3, "codes_from": "elsewhere"},
    "dcca-one": {**SMALL, "batch_size": 16, "reads": "features", "odd_codes": 0, "memory": 0}
    | {"hidden": 6, "codes": 7, "sorted_codes": 4, "latent_size": 3, "codes_from": "elsewhere"}
    | {"pairs": "one"},
    "regression": SMALL,
    "emulator": {**SMALL, "version": "mini-1", "image_size": 32, "blocks": 1, "frequencies": 4}
    | {"loss": "mse", "symmetry": False},
    "flow": {**SMALL, "version": "mini-1", "image_size": 32, "blocks": 1, "frequencies": 4}
    | {"channels": 8, "noise_steps": 3},
    "aegean": {**TINY, "kernel_size": 5, "width": 4, "latent_size": 5},
    "aegean-alone": {**TINY, "latent_size": 5, "background": False},
    "aegean-2019": {**TINY, "latent_size": 5, "network": "2019", "dropout": 0.0}
    | {"background": False},
    "sdpc": {**LAYERED, "latent_size": 24, "tolerance": 1e-9, "k": 0.7},
    "sdpc_gan": {**LAYERED, "latent_size": 5, "width": 2, "hidden": 7, "pool": 2, "ema": 0.0},
    "biggan": {**SMALL, "batch_size": 8, "noise_size": 3, "embedding": 5, "patch": 2, "ema": 0.0},
}
"""Of a run of each baseline that is not among the pretrained models in this form, or, with a name
behind it, of a form of one with other networks."""


def in_torch(told, model):
    """The torch model with the weights that the page has."""
    weights = unpacked(gzip.decompress(base64.b64decode(told["weights"])))[1]
    for module in list(model.network.modules()):
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    state = model.network.state_dict()
    for name in state.keys() & weights.keys():
        weight = torch.from_numpy(weights[name].astype(np.float32))
        if (scale := weights.get(f"{name}.scale")) is not None:
            weight *= torch.tensor(scale).reshape(-1, *[1] * (weight.ndim - 1))
        state[name] = weight
    model.network.load_state_dict(state)
    return model


USED = """
const { newModel } = modules.models;
const { opened } = modules.weights;
return given.models.map((told) => {
  const bytes = gunzipSync(Buffer.from(told.weights, "base64"));
  const model = newModel({ ...told, weights: opened(bufferOf(bytes)).weights });
  const list = (values) => values && [...values];
  return given.params.map((params) => {
    const seen = model.see(params);
    const encoded = list(model.encode?.(seen));
    const vector = list(model.vector?.(params));
    const code = encoded ?? vector ?? Array(told.config.latent_size).fill(0.5);
    return {
      does: ["generate", "vector", "encode"].filter((one) => model[one]),
      seen: sha256(seen.filter((_, place) => place % 4 < 3)),
      encoded,
      vector,
      code,
      shares: list(model.probabilities?.(code)),
      painted: list(model.paint?.(code)),
      levels: list(model.levels?.(code, given.noise)),
      pictured: list(model.pictured?.(code, given.noise)),
      made: list(model.generate?.(code)),
    };
  });
});"""


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """Each model as (what the page has of it, what JavaScript makes of PARAMS, it in torch)."""
    folder = tmp_path_factory.mktemp("models")
    write_modules(folder)
    told = {name: pretrained(name) for name in PRETRAINED}
    models = {name: baselines.load_pretrained(name, "cpu") for name in PRETRAINED}
    for name, options in OPTIONS.items():
        run = write_run(folder / name, name.partition("-")[0], **options)
        told[name], models[name] = trained(run), baselines.load_run(run, "cpu")
    given = {"models": list(told.values()), "params": PARAMS.tolist(), "noise": NOISE.tolist()}
    found = run_node(folder, USED, given)
    return {
        name: (told[name], one, in_torch(told[name], models[name]))
        for name, one in zip(told, found, strict=True)
    }


@pytest.mark.parametrize("name", [*PRETRAINED, *OPTIONS])
def test_models_make_what_they_make_in_torch(used, name):
    told, found, model = used[name]
    images = resize(fdd.render(PARAMS, **told["drawing"]), model.image_size)
    column = {key: [one.get(key) for one in found] for key in found[0]}
    assert column["does"] == [told["does"]] * len(PARAMS)
    assert column["seen"] == [hashlib.sha256(image).hexdigest() for image in images]
    if model.can_encode:
        codes = model.encode(images)
        assert np.array(column["encoded"]) == pytest.approx(codes, abs=1e-4)
        assert codes.std() > 1e-3
    if model.has_vectors:
        assert np.array(column["vector"]) == pytest.approx(model.vectors(PARAMS), abs=1e-6)
    codes = np.array(column["code"], np.float32)
    if "shares" in column:
        with torch.no_grad():
            scores = model.network.canvas(torch.from_numpy(codes))
        shares = scores.flatten(1).softmax(1).numpy()
        assert np.array(column["shares"]) == pytest.approx(shares, abs=1e-5)
        assert np.std(shares) > 1e-4
    elif "levels" in column:
        levels = flowed(model.network, codes)
        assert np.array(column["levels"]) == pytest.approx(levels, abs=1e-4)
        assert np.std(levels - NOISE) > 0.01
    elif "pictured" in column:
        noise = NOISE[: 3 * model.network.generator.levels].reshape(1, -1, 3).repeat(len(codes), 0)
        with torch.no_grad():
            pictured = model.network.pictures(torch.from_numpy(codes), torch.from_numpy(noise))
        assert np.array(column["pictured"]) == pytest.approx(pictured.flatten(1).numpy(), abs=1e-4)
        assert np.std(pictured.numpy()) > 0.01
    elif model.can_generate:
        with torch.no_grad():
            painted = model.network.generate(torch.from_numpy(codes)).flatten(1).numpy()
        assert np.array(column["painted"]) == pytest.approx(painted, abs=1e-4)
        assert np.std(painted) > 0.01
        pictures = np.reshape(column["made"], (*images.shape[:3], 4))
        assert np.abs(pictures[..., :3] - model.generate(codes).astype(int)).max() <= 1


def flowed(flow, codes):
    """The levels to which NOISE flows, [N, cells]."""
    steps = flow.config.noise_steps
    with torch.no_grad():
        maps = flow.seen(flow.canvas(torch.from_numpy(codes)))
        levels = torch.from_numpy(NOISE).reshape(1, 1, 32, 32).repeat(len(codes), 1, 1, 1)
        for step in range(steps):
            times = torch.full((len(codes),), step / steps)
            levels = levels + flow.velocity(levels, maps, times) / steps
    return levels.flatten(1).numpy()


def test_eight_bits_change_what_the_emulator_draws_less_than_chance_does(used):
    """Its probabilities: half the sum of differences, beside that of the 4,000 points drawn."""
    _told, found, _ = used["mini-emulator"]
    model = baselines.load_pretrained("mini-emulator", "cpu")
    with torch.no_grad():
        scores = model.network.canvas(torch.from_numpy(model.vectors(PARAMS)))
    whole = scores.flatten(1).softmax(1).numpy()
    shares = np.array([one["shares"] for one in found])
    assert np.abs(shares - whole).sum(axis=1).max() / 2 < 0.02
    counts = np.random.default_rng(0).multinomial(4000, whole[0].astype(float) / whole[0].sum())
    assert np.abs(counts / 4000 - whole[0]).sum() / 2 > 0.1


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules")
    write_modules(folder)
    return lambda program, given=None: run_node(folder, program, given)


def test_points_fall_as_in_torch(node):
    shares = np.random.default_rng(0).dirichlet(np.ones(64), 2)
    numbers = np.array([0.0, 0.25, 0.5, 0.999999, *np.random.default_rng(1).random(500)])
    program = """const { drawn } = modules.emulator;
      return given.shares.map((one) => [...drawn(Float64Array.from(one), given.numbers)]);"""
    found = node(program, {"shares": shares.tolist(), "numbers": numbers.tolist()})
    rows = torch.from_numpy(np.stack([numbers, numbers]))
    assert np.array_equal(found, drawn(torch.from_numpy(shares), rows).numpy())


def test_random_numbers_are_uniform_and_the_same_again(node):
    program = """const { uniforms } = modules.emulator;
      return [0, 0, 1].map((seed) => [...uniforms(seed, 20000)]);"""
    first, again, other = node(program)
    assert first == again
    assert first != other
    counts = np.histogram(first, 20, (0, 1))[0]
    assert counts.sum() == 20000
    assert np.abs(counts - 1000).max() < 150


def test_ssim_ranks_and_sizes_are_those_of_the_benchmark(node):
    images = resize(fdd.render(PARAMS), 32)
    images = np.concatenate([images, images[:1]])  # a tie
    program = """const { rankOf, ssim } = modules.similarity;
      const [first, ...others] = given.map((image) => Uint8ClampedArray.from(image));
      const { resized } = modules.models;
      return [others.map((one) => ssim(first, one, 32)), rankOf(first, others[0], others.slice(1)),
        rankOf(others[0], first, others.slice(1)), [...resized(others[0], 32, 8)]];"""
    padded = np.pad(images, [(0, 0)] * 3 + [(0, 1)], constant_values=255)
    alike, rank, tied, smaller = node(program, padded.reshape(4, -1).tolist())
    assert alike == pytest.approx(ssim(images[[0, 0, 0]], images[1:]), abs=1e-9)
    assert rank == 3
    assert tied == retrieval(images[[1]], images[[0, 2, 3]]).ranks[0]
    assert np.array_equal(np.reshape(smaller, (8, 8, 4))[..., :3], resize(images[1:2], 8)[0])


def test_statistics_are_those_of_numpy(node):
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((60, 4)) * [1, 2, 4, 0.5] + 1
    targets = codes @ rng.standard_normal((4, 2)) + 0.1 * rng.standard_normal((60, 2))
    program = """const s = modules.statistics;
      const map = s.linearMap(given.codes, given.targets);
      const found = given.codes.map((row) => s.mapped(map, row));
      const column = (rows, i) => rows.map((row) => row[i]);
      return [s.principalAxes(given.codes), found, s.determination(found, given.targets),
        s.correlation(column(given.codes, 0), column(given.targets, 0)),
        s.correlation(column(given.codes, 0), Array(60).fill(2))];"""
    given = {"codes": codes.tolist(), "targets": targets.tolist()}
    axes, found, r2, correlation, constant = node(program, given)
    _, vectors = np.linalg.eigh(np.cov(codes.T))
    assert np.abs(np.array(axes) @ vectors[:, ::-1][:, :2]) == pytest.approx(np.eye(2), abs=1e-6)
    longer = np.column_stack([codes, np.ones(60)])
    fitted = longer @ np.linalg.lstsq(longer, targets, rcond=None)[0]
    assert np.array(found) == pytest.approx(fitted, abs=1e-3)
    assert r2 == pytest.approx(1 - (fitted - targets).var(axis=0) / targets.var(axis=0), abs=1e-4)
    assert correlation == pytest.approx(np.corrcoef(codes[:, 0], targets[:, 0])[0, 1])
    assert constant == 0


# The page and the command


def test_the_page_with_the_pretrained_models_is_small():
    shown = str(explore())
    assert len(shown.encode()) < 6e6
    assert str(explore(SHOWN)) == shown
    models = json.loads(shown.partition('id="models">')[2].partition("</script>")[0])
    assert [model["name"] for model in models["models"]] == list(SHOWN)
    rows = np.frombuffer(base64.b64decode(models["vectors"]["mini-1"])).reshape(-1, 6)
    assert np.array_equal(rows[:3], PARAMS)


def test_names_and_options_of_runs_are_data(tmp_path):
    name = "<img src=x onerror=alert(1)>&quot;"
    run = write_run(tmp_path / name, "lejepa", **SMALL)
    shown = str(explore(run))
    assert "<img" not in shown
    assert shown.count("<script") == shown.count("</script>")
    assert str(tmp_path) not in shown
    place = str(tmp_path / "emulator")
    flow = write_run(tmp_path / "flow", "flow", **OPTIONS["flow"], emulator_from=place)
    assert str(tmp_path) not in str(explore(flow))


def refused(run, capsys):
    assert main([str(run), "--out", str(run.parent / "page.html")]) == 2
    assert not (run.parent / "page.html").exists()
    return capsys.readouterr().err


def test_what_is_no_run_is_refused(tmp_path, capsys):
    missing = tmp_path / "missing"
    assert refused(missing, capsys) == (
        f"error: run='{missing}' must be the folder of a run, or one of mini-emulator, "
        "mini-contrastive, mini-dcca, mini-pairs, mini-one, mini-aae: there is no "
        f"'{missing}/config.json' of at most "
        "256 MiB\n"
    )


def test_a_damaged_run_is_refused(tmp_path, capsys):
    run = write_run(tmp_path / "run", "lejepa", **SMALL)
    (run / "checkpoints" / "last" / "model.safetensors").write_bytes(bytes(100))
    assert refused(run, capsys).startswith(f"error: run='{run}' is damaged: ")
    (run / "config.json").write_text("[]")
    assert refused(run, capsys).startswith(f"error: run='{run}' is damaged: ")


def test_one_changed_bit_of_the_weights_is_noticed(tmp_path, capsys):
    run = write_run(tmp_path / "run", "lejepa", **SMALL)
    weights = run / "checkpoints" / "last" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    digest = hashlib.sha256(content).hexdigest()
    (weights.parent / "SHA256SUMS").write_text(f"{digest}  model.safetensors\n")
    explore(run)
    content[-1] ^= 1
    weights.write_bytes(content)
    assert refused(run, capsys) == (
        f"error: run='{run}' is damaged: "
        "'the SHA-256 of its weights is not the one in SHA256SUMS'\n"
    )


@pytest.mark.parametrize("runs", [5, 1.5, object])
def test_what_is_no_list_of_runs_is_refused(runs):
    with pytest.raises(FddError) as caught:
        explore(runs)
    assert str(caught.value) == (
        f"runs={runs!r} must be the folder of a run, the name of a pretrained model, or a list of "
        "such"
    )


def test_a_run_that_the_page_does_not_know_is_refused(tmp_path):
    run = write_run(tmp_path / "run", "lejepa", **SMALL)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "colors": "lab"}))
    with pytest.raises(FddError, match="colors='lab' is not known; choose from rgb, hsv"):
        explore(run)
    (run / "config.json").write_text(json.dumps({**config, "baseline": "tree"}))
    with pytest.raises(FddError, match="baseline='tree' is not known; choose from dcgan, lsd, "):
        explore(run)
    (run / "config.json").write_text(json.dumps({**config, "baseline": "cyclegan"}))
    with pytest.raises(FddError) as caught:
        explore(run)
    assert str(caught.value) == (
        f"run='{run}' is a cyclegan, which translates images: it draws no vector and reads none, "
        "so the page has nothing to show of it; fdd train lists other baselines"
    )
