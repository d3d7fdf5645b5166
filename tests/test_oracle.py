"""The oracles that are shipped: their bytes, what they read, and what is refused."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

import benchmarks
import fdd
from benchmarks.image_scores import kid
from benchmarks.oracle import SHIPPED, load_oracle, packed
from benchmarks.protocol.data import read_data
from benchmarks.protocol.settings import Settings
from fdd import FddError
from fdd.releases.cards import RELEASES, release

FOLDER = Path(benchmarks.__file__).parent / "oracle"
FILE = FOLDER / "mini-1.safetensors"
READS = {"fdd-1": [0.93, 0.9, 0.8, 0.8], "mini-1": [0.9, 0.78, 0.68, 0.68]}
"""What the R2 of 300 images exceeds. docs/protocol.md has that of 5,000."""


@pytest.fixture(scope="module", params=SHIPPED)
def version(request):
    """Each release that has an oracle."""
    return request.param


@pytest.fixture(scope="module")
def shipped(version):
    return load_oracle(version)


@pytest.fixture(scope="module")
def mini():
    return load_oracle("mini")


@pytest.fixture(scope="module")
def drawn(version):
    """300 images of the test split and their parameters."""
    card, params = release(version), fdd.sample_params(300, "test", version=version)
    return fdd.render(params, size=card.size, points=card.points), params


def r2(read, params):
    true = fdd.canonical_params(params)[:, 2:]
    return 1 - ((read - true) ** 2).mean(axis=0) / true.var(axis=0)


def test_the_file_is_the_published_one(version, shipped):
    file = FOLDER / f"{version}.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == SHIPPED[version] == shipped.sha256
    assert shipped.origin == "shipped"
    assert shipped.size == release(version).size
    assert file.stat().st_size < 4e6


def test_it_reads_the_parameters(version, shipped, drawn):
    images, params = drawn
    assert (r2(shipped.read(images), params) > READS[version]).all()


def test_it_reads_a_flipped_image_as_the_symmetries_say(shipped, drawn):
    images = drawn[0][:50]
    flipped = shipped.read(images[:, ::-1])
    np.testing.assert_allclose(flipped, shipped.read(images) * [1, 1, -1, -1], atol=1e-4)


def test_its_features_tell_real_images_from_blurred_ones(shipped, drawn):
    images = drawn[0]
    features = shipped.features(images)
    assert features.shape == (300, 192)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features[:10], shipped.features(images[:10]))
    blurred = (images.astype(float) + np.roll(images, 1, axis=1)) / 2
    other = shipped.features(blurred.astype(np.uint8))
    assert kid(features[:150], other[150:]) > 5 * abs(kid(features[:150], features[150:]))


def test_packing_what_is_packed_changes_nothing(version):
    packed_again = packed(FOLDER / f"{version}.safetensors")
    assert hashlib.sha256(packed_again).hexdigest() == SHIPPED[version]


def test_a_release_without_an_oracle_has_none_and_a_wrong_one_is_refused(tiny, tmp_path):
    assert load_oracle(tiny.name) is None
    with pytest.raises(FddError) as caught:
        load_oracle("fdd-1", FILE)
    assert str(caught.value) == (
        f"oracle '{FILE}': it was trained with version='mini-1', and fdd-1 has 'fdd-1'"
    )
    with pytest.raises(FddError) as caught:
        load_oracle("mini-1", tmp_path)
    assert str(caught.value) == f"reader '{tmp_path / 'reader.safetensors'}': there is no such file"


def test_a_changed_file_is_found(monkeypatch):
    data = FILE.read_bytes()
    changed = data[:-1] + bytes([data[-1] ^ 1])
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: changed)
    with pytest.raises(FddError) as caught:
        load_oracle("mini-1")
    digest = hashlib.sha256(changed).hexdigest()
    assert str(caught.value) == f"oracle '{FILE}': its SHA-256 is {digest}, not {SHIPPED['mini-1']}"


def test_features_of_other_images_are_refused(mini):
    with pytest.raises(FddError) as caught:
        mini.features(np.zeros((2, 16, 16, 3), np.uint8))
    assert str(caught.value) == "images are uint8 [2, 16, 16, 3]: they must be uint8 [N, 32, 32, 3]"


def test_the_data_of_the_protocol_have_what_the_oracle_reads(mini, monkeypatch, tmp_path):
    """Of the first shard of each split, for time."""
    card = release("mini-1")
    few = dataclasses.replace(card, splits=dict.fromkeys(card.splits, card.shard_rows))
    monkeypatch.setitem(RELEASES, card.name, few)
    monkeypatch.setenv("FDD_DATA", str(tmp_path))
    settings = Settings(train_images=40, test_images=50)
    data = read_data("mini-1", 32, settings, mini)
    np.testing.assert_array_equal(data.oracle_codes[1], mini.read(data.test[0]))
    assert data.oracle is mini
    np.testing.assert_array_equal(data.world.draw(data.test[1]), data.test[0])
    assert data.world.counts.shape == (50, 32, 32)
    smaller = read_data("mini-1", 16, settings, mini)
    assert smaller.test[0].shape == (50, 16, 16, 3)
    assert smaller.world.counts is None
    assert smaller.oracle is None
    np.testing.assert_array_equal(smaller.oracle_codes[1], data.oracle_codes[1])
