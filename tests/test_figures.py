"""The figures of a report: those a model has something for, with something on them."""

import io

import numpy as np
import pytest
from fake_results import evaluation
from PIL import Image

from benchmarks.protocol.descriptions import QUESTIONS
from benchmarks.protocol.settings import TARGETS
from benchmarks.reporting.figures import LEADS, all_figures, first_figures, read_metrics, rows_png

LEAD = [f"lead-{number}.png" for number in range(1, 5)]
CODES = ["scores.png", "predictions.png", "codes.png"]
IMAGES = ["pairs.png", "path.png"]
ODD = ["$\\frac{$", "<b>&", "n" * 300, "a\nb", "%s {x}"]
METRICS = "step,epoch,generator,codes mean,gradient of generator norm,score\n"


def grey(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("L"), dtype=float)


def write_metrics(folder, rows):
    """A run folder with a metrics.csv of that many rows."""
    lines = [f"{step},0,{step / 2},0,0,1\n" for step in range(10, 10 * rows + 1, 10)]
    (folder / "metrics.csv").write_text(METRICS + "".join(lines))
    return str(folder)


@pytest.fixture(scope="module")
def alone():
    """The figures of one run, by name."""
    return {figure.name: figure for figure in all_figures([evaluation()])}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The figures of a run that wrote its losses, by name."""
    run = write_metrics(tmp_path_factory.mktemp("run"), 5)
    return {figure.name: figure for figure in all_figures([evaluation(run=run)])}


@pytest.fixture(scope="module")
def several():
    """The figures of five runs with odd names, the first of which has two seeds, by name."""
    runs = [evaluation(ODD[0], seed=seed) for seed in range(2)]
    runs += [evaluation(name, run=f"runs/{i}") for i, name in enumerate(ODD[1:])]
    return {figure.name: figure for figure in all_figures(runs)}


def test_every_figure_is_a_picture_with_something_on_it(alone, several):
    assert list(alone) == [*LEAD, *CODES, *IMAGES]
    for figure in [*alone.values(), *several.values()]:
        picture = grey(figure.png)
        assert max(picture.shape) < 4000
        assert picture.std() > 5
        assert len(figure.alt) > 20
        if figure.name.startswith("lead"):
            assert figure.topic in LEADS
        else:
            assert 150 < min(picture.shape)
            assert figure.topic in {*QUESTIONS, "headline"}
            assert figure.caption.endswith(".")


def test_a_page_begins_with_what_is_made_of_v_below_the_renderer_s_own(alone, several):
    rows = [alone[name] for name in LEAD]
    assert [row.caption for row in rows] == ["FD(v)", "G(v)", "G(Mv + b)", "G(E(FD(v)))"]
    assert {row.topic for row in rows} == {"rows"}
    shown = evaluation().pictures["G(v)"]
    with Image.open(io.BytesIO(rows[1].png)) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (16, 8 * 16 + 7, 3)
    np.testing.assert_array_equal(pixels[:, 17:33], shown[1])
    captions = [figure.caption for figure in several.values() if figure.topic == "rows"]
    assert captions == ["FD(v)", *(f"G(v) of {name}" for name in ODD[:4])]


def test_without_a_generator_a_page_begins_with_true_against_read():
    one, two = evaluation("one", generator=False), evaluation("two", run="r", encoder=False)
    found = first_figures([one])
    assert [figure.topic for figure in found] == ["panels"] * 4
    assert [figure.caption for figure in found] == [
        *("|a|    R2 0.60", "sign(a) b    R2 0.60", "c    R2 0.60", "d    R2 0.60")
    ]
    assert all(grey(figure.png).shape == (320, 320) for figure in found)
    assert [figure.caption for figure in first_figures([one, two])] == ["FD(v)", "G(v) of two"]


def test_a_model_has_the_figures_of_what_it_has():
    without_codes = evaluation(encoder=False)
    assert [figure.name for figure in all_figures([without_codes])] == [*LEAD[:2], *IMAGES]
    del without_codes.pictures["G path"]
    assert [figure.name for figure in all_figures([without_codes])] == [*LEAD[:2], *IMAGES[:1]]
    without_images = evaluation(generator=False)
    assert [figure.name for figure in all_figures([without_images])] == [*LEAD, *CODES]


def test_several_runs_share_figures_and_the_first_have_their_own(alone, several):
    own = [f"{kind}-{i}.png" for i in (1, 2, 3) for kind in ("predictions", "codes")]
    assert list(several) == [*LEAD, "lead-5.png", "scores.png", *own, *IMAGES]
    for number, name in enumerate(ODD[:3], 1):
        assert several[f"codes-{number}.png"].caption.startswith(f"{name}: ")
    for name in ("scores.png", *IMAGES):
        assert grey(several[name].png).shape[0] > 1.5 * grey(alone[name].png).shape[0]


def test_seeds_of_a_run_are_one_line(alone):
    together = all_figures([evaluation(seed=number) for number in range(3)])
    shapes = {figure.name: grey(figure.png).shape for figure in together}
    assert shapes == {name: grey(figure.png).shape for name, figure in alone.items()}


def places(panel):
    """Where the marks of a panel are, in shares of the picture's width and height."""
    return [
        np.interp(panel[side]["values"], panel[side]["ends"], panel[side]["at"]) for side in "xy"
    ]


