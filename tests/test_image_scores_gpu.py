"""Image scores on a GPU are those of the processor; torch's CPU stands in where there is none."""

import numpy as np
import pytest
import torch

from benchmarks import image_scores

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
each_shape = pytest.mark.parametrize("shape", [(33, 48, 3), (32, 32)], ids=str)


def pairs(rows, shape):
    """Images and others, every other one of which is the same."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (rows, *shape), dtype=np.uint8)
    others = images.copy()
    others[::2] = rng.integers(0, 256, others[::2].shape, dtype=np.uint8)
    return images, others


@pytest.mark.parametrize("name", ["ssim", "ms_ssim"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@each_shape
def test_similarities_are_those_of_the_processor(name, kind, shape):
    score = getattr(image_scores, name)
    images, others = (values.astype(kind) for values in pairs(30, shape))
    expected = score(images, others)
    found = score(images, others, device=DEVICE)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    assert 0.9 < expected[1::2].min() <= 1
    assert expected[::2].max() < 0.9


@each_shape
def test_the_floor_is_that_of_the_processor(shape):
    images = pairs(30, shape)
    expected = image_scores.ssim_floor(*images, draws=50)
    found = image_scores.ssim_floor(*images, draws=50, device=DEVICE)
    for part in ("score", "chance", "upper", "p"):
        np.testing.assert_allclose(getattr(found, part), getattr(expected, part), rtol=1e-11)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64])
@pytest.mark.parametrize("also", [False, True])
@each_shape
def test_ranks_are_those_of_the_processor(kind, also, shape):
    queries, gallery = (values.astype(kind) for values in pairs(300, shape))
    gallery[3] = gallery[1]  # a tie
    other = gallery[:, ::-1] if also else None
    ranks = image_scores.retrieval(queries, gallery, also=other).ranks
    floors = image_scores.retrieval_floor(queries, gallery, also=other, draws=30)
    found = image_scores.retrieval(queries, gallery, also=other, device=DEVICE).ranks
    np.testing.assert_array_equal(found, ranks)
    found = image_scores.retrieval_floor(queries, gallery, also=other, draws=30, device=DEVICE)
    assert {name: floor.p.item() for name, floor in found.items()} == {
        name: floor.p.item() for name, floor in floors.items()
    }
    assert ranks[1] == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_on_a_gpu_the_scores_of_real_sizes_are_those_of_the_processor():
    rng = np.random.default_rng(1)
    images, others = rng.integers(0, 256, (2, 400, 128, 128, 3), dtype=np.uint8)
    for name in ("ssim", "ms_ssim"):
        score = getattr(image_scores, name)
        found = score(images, others, device="cuda")
        np.testing.assert_allclose(found, score(images, others), rtol=1e-10, atol=1e-12)
    ranks = image_scores.retrieval(images, others, device="cuda").ranks
    np.testing.assert_array_equal(ranks, image_scores.retrieval(images, others).ranks)
