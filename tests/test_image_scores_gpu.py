"""Image scores on a GPU are those of the processor; torch's CPU stands in where there is none."""

import numpy as np
import pytest
import torch

from benchmarks import image_scores
from benchmarks.images import retrieval, structure

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def tensors(monkeypatch):
    """Lets the scores compute with torch on the device there is, in several chunks."""
    for module in (structure, retrieval):
        monkeypatch.setattr(module, "gpu", lambda device: torch.device(DEVICE))
    monkeypatch.setattr(structure, "GPU_PIXELS", 20_000)
    monkeypatch.setattr(retrieval, "ROWS", 7)


@pytest.fixture(params=[(30, 33, 48, 3), (30, 32, 32)], ids=str)
def pairs(request):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, request.param, dtype=np.uint8)
    others = images.copy()
    others[::2] = rng.integers(0, 256, others[::2].shape, dtype=np.uint8)
    return images, others


@pytest.mark.parametrize("name", ["ssim", "ms_ssim"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_similarities_are_those_of_the_processor(pairs, request, name, kind):
    score = getattr(image_scores, name)
    images, others = (values.astype(kind) for values in pairs)
    expected = score(images, others)
    request.getfixturevalue("tensors")
    np.testing.assert_allclose(score(images, others), expected, rtol=1e-12, atol=1e-13)
    assert 0.9 < expected[1::2].min() <= 1
    assert expected[::2].max() < 0.9


def test_the_floor_is_that_of_the_processor(pairs, request):
    expected = image_scores.ssim_floor(*pairs, draws=50)
    request.getfixturevalue("tensors")
    found = image_scores.ssim_floor(*pairs, draws=50)
    for part in ("score", "chance", "upper", "p"):
        np.testing.assert_allclose(getattr(found, part), getattr(expected, part), rtol=1e-11)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float64])
@pytest.mark.parametrize("also", [False, True])
def test_ranks_are_those_of_the_processor(pairs, request, kind, also):
    queries, gallery = (values.astype(kind) for values in pairs)
    gallery[3] = gallery[1]  # a tie
    other = gallery[:, ::-1] if also else None
    ranks = image_scores.retrieval(queries, gallery, also=other).ranks
    floors = image_scores.retrieval_floor(queries, gallery, also=other, draws=30)
    request.getfixturevalue("tensors")
    np.testing.assert_array_equal(image_scores.retrieval(queries, gallery, also=other).ranks, ranks)
    found = image_scores.retrieval_floor(queries, gallery, also=other, draws=30)
    assert {name: floor.p.item() for name, floor in found.items()} == {
        name: floor.p.item() for name, floor in floors.items()
    }
    assert ranks[1] == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_on_a_gpu_the_scores_of_real_sizes_are_those_of_the_processor():
    rng = np.random.default_rng(1)
    images, others = rng.integers(0, 256, (2, 300, 128, 128, 3), dtype=np.uint8)
    for name in ("ssim", "ms_ssim"):
        score = getattr(image_scores, name)
        found = score(images, others, device="cuda")
        np.testing.assert_allclose(found, score(images, others), rtol=1e-10, atol=1e-12)
    ranks = image_scores.retrieval(images, others, device="cuda").ranks
    np.testing.assert_array_equal(ranks, image_scores.retrieval(images, others).ranks)
