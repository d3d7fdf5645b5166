"""What an interpreter or a notebook shows of an object says what it is, in the names of options."""

import base64
import dataclasses
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


CLIFFORD = """
family    parameters             equation
clifford  x0, y0 in [-1, 1]      x', y' = (sin(a * y) + c * cos(a * x), sin(b * x) + d * cos(b * y))
          a, b, c, d in [-3, 3]
"""
BEDHEAD = """
family   parameters            equation
bedhead  x0, y0, a in [-1, 1]  x', y' = (sin(x * y / b) * y + cos(a * x - y), x + sin(y) / b)
         b in [0.3, 1]
"""


def test_a_family_with_its_parameters_and_equation():
    assert str(fdd.families["clifford"]) == CLIFFORD.strip()
    assert str(fdd.families["bedhead"]) == BEDHEAD.strip()
    lines = str(fdd.families["gumowski_mira"]).splitlines()
    assert lines[1] == "gumowski_mira  x0, y0 in [-1, 1]  bend = 2.0 * (1.0 - mu)"
    assert lines[4] == "               mu in [-0.9, 0.4]  x', y' = (new_x, new_y)"
    lines = str(fdd.families["symmetric_icon"]).splitlines()
    assert lines[2] == "                a in [1.8, 5]          for power in range(3, 9):"
    assert lines[6].startswith("                d in [3, 9], whole     p = a * (x * x + y * y) + l")


def test_all_families_as_one_table(monkeypatch):
    moth = dataclasses.replace(fdd.families["bedhead"], name="moth")
    monkeypatch.setitem(fdd.families, "moth", moth)
    head, *lines = str(fdd.families).splitlines()
    assert head == "family          parameters             equation"
    assert [line.split()[0] for line in lines if line[0] != " "] == list(fdd.families)
    equation = "x', y' = (sin(x * y / b) * y + cos(a * x - y), x + sin(y) / b)"
    assert lines[-2:] == [
        f"moth            x0, y0, a in [-1, 1]   {equation}",
        "                b in [0.3, 1]",
    ]


def test_a_family_whose_equation_has_no_source_names_it():
    program = {}
    exec("def moth(x, y, a, b): return a * y, b * x", program)
    moth = dataclasses.replace(fdd.families["bedhead"], name="moth", step=program["moth"])
    assert "x', y' = moth(x, y, a, b)" in str(moth)
    moth = dataclasses.replace(moth, step=lambda x, y, a, b: (a * y, b * x))
    assert "x', y' = <lambda>(x, y, a, b)" in str(moth)


def test_a_notebook_shows_families_as_a_table():
    moth = dataclasses.replace(fdd.families["bedhead"], name="<b>moth")
    page = Page(moth._repr_html_())
    assert page.open == []
    assert page.texts == [
        *["family", "parameters", "equation"],
        "<b>moth",
        "x0, y0, a in [-1, 1]\nb in [0.3, 1]",
        "x', y' = (sin(x * y / b) * y + cos(a * x - y), x + sin(y) / b)",
    ]
    texts = Page(fdd.families._repr_html_()).texts
    assert texts[3::3] == list(fdd.families)
