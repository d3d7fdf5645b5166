"""Deep CCA on a trained encoder: known correlations, exact symmetry, a memory, honest resuming."""

import json
from dataclasses import fields, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from tiny_runs import TINY, acting, pairs, result
from torch import nn

import baselines
from baselines.contrastive import Config as ContrastiveConfig
from baselines.contrastive import Contrastive
from baselines.dcca import DCCA, PRESETS, RIDGE, Config, mean_correlation
from baselines.pretrained.models import packed
from baselines.training.data import Batch
from baselines.training.loop import Outcome, train
from fdd import FddError
from fdd.releases.cards import RELEASES, Release

SMALL = Release("small-1", {"train": 150, "val": 10, "test": 20}, size=16, points=400)
SHARED = {name: value for name, value in TINY.items() if name != "kernel_size"} | {
    "version": SMALL.name,
    "batch_size": 8,
    "precision": "float32",
}
OWN = {
    "latent_size": 4,
    "odd_codes": 2,
    "encoder_codes": 5,
    "encoder_odd_codes": 2,
    "hidden": 6,
    "memory": 20,
    "sample": 12,
}


@pytest.fixture(scope="module", autouse=True)
def encoders(tmp_path_factory):
    """The run folders of contrastive encoders of 5 codes, by how many of them are odd."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RELEASES, SMALL.name, SMALL)
        folders = {odd: tmp_path_factory.mktemp("encoder") / "run" for odd in (0, 2)}
        for odd, folder in folders.items():
            config = ContrastiveConfig(**SHARED, latent_size=5, odd_codes=odd)
            train(Contrastive, config, folder)
        yield folders


@pytest.fixture
def encoder(encoders):
    """The one with two odd codes."""
    return encoders[2]


@pytest.fixture
def options(encoder):
    return lambda **changes: Config(**SHARED | OWN | {"encoder_from": str(encoder)} | changes)


@pytest.fixture
def model(options):
    """model(...) is one whose encoder is loaded."""

    def go(**changes):
        made = DCCA(options(**changes), torch.Generator().manual_seed(0))
        made.begin()
        return made

    return go


def normal(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).double()


def both(first, second):
    """Codes of two sides [N, L] as those of pairs [N, 2, L]."""
    return torch.stack([first, second], dim=1)


# the correlation


def test_codes_that_agree_have_correlation_one_and_independent_ones_none():
    codes = normal(4000, 3)
    assert mean_correlation(both(codes, codes)).item() == pytest.approx(1, abs=1e-3)
    assert mean_correlation(both(codes, -codes)).item() == pytest.approx(-1, abs=1e-3)
    assert abs(mean_correlation(both(codes, normal(4000, 3, 1))).item()) < 0.03


def test_it_is_the_mean_of_canonical_correlations():
    shared, wanted = normal(20000, 3), torch.tensor([0.9, 0.5, 0.1]).double()
    noisy = [shared * wanted.sqrt() + normal(20000, 3, s) * (1 - wanted).sqrt() for s in (1, 2)]
    mixing = normal(3, 3, 3)
    found = mean_correlation(both(*noisy) @ mixing + 5)
    assert found.item() == pytest.approx(0.5, abs=0.02)


def test_a_linear_map_of_the_codes_changes_nothing():
    first, noise = normal(500, 4), normal(500, 4, 1)
    before = mean_correlation(both(first, first + noise))
    mixing = normal(4, 4, 2)
    after = mean_correlation(both(first, first + noise) @ mixing)
    assert after.item() == pytest.approx(before.item(), abs=2e-3)


def test_odd_codes_have_mean_zero_and_nothing_in_common_with_the_others():
    first, noise = normal(3000, 2), normal(3000, 2, 1)
    pairs_of_one = both(first, first + noise)
    twice = torch.cat([pairs_of_one, pairs_of_one], dim=2)
    of_one = mean_correlation(pairs_of_one)
    assert mean_correlation(twice, odd=2).item() == pytest.approx(of_one.item(), abs=2e-3)
    constant = torch.ones(100, 2, 1).double()
    assert mean_correlation(constant, odd=0).item() == pytest.approx(0, abs=1e-6)
    assert mean_correlation(constant, odd=1).item() == pytest.approx(1, abs=1e-3)


def test_of_a_group_it_is_the_mean_over_all_its_pairs():
    shared, wanted = normal(3000, 3)[:, None], torch.tensor([0.6, 0.3, 0.1]).double()
    own = torch.stack([normal(3000, 3, seed) for seed in range(1, 6)], dim=1)
    groups = shared * wanted.sqrt() + own * (1 - wanted).sqrt()
    found = mean_correlation(groups)
    assert found.item() == pytest.approx(1 / 3, abs=0.02)

    centred = (groups - groups.mean(dim=(0, 1))).unbind(dim=1)
    own = sum(one.T @ one for one in centred) / (5 * 3000) + RIDGE * torch.eye(3)
    cross = sum(one.T @ other for one, other in permutations(centred, 2)) / (20 * 3000)
    expected = torch.trace(torch.linalg.inv(own) @ cross) / 3
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)


# the model


def test_the_encoder_is_that_of_the_run_and_does_not_learn(model, encoder):
    made, batch = model().train(), pairs()
    before = {name: value.clone() for name, value in made.encoder.state_dict().items()}
    made.step(batch, torch.Generator().manual_seed(1))
    for name, value in made.encoder.state_dict().items():
        assert torch.equal(value, before[name])
    images = batch.images[:, 0]
    own = baselines.load_run(encoder, "cpu").network.encode(images)
    torch.testing.assert_close(made.eval().read(images), own)


def test_odd_codes_change_their_sign_with_an_image_turned_upside_down(model):
    made = model()
    made.remember(torch.randn(8, 2, 5, generator=torch.Generator().manual_seed(0)))
    images = pairs().images[:, 0]
    upright, down = made.eval().encode(images), made.eval().encode(images.flip(2))
    torch.testing.assert_close(upright[:, :2], down[:, :2])
    torch.testing.assert_close(upright[:, 2:], -down[:, 2:])
    assert upright[:, 2:].abs().max() > 1e-3


def test_the_memory_holds_the_latest_pairs(model):
    made, codes = model(), torch.arange(24.0)[:, None, None].expand(24, 2, 5)
    for start in range(0, 24, 8):
        made.remember(codes[start : start + 8])
    held = sorted(made.memory[:, 0, 0].tolist())
    assert held == [float(number) for number in range(4, 24)]


def test_the_loss_falls(model):
    made, batch = model(memory=64, sample=64).train(), pairs(64)
    rng = torch.Generator().manual_seed(2)
    found = [made.step(batch, rng)["correlation"].item() for _ in range(60)]
    assert np.mean(found[-5:]) > np.mean(found[:5]) + 0.1


def test_a_run_that_was_stopped_goes_on_with_the_same_bits(options, tmp_path):
    assert train(DCCA, options(), tmp_path / "whole") == Outcome(8)

    with pytest.raises(KeyboardInterrupt):  # after the checkpoint of step 4
        train(acting(DCCA, 6, interrupt), options(), tmp_path / "parts")
    assert train(DCCA, options(), tmp_path / "parts") == Outcome(8)
    assert result(tmp_path / "whole") == result(tmp_path / "parts")
    loaded = baselines.load_run(tmp_path / "whole", "cpu")
    codes = loaded.encode(np.full((3, 16, 16, 3), 255, np.uint8))
    assert codes.shape == (3, 4)
    assert np.isfinite(codes).all()
    saved = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert saved["supervision"] == "symmetry"


@pytest.mark.parametrize(
    ("reads", "left", "numbers"),
    [("features", 3, 4 * SHARED["width"] * 2**2), ("hidden", 1, 8 * SHARED["width"])],
)
def test_it_may_read_what_comes_before_the_codes(model, encoder, reads, left, numbers):
    made, images = model(reads=reads, odd_codes=0).eval(), pairs().images[:, 0]
    whole = baselines.load_run(encoder, "cpu").network.encoder.eval()
    found = made.read(images)
    assert found.shape == (len(images), numbers)
    with torch.no_grad():
        torch.testing.assert_close(nn.Sequential(*list(whole)[-left:])(found), whole(images))


def test_without_a_memory_a_step_is_on_its_batch(model):
    made = model(memory=0).train()
    batch, rng = pairs(64), torch.Generator().manual_seed(2)
    with torch.no_grad():
        made.measure(made.read(batch.images.flatten(0, 1)).unflatten(0, (-1, 2)))
        expected = made.loss(batch)
    found = made.step(batch, rng)["correlation"]
    torch.testing.assert_close(found, -expected)
    assert made.memory.numel() == 0
    assert made.seen == 64
    falls = [made.step(batch, rng)["correlation"].item() for _ in range(60)]
    assert np.mean(falls[-5:]) > found.item() + 0.1


def test_a_step_on_groups_is_on_all_their_images(model):
    made = model(memory=0, pairs="ou", ou_members=4).train()
    images = pairs(16).images.unflatten(0, (8, 2)).flatten(1, 2)
    batch = Batch(images, None)
    with torch.no_grad():
        made.measure(made.read(images.flatten(0, 1)).unflatten(0, (8, 4)))
        expected = made.loss(batch)
        codes = made.encode(images.flatten(0, 1)).unflatten(0, (8, 4))
    torch.testing.assert_close(expected, -mean_correlation(codes, odd=2), atol=1e-5, rtol=1e-4)
    found = made.step(batch, torch.Generator().manual_seed(2))["correlation"]
    torch.testing.assert_close(found, -expected)
    assert made.seen == 8


def interrupt(model, losses):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "changes",
    [
        {"reads": "features", "memory": 0},
        {"reads": "hidden", "optimizer": "muon"},
        {"pairs": "ou", "ou_members": 3},
    ],
)
def test_a_run_on_pairs_alone_goes_on_with_the_same_bits(options, encoders, changes, tmp_path):
    alone = {"odd_codes": 0, "encoder_odd_codes": 0, "encoder_from": str(encoders[0])}
    changed = options(**changes, **alone)
    train(DCCA, changed, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(acting(DCCA, 6, interrupt), changed, tmp_path / "parts")
    train(DCCA, changed, tmp_path / "parts")
    assert result(tmp_path / "whole") == result(tmp_path / "parts")
    assert baselines.load_run(tmp_path / "whole", "cpu").supervision == "pairs"


@pytest.mark.parametrize("memory", [0, 20])
def test_a_packed_run_has_no_memory_and_tells_no_paths(options, memory, tmp_path):
    train(DCCA, options(memory=memory), tmp_path / "run")
    data = packed(tmp_path / "run", {})
    about = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["about"]
    config = json.loads(about)["config"]
    assert config["encoder_from"] == Path(options().encoder_from).name
    names = {field.name for field in fields(Config)}
    made = DCCA(Config(**{k: v for k, v in config.items() if k in names}), torch.Generator())
    made.load_state_dict(safetensors.torch.load(data))
    assert made.memory.numel() == 0
    images = pairs().images[:, 0]
    run = baselines.load_run(tmp_path / "run", "cpu").network
    torch.testing.assert_close(made.eval().encode(images), run.encode(images), atol=0.02, rtol=0)


def test_muon_moves_matrices_and_adamw_the_rest(model):
    made, batch = model(optimizer="muon").train(), pairs()
    before = {name: one.detach().clone() for name, one in made.head.named_parameters()}
    made.step(batch, torch.Generator().manual_seed(1))
    moved = {n: (p.detach() - before[n]) for n, p in made.head.named_parameters()}
    values = torch.linalg.svdvals(moved["2.weight"])
    assert values.min() > 0.5 * values.max()  # nearly orthogonal
    rate = made.config.lr
    assert moved["2.bias"].abs().max() <= rate * (1 + 1e-4)
    kinds = {name: type(one).__name__ for name, one in made.optimizers.items()}
    assert kinds == {"matrices": "Muon", "head": "AdamW"}


def test_a_torch_without_muon_trains_with_adamw_and_loads_what_muon_trained(
    options, tmp_path, monkeypatch
):
    train(DCCA, options(optimizer="muon"), tmp_path / "run")
    monkeypatch.delattr(torch.optim, "Muon")
    assert baselines.load_run(tmp_path / "run", "cpu").config["optimizer"] == "muon"
    with pytest.raises(FddError) as error:
        DCCA(options(optimizer="muon"), torch.Generator()).begin()
    assert str(error.value) == (
        "optimizer='muon' needs torch 2.9 or newer, and this is "
        f"{torch.__version__}; choose optimizer='adamw'"
    )


def test_the_presets(encoder):
    for name, supervision in [("mini", "pairs"), ("full", "pairs"), ("odd", "symmetry")]:
        config = replace(PRESETS[name], encoder_from=str(encoder))
        config.check()
        assert config.supervision == supervision
    for name, taken, supervision in [
        ("sorted", "mini", "pairs"),
        ("axes", "sorted", "pairs"),
        ("one", "sorted", "one"),
    ]:
        config = replace(PRESETS[name], codes_from="elsewhere")
        config.check()
        assert config.supervision == supervision
        assert (config.sorted_codes or config.codes) == PRESETS[taken].latent_size


# maps of the codes of a run


@pytest.fixture(scope="module")
def found(encoders, tmp_path_factory):
    """The run folder of deep CCA whose codes get new codes."""
    folder = tmp_path_factory.mktemp("found") / "run"
    alone = {"odd_codes": 0, "encoder_odd_codes": 0, "encoder_from": str(encoders[0])}
    train(DCCA, Config(**SHARED | OWN | alone | {"memory": 0}), folder)
    return folder


LAST = SHARED | OWN | {"odd_codes": 0, "encoder_odd_codes": 0, "memory": 0, "codes": 4}


@pytest.fixture(scope="module")
def sorted_run(found, tmp_path_factory):
    """The run folder of the second network on its codes."""
    folder = tmp_path_factory.mktemp("sorted") / "run"
    own = {"pairs": "ou", "latent_size": 3, "codes_from": str(found)}
    assert train(DCCA, Config(**LAST | own), folder) == Outcome(8)
    return folder


@pytest.fixture
def again(sorted_run):
    """Options of the last map, of the codes of that run."""
    own = {"sorted_codes": 3, "latent_size": 2, "codes_from": str(sorted_run)}
    return lambda **changes: Config(**LAST | own | changes)


def test_new_codes_are_functions_of_those_of_the_run_which_stay(again, found, sorted_run, tmp_path):
    train(DCCA, again(), tmp_path / "run")
    first, second, last = (
        baselines.load_run(run, "cpu").network for run in (found, sorted_run, tmp_path / "run")
    )
    assert last.seen == second.seen == 8 * SHARED["batch_size"]
    images = pairs(40).images[:, 0]
    with torch.no_grad():
        codes = first.encode(images)
        sorted_codes = second.sort(codes)
        torch.testing.assert_close(second.encode(images), sorted_codes)
        torch.testing.assert_close(last.encode(images), last.axes(sorted_codes))
    loaded = [baselines.load_run(run, "cpu") for run in (sorted_run, tmp_path / "run")]
    assert [one.latent_size for one in loaded] == [3, 2]


@pytest.mark.parametrize("changes", [{}, {"pairs": "one"}, {"sorted_codes": 0}])
def test_a_run_on_codes_that_was_stopped_goes_on_with_the_same_bits(
    again, found, changes, tmp_path
):
    if "sorted_codes" in changes:
        changes = changes | {"codes_from": str(found)}
    changed = again(**changes)
    train(DCCA, changed, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(acting(DCCA, 6, interrupt), changed, tmp_path / "parts")
    train(DCCA, changed, tmp_path / "parts")
    assert result(tmp_path / "whole") == result(tmp_path / "parts")


class Given(nn.Module):
    """Images that are codes already."""

    def forward(self, images):
        return images


def on_given_codes(config):
    """A model in training whose maps see batches of codes [N, 2, 4] as they are."""
    made = DCCA(config, torch.Generator().manual_seed(0)).train()
    made.encoder = made.head = Given()
    made.centre, made.scale = torch.zeros(4), torch.ones(4)
    return made


MIXING = torch.randn(4, 4, generator=torch.Generator().manual_seed(5))


def test_the_second_network_gives_canonical_variates_in_order(again):
    groups = {"pairs": "ou", "ou_members": 8, "sorted_codes": 0, "latent_size": 3}
    made = on_given_codes(again(codes_from="elsewhere", **groups))
    # the square of a latent agrees by the square of its own agreement, which comes after these
    rng, agreement = torch.Generator().manual_seed(3), torch.tensor([0.55, 0.7, 0.62, 0.0])

    def drawn():
        shared = torch.randn(128, 1, 4, generator=rng)
        own = torch.randn(128, 8, 4, generator=rng)
        return agreement.sqrt() * shared + (1 - agreement).sqrt() * own

    for step in range(300):
        if step == 200:  # moments are those of the last steps, in which rates fall
            made.optimizers["sorting"].param_groups[0]["lr"] /= 50
        made.step(Batch(drawn() @ MIXING, None), rng)
    truth = torch.cat([drawn() for _ in range(80)])[:, 0]
    with torch.no_grad():
        new = made.sort(truth @ MIXING)
    assert torch.cov(new.T).numpy() == pytest.approx(np.eye(3), abs=0.1)
    apart = torch.corrcoef(torch.cat([truth, new], dim=1).T)[:4, 4:].abs()
    for code, latent in enumerate((1, 2, 0)):
        assert apart[latent, code] > 0.98


@pytest.mark.parametrize("kind", ["some", "one"])
def test_the_last_map_finds_what_only_one_code_need_show(again, kind):
    own = {"codes_from": "elsewhere", "sorted_codes": 4, "latent_size": 4, "pairs": kind}
    made = on_given_codes(again(**own))
    made.sorting = Given()
    rng, told = torch.Generator().manual_seed(3), kind == "one"

    def drawn():
        """Two numbers, each kept or drawn anew, and which one changed, in a mixture."""
        first, other = torch.rand(2, 256, 2, generator=rng)
        number = torch.randint(2, (256,), generator=rng)
        changed = torch.nn.functional.one_hot(number, 2) == 1
        if not told:
            changed = torch.rand(256, 2, generator=rng) < 0.5
        both = torch.stack([first, torch.where(changed, other, first)], dim=1)
        noise = 0.02 * torch.randn(256, 2, 2, generator=rng)
        return both, torch.cat([both + noise, both.square()], dim=2) @ MIXING, number + 2

    for _ in range(400):
        _, codes, number = drawn()
        made.step(Batch(codes, None, numbers=number if told else None), rng)
    truth, codes = (one[:, 0] for one in drawn()[:2])
    with torch.no_grad():
        new = made.axes(codes)
    apart = torch.corrcoef(torch.cat([truth, new], dim=1).T)[:2, 2:].abs()
    best = apart.max(dim=1)
    assert best.values.min() > 0.9
    assert apart[[1, 0], best.indices].max() < 0.4


def test_where_pairs_tell_what_changed_codes_follow_it_in_the_order_of_how_far(again):
    own = {"codes_from": "elsewhere", "sorted_codes": 4, "latent_size": 3, "pairs": "one"}
    made = on_given_codes(again(**own))
    made.sorting = Given()
    rng, noise = torch.Generator().manual_seed(3), torch.tensor([0.3, 0.1, 0.2, 3.0])
    units = torch.linalg.inv(torch.linalg.cholesky(MIXING.T @ MIXING + torch.eye(4))).T

    def drawn(count=256):
        """Four parameters, of which images show some better than others, in a mixture."""
        first, other = torch.randn(2, count, 4, generator=rng)
        number = torch.randint(6, (count,), generator=rng)
        changed = torch.nn.functional.one_hot(number, 6)[:, 2:] == 1
        both = torch.stack([first, torch.where(changed, other, first)], dim=1)
        seen = both + noise * torch.randn(both.shape, generator=rng)
        return both, seen @ MIXING @ units, number

    for _ in range(60):
        _, codes, numbers = drawn()
        told = made.step(Batch(codes, None, numbers=numbers), rng)["share"]
    assert made.owners.tolist() == [3, 4, 2]
    assert made.counts.sum() == 60 * 256
    truth, codes, numbers = drawn(20_000)
    with torch.no_grad():
        new = made.axes(codes[:, 0])
        share = -made.loss(Batch(codes, None, numbers=numbers))
    apart = torch.corrcoef(torch.cat([truth[:, 0], new], dim=1).T)[:4, 4:].abs()
    expected = (1 + noise[[1, 2, 0]].square()).rsqrt()
    assert apart[[1, 2, 0], [0, 1, 2]].numpy() == pytest.approx(expected.numpy(), abs=0.02)
    # a change of variance 2, seen in a sixth of the pairs, beside noise of 2 s^2 in all of them
    own_share = (1 + noise[[1, 2, 0]].square()) / (1 + 6 * noise[[1, 2, 0]].square())
    assert share.item() == pytest.approx(own_share.mean().item(), abs=0.02)
    assert told.item() == pytest.approx(share.item(), abs=0.1)


def test_functions_that_follow_a_parameter_as_far_are_told_apart_by_how_much_they_agree(again):
    own = {"codes_from": "elsewhere", "sorted_codes": 4, "latent_size": 4, "pairs": "one"}
    made = on_given_codes(again(**own))
    made.sorting = Given()
    turn = torch.linalg.qr(MIXING).Q
    made.cross.copy_(turn.T @ torch.diag(torch.tensor([0.49, 0.7, 0.7, 0.49])) @ turn)
    rng = torch.Generator().manual_seed(3)

    def drawn(count=256):
        """|c|, c, d and |d|, all seen as well, in a mixture of variance 1."""
        first, other = torch.randn(2, count, 2, generator=rng)
        number = torch.randint(4, 6, (count,), generator=rng)
        changed = torch.nn.functional.one_hot(number - 4, 2) == 1
        both = torch.stack([first, torch.where(changed, other, first)], dim=1)
        sizes = (both.abs() - (2 / torch.pi) ** 0.5) / (1 - 2 / torch.pi) ** 0.5
        seen = torch.stack([sizes[..., 0], both[..., 0], both[..., 1], sizes[..., 1]], dim=2)
        return seen, (seen + 0.1 * torch.randn(seen.shape, generator=rng)) @ turn, number

    for _ in range(60):
        _, codes, numbers = drawn()
        made.step(Batch(codes, None, numbers=numbers), rng)
    truth, codes, _ = drawn(20_000)
    with torch.no_grad():
        new = made.axes(codes[:, 0])
    apart = torch.corrcoef(torch.cat([truth[:, 0], new], dim=1).T)[:4, 4:].abs()
    assert apart.max(dim=1).values.min() > 0.95
    assert sorted(apart.argmax(dim=1).tolist()) == [0, 1, 2, 3]
    assert {4, 5} == set(made.owners.tolist())


@pytest.mark.parametrize("changes", [{}, {"pairs": "one"}])
def test_a_packed_run_on_codes_gives_the_same_codes(again, changes, tmp_path):
    train(DCCA, again(**changes), tmp_path / "run")
    data = packed(tmp_path / "run", {})
    made = DCCA(again(**changes), torch.Generator())
    made.load_state_dict(safetensors.torch.load(data))
    images = pairs().images[:, 0]
    run = baselines.load_run(tmp_path / "run", "cpu").network
    torch.testing.assert_close(made.eval().encode(images), run.encode(images), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"codes_from": None},
            "codes_from=None must be the folder of a run of baselines.dcca with codes=4: new "
            "codes are made of its codes",
        ),
        (
            {"codes": 0, "sorted_codes": 0, "encoder_from": "near"},
            "codes_from={found!r} must be None with codes=0, which trains deep CCA itself",
        ),
        ({"codes": 0}, "sorted_codes=3 must be 0 with codes=0: they are made of codes"),
        (
            {"pairs": "start"},
            "pairs='start' must be near or some or one with sorted_codes=3",
        ),
        (
            {"encoder_from": "near"},
            "encoder_from='near' must be None with codes=4: the encoder is that of codes_from",
        ),
        ({"pairs": "ou"}, "pairs='ou' must be near or some or one with sorted_codes=3"),
        ({"memory": 20}, "memory=20 must be 0 with codes=4"),
        (
            {"pairs": "one", "latent_size": 4},
            "latent_size=4 must be at most sorted_codes=3 with pairs='one', which give a linear "
            "map",
        ),
        (
            {"latent_size": 8},
            "latent_size=8 must be below batch_size=8: codes wider than the batch are correlated "
            "by chance",
        ),
    ],
)
def test_bad_options_of_new_codes_are_one_sentence(again, sorted_run, changes, message):
    with pytest.raises(FddError) as error:
        again(**changes).check()
    assert str(error.value) == message.format(found=str(sorted_run))


def test_a_run_whose_codes_do_not_fit_is_one_sentence(again, found, sorted_run, encoders, tmp_path):
    place = str(sorted_run)
    for changes, words in (
        ({"codes": 5}, f"codes_from={place!r} has codes=4; it must be 5"),
        ({"sorted_codes": 5}, f"codes_from={place!r} has latent_size=3; it must be 5"),
        ({"sorted_codes": 0}, f"codes_from={place!r} has codes=4; it must be 0"),
        ({"codes_from": str(found)}, f"codes_from={str(found)!r} has codes=0; it must be 4"),
        ({"hidden": 7}, f"codes_from={place!r} has hidden=6; it must be 7"),
        (
            {"codes_from": str(encoders[0])},
            f"codes_from={str(encoders[0])!r} has baseline='contrastive'; it must be 'dcca'",
        ),
    ):
        with pytest.raises(FddError) as error:
            train(DCCA, again(**changes), tmp_path / "out")
        assert str(error.value) == words
        assert not (tmp_path / "out" / "config.json").exists()
    train(DCCA, again(), tmp_path / "new")
    with pytest.raises(FddError, match=r"/new' has sorted_codes=3; it must be 0$"):
        train(DCCA, again(codes_from=str(tmp_path / "new")), tmp_path / "out")


def test_what_it_is_trained_with(options):
    assert options().supervision == "symmetry"
    assert options(odd_codes=0, encoder_odd_codes=0).supervision == "pairs"
    assert options(pairs="one").supervision == "one"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"encoder_from": None},
            "encoder_from=None must be the folder of a run of baselines.contrastive, whose encoder "
            "this one starts from",
        ),
        ({"odd_codes": 5}, "odd_codes=5 must be at most latent_size=4"),
        ({"encoder_odd_codes": 6}, "encoder_odd_codes=6 must be at most encoder_codes=5"),
        (
            {"encoder_odd_codes": 0},
            "odd_codes=2 must be 0 with encoder_odd_codes=0: functions of even codes are even",
        ),
        (
            {"reads": "features"},
            "odd_codes=2 must be 0 with reads='features': what a turned image does to them is not "
            "known",
        ),
        ({"memory": -1}, "memory=-1 must be a whole number of 0 or more"),
        ({"ou_members": 1}, "ou_members=1 must be a whole number from 2 to 1024"),
        ({"ou_members": 1025}, "ou_members=1025 must be a whole number from 2 to 1024"),
        (
            {"latent_size": 8},
            "latent_size=8 must be below batch_size=8: codes wider than the batch are correlated "
            "by chance",
        ),
    ],
)
def test_bad_options_are_one_sentence(options, changes, message):
    with pytest.raises(FddError) as error:
        options(**changes).check()
    assert str(error.value) == message


def test_an_encoder_that_does_not_fit_or_is_not_there_is_one_sentence(options, tmp_path):
    with pytest.raises(FddError, match=r"its encoder does not fit these options$"):
        train(DCCA, options(encoder_codes=6), tmp_path / "out")
    with pytest.raises(FddError, match=r"^encoder_odd_codes=3 must be 2, as in encoder_from='"):
        train(DCCA, options(encoder_odd_codes=3), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(FddError, match=r"^run folder '.*none': there is no such folder$"):
        train(DCCA, options(encoder_from=str(tmp_path / "none")), tmp_path / "other")
    train(DCCA, options(), tmp_path / "dcca")
    with pytest.raises(FddError, match=r"/dcca' is a run of dcca; it must be one of contrastive$"):
        train(DCCA, options(encoder_from=str(tmp_path / "dcca")), tmp_path / "other")
    with pytest.raises(FddError, match=r"^encoder_from='~nosuchuser': there is no such home"):
        train(DCCA, options(encoder_from="~nosuchuser"), tmp_path / "third")
