"""What an interpreter or a notebook shows of an object says what it is, in the names of options."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

import fdd
from fdd.pictures import resize
from fdd.releases.cards import RELEASES, Release


def test_a_data_set(tiny, tmp_path):
    ds = fdd.load("val", params=True, version="tiny-1", output="gray", cache=tmp_path)
    assert repr(ds) == (
        "RenderedDataset(10 images, version='tiny-1', split='val', output='gray', palette='kbc', "
        "params='raw')"
    )
    ds = fdd.load("test", params="canonical", version="tiny-1", palette="inferno", cache=tmp_path)
    assert repr(ds) == (
        "RenderedDataset(10 images, version='tiny-1', split='test', output='rgb', "
        "palette='inferno', params='canonical')"
    )


def test_a_stream_with_the_batch_that_comes_next(tiny):
    stream = fdd.stream("val", 3, params="scaled", version="tiny-1", start=7)
    stream.seek(5)
    assert repr(stream) == (
        "Stream(version='tiny-1', split='val', start=7, batch_size=3, params='scaled', "
        "output='rgb', palette='kbc', batch=5, device='cpu')"
    )


def test_pairs_with_the_options_of_their_kind(tiny):
    pairs = fdd.pairs("near", "val", 3, version="tiny-1", width=0.5)
    assert repr(pairs) == (
        "Pairs(kind='near', law='laplace', width=[0.5, 0.5, 0.5, 0.5], version='tiny-1', "
        "split='val', start=0, batch_size=3, params='raw', output='rgb', palette='kbc', batch=0, "
        "device='cpu')"
    )


class Page(HTMLParser):
    """Which tags are open at the end, and the texts and the pictures that were met."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.pictures = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            kind, data = dict(attributes)["src"].split(",")
            assert kind == "data:image/png;base64"
            with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
                self.pictures.append(np.array(picture))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


@pytest.mark.parametrize("output", ["rgb", "gray", "counts"])
def test_a_notebook_shows_the_first_images_of_a_data_set_with_their_vectors(tiny, tmp_path, output):
    ds = fdd.load("val", True, version="tiny-1", output=output, cache=tmp_path)
    page = Page(ds._repr_html_())
    assert page.open == []
    np.testing.assert_array_equal(page.pictures, ds.pictures(6))
    kinds = {"rgb": "uint8 [16, 16, 3]", "gray": "uint8 [16, 16]", "counts": "uint32 [16, 16]"}
    assert page.texts == [
        repr(ds),
        f"An item: (image {kinds[output]}, vector float64 [6], raw)",
        *["x0", "y0", "a", "b", "c", "d"],
        *(f"{value:.4f}" for value in ds.params.to_numpy()[:6].flat),
    ]


def test_what_a_notebook_shows_of_large_images_is_small(tmp_path, monkeypatch):
    card = Release("large-1", {"train": 2}, size=128, points=400, occupied_percent=0)
    monkeypatch.setitem(RELEASES, card.name, card)
    ds = fdd.load(version="large-1", cache=tmp_path)
    page = Page(ds._repr_html_())
    np.testing.assert_array_equal(page.pictures, resize(ds.images, 64))
    assert page.texts[1] == "An item: image uint8 [128, 128, 3]; its vector is float64 [6], raw"


def test_what_a_notebook_shows_holds_no_tags_of_others(tiny, tmp_path):
    class Shrink:
        def __call__(self, image):
            raise AssertionError("a transform may draw random numbers")

        def __repr__(self):
            return "<script>&"

    ds = fdd.load("val", "scaled", version="tiny-1", cache=tmp_path, transform=Shrink())
    page = Page(ds._repr_html_())
    assert page.texts[1] == (
        "An item: (image uint8 [16, 16, 3], vector float64 [6], scaled), transform=<script>&"
    )
    assert len(page.pictures) == 6