def inked(figure, panel, aside=0):
    """Share of the marks of a panel whose pixel, or the one so far aside, is not white."""
    picture = grey(figure.png)
    x, y = places(panel)
    rows, columns = picture.shape
    found = picture[(y * rows).astype(int), ((x + aside) * columns).astype(int)]
    return (found < 250).mean()


def test_marks_are_where_they_are_drawn(trained):
    for name in ("predictions.png", *IMAGES, "training.png"):
        assert trained[name].marks
        for panel in trained[name].marks:
            assert inked(trained[name], panel) > 0.9, (name, panel["name"])
    for name in ("predictions.png", "training.png"):
        assert inked(trained[name], trained[name].marks[0], 0.02) < 0.5
    picture = grey(trained["codes.png"].png)
    for panel in trained["codes.png"].marks:
        x, y = places(panel)
        beside = x - 0.4 * (x[1] - x[0])  # where a cell has no number
        rows, columns = picture.shape
        shades = picture[(y * rows).astype(int), (beside * columns).astype(int)]
        values = [float(word.rpartition(" ")[2]) for word in panel["words"]]
        assert np.corrcoef(shades, values)[0, 1] < -0.95


def test_marks_say_their_numbers(alone, several, trained):
    found = evaluation()
    panels = {panel["name"]: panel for panel in alone["predictions.png"].marks}
    assert len(panels) == 14
    c = panels["c"]
    column = list(TARGETS).index("c")
    pairs = np.stack([found.truth[:, column], found.predicted[:, column]], axis=1)
    shown = np.stack([c["x"]["values"], c["y"]["values"]], axis=1)
    assert (c["x"]["name"], c["y"]["name"]) == ("true", "read")
    np.testing.assert_allclose(shown, pairs, atol=0.0051)
    scores = alone["scores.png"].marks[0]
    assert scores["name"] == "|a|"
    assert scores["words"][1].splitlines() == [
        "first: R2, kernel ridge 0.600",
        "95 %: 0.580 to 0.620",
        "chance 0.050",
        "ceiling 0.950",
    ]
    codes = alone["codes.png"].marks
    assert [panel["name"] for panel in codes] == [f"code {number}" for number in range(6)]
    assert codes[2]["words"][2] == f"c: |correlation| {found.correlation[2, column]:.2f}"
    assert several["pairs.png"].marks[1]["name"] == f"G(v) of {ODD[0]}"
    assert several["pairs.png"].marks[1]["words"][7] == "test image 8"
    assert several["path.png"].marks[0]["words"][-1] == "at 1"
    loss = trained["training.png"].marks[0]
    assert (loss["name"], loss["x"]["name"], loss["y"]["name"]) == ("first", "step", "generator")
    assert loss["x"]["values"] == [10, 20, 30, 40, 50]
    assert loss["y"]["values"] == [5, 10, 15, 20, 25]


def test_what_lies_outside_a_plot_has_no_mark(alone):
    found, marks = evaluation(), alone["predictions.png"].marks
    assert abs(found.truth).max() <= 3
    assert abs(found.predicted).max() > 4
    for panel in marks:
        assert max(np.abs(panel["y"]["values"])) <= 3.3  # a margin of 5 %
        assert len(panel["x"]["values"]) == len(panel["y"]["values"]) > 30


def test_training_is_drawn_where_a_run_wrote_its_losses(trained):
    assert list(trained) == [*LEAD, *CODES, *IMAGES, "training.png"]
    assert trained["training.png"].topic == "training"
    assert grey(trained["training.png"].png).std() > 5


def test_metrics_are_losses_and_scores_in_at_most_200_parts(tmp_path):
    table = read_metrics(write_metrics(tmp_path, 1000))
    assert list(table.columns) == ["step", "generator", "score"]
    assert len(table) == 200
    assert table["step"].iloc[0] == np.mean([10, 20, 30, 40, 50])
    np.testing.assert_allclose(table["generator"], table["step"] / 2)
    assert list(read_metrics(write_metrics(tmp_path, 3))["step"]) == [10, 20, 30]


@pytest.mark.parametrize(
    "text",
    ["", "\x00\x01", "a,b\n1,2\n", "step\n1\n", "step,loss\nx,1\n", "step,loss\n", "a\n1,2,3\n1\n"],
)
def test_a_metrics_file_that_cannot_be_read_is_left_out(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    assert read_metrics(str(tmp_path)) is None


def test_a_row_cut_short_and_words_for_numbers_are_gaps(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,loss,score\n1,0.5,nan\n2,oops,3\n3\n")
    table = read_metrics(str(tmp_path))
    assert table["step"].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(table["loss"], [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(table["score"], [np.nan, 3, np.nan])


def test_rows_of_images_are_drawn_as_they_are():
    black, white = np.zeros((4, 8, 8, 3), np.uint8), np.full((4, 8, 8, 3), 255, np.uint8)
    dark, light = grey(rows_png({"a": black})), grey(rows_png({"a": white}))
    assert (dark < 10).mean() > 0.6
    assert (light > 200).mean() > 0.9
