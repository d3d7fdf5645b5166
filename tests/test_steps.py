"""Small steps of the parameters move the made images as they move the true ones, or do not."""

import doctest

import numpy as np
import pytest
from scipy.stats import spearmanr

import fdd
from benchmarks.images import steps
from benchmarks.images.steps import local_correspondence, local_floor
from benchmarks.statistics.permutation import permutations

NOTHING = {"cosine": 0.0, "sensitivity": 0.0, "gain": 0.0}


def images(*shape, seed=0):
    """Four stacks of noise, uint8: made, made_moved, true, true_moved."""
    return np.random.default_rng(seed).integers(0, 256, size=(4, *shape), dtype=np.uint8)


def plain(made, made_moved, true, true_moved):
    """The definition, step by step."""
    cosines, ours, theirs = [], [], []
    for i in range(len(made)):
        d = made_moved[i].astype(float).ravel() - made[i].astype(float).ravel()
        e = true_moved[i].astype(float).ravel() - true[i].astype(float).ravel()
        ours.append(np.sqrt(d @ d))
        theirs.append(np.sqrt(e @ e))
        cosines.append(d @ e / (ours[-1] * theirs[-1]))
    gain = np.median(np.array(ours) / np.array(theirs))
    rank = spearmanr(ours, theirs).statistic
    return {"cosine": np.mean(cosines), "sensitivity": rank, "gain": gain}


def test_examples_in_docstrings():
    assert doctest.testmod(steps).failed == 0


@pytest.mark.parametrize("shape", [(20, 8, 8, 3), (2, 5, 4), (steps.ROWS + 31, 7)])
def test_it_is_the_plain_definition_in_blocks_too(shape):
    stacks = images(*shape)
    stacks[1, 1:] = stacks[1, 1:] // 3 + stacks[3, 1:] // 2  # some correspondence
    found = local_correspondence(*stacks)
    assert found == pytest.approx(plain(*stacks), abs=1e-12)
    assert all(type(value) is float for value in found.values())


def test_the_renderer_against_itself_scores_one():
    params = fdd.sample_params(12)
    moved = params + np.array([0, 0, 1e-4, 0, 1e-4, 0])
    made, made_moved = (fdd.render(v, size=32, points=4000) for v in (params, moved))
    found = local_correspondence(made, made_moved, made, made_moved)
    assert found == pytest.approx({"cosine": 1, "sensitivity": 1, "gain": 1})
    floors = local_floor(made, made_moved, made, made_moved, draws=99)
    for floor in floors.values():
        assert floor.score == pytest.approx(1)
        assert floor.chance < floor.upper < 0.7
        assert floor.p == pytest.approx(0.01)


def test_by_hand():
    before = np.zeros((4, 2))
    true = np.array([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0], [0.0, 4.0]])  # sizes 5, 1, 2, 4
    made = np.array([[6.0, 8.0], [0.0, 0.5], [0.0, -6.0], [4.0, 4.0]])  # sizes 10, 1/2, 6, 4 root 2
    found = local_correspondence(before, made, before, true)
    assert found["cosine"] == pytest.approx((1 + 0 - 1 + 1 / np.sqrt(2)) / 4)
    assert found["sensitivity"] == pytest.approx(1 - 6 * (1 + 1) / (4 * 15))
    assert found["gain"] == pytest.approx((2 + np.sqrt(2)) / 2)  # of 1/2, root 2, 2, 3


def test_a_generator_that_ignores_v_scores_nothing():
    made, _, true, true_moved = images(9, 4, 4, 3)
    assert local_correspondence(made, made, true, true_moved) == NOTHING
    for floor in local_floor(made, made, true, true_moved, draws=19).values():
        assert floor.score == floor.chance == floor.upper == 0
        assert floor.p == 1


def test_steps_that_move_nothing_count_zero_in_the_cosine_and_not_in_the_gain():
    made, made_moved, true, true_moved = images(10, 4, 4)
    true_moved[:5] = true[:5]
    found = local_correspondence(true, true_moved, true, true_moved)
    assert found == pytest.approx({"cosine": 0.5, "sensitivity": 1, "gain": 1})
    made_moved[5:] = made[5:]
    assert local_correspondence(made, made_moved, true, true_moved)["gain"] == 0
    assert local_correspondence(made, made_moved, true, true) == NOTHING


def test_uint8_differences_do_not_wrap():
    before, after = np.array([[200], [10]], np.uint8), np.array([[100], [250]], np.uint8)
    found = local_correspondence(before, after, after, before)
    assert found == pytest.approx({"cosine": -1, "sensitivity": 1, "gain": 1})


def test_sizes_that_differ_by_rounding_only_are_constant():
    angles = np.linspace(0.1, 3, 50)
    turned = np.column_stack([np.cos(angles), np.sin(angles)])
    assert len(set(np.linalg.norm(turned, axis=1))) > 1
    growing = np.outer(np.arange(1, 51), [1.0, 0.0])
    zero = np.zeros((50, 2))
    assert local_correspondence(zero, turned, zero, growing)["sensitivity"] == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-200, 1e-3, -1, 1e90])
def test_scaling_and_shifting_made_images_changes_the_gain_alone(scale):
    made, made_moved, true, true_moved = images(12, 5, 5).astype(float)
    want = local_correspondence(made, made_moved, true, true_moved)
    want["cosine"] *= np.sign(scale)
    shift = scale * np.linspace(0, 9, 25).reshape(5, 5)
    found = local_correspondence(made * scale + shift, made_moved * scale + shift, true, true_moved)
    assert found.pop("gain") / abs(scale) == pytest.approx(want.pop("gain"), rel=1e-9)
    assert found == pytest.approx(want, abs=1e-9)


def test_the_floor_is_over_wrong_pairs_of_whole_steps():
    stacks = images(7, 4, 3)
    stacks[1] = stacks[1] // 2 + stacks[3] // 2
    floors = local_floor(*stacks, draws=3000, seed=1)
    assert list(floors) == ["cosine", "sensitivity"]
    made, made_moved, true, true_moved = stacks
    wrong = [
        plain(made, made_moved, true[order], true_moved[order])
        for order in (np.roll(np.arange(7), shift) for shift in range(7))
    ]
    assert floors["cosine"].score == pytest.approx(wrong[0]["cosine"], abs=1e-12)
    assert floors["sensitivity"].score == pytest.approx(wrong[0]["sensitivity"], abs=1e-12)
    # the mean over all orders of a sum over pairs is the mean over the seven turns
    mean = np.mean([turn["cosine"] for turn in wrong])
    assert floors["cosine"].chance == pytest.approx(mean, abs=0.02)
    assert floors["sensitivity"].chance == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("count", [9, steps.ROWS + 9])  # and of more than are held at once
def test_each_draw_of_the_floor_is_the_score_of_that_order(count):
    stacks = images(count, 4, 3)
    floors = local_floor(*stacks, draws=5, seed=3)
    orders = permutations(count, 5, np.random.default_rng(3))
    for draw, order in enumerate(orders):
        want = plain(*stacks[:2], *(stack[order] for stack in stacks[2:]))
        assert floors["cosine"].null[draw] == pytest.approx(want["cosine"], abs=1e-12)
        assert floors["sensitivity"].null[draw] == pytest.approx(want["sensitivity"], abs=1e-12)


def test_unrelated_steps_are_no_success():
    for floor in local_floor(*images(60, 6, 6, seed=5), draws=199).values():
        assert floor.p > 0.05
        assert abs(floor.score - floor.chance) < 0.3
