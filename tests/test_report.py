"""`python -m benchmarks.report`: each model is scored once, and all stand on one page."""

import json

import pytest
from fake_results import evaluation, result

from benchmarks import report
from benchmarks.protocol.settings import Settings
from benchmarks.reporting.saved import SHOWN, folder_of, load_evaluation, save_evaluation
from fdd import FddError
from fdd.files import alone_in

ABOUT = (
    "name",
    "run",
    "checkpoint",
    "config",
    "weights_sha256",
    "data_version",
    "fdd_version",
    "oracle",
    "image_size",
)


class FakeBench:
    """Scores models in no time and counts them; `change` is what is not as usual of a model."""

    def __init__(self, settings=None, **change):
        self.settings, self.change, self.scored = settings or Settings(), change, []

    def about(self, model):
        name = model.rpartition("/")[2]
        found = result(name, run=model, **self.change.get(name, {}))
        return {key: found[key] for key in ABOUT}

    def score(self, model):
        self.scored.append(model)
        used = {"settings": vars(self.settings)} | self.about(model)
        found = evaluation(level=0.1 * len(self.scored), encoder=False, **used)
        found.pictures.clear()  # so that no time goes into figures
        return found


class Usable:
    """A model that can be read."""

    latent_size = 6

    def generate(self, codes):
        raise AssertionError("it is not to be scored")


@pytest.fixture
def models(tmp_path):
    """Two folders of models."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return [str(tmp_path / "one"), str(tmp_path / "two")]


def test_each_model_is_scored_once(models, capsys):
    bench, told = FakeBench(), []
    first = report.score_models(models, bench, told.append)
    assert bench.scored == models
    assert all((folder_of(model) / "index.html").exists() for model in models)
    again = report.score_models(models[::-1], bench, told.append)
    assert bench.scored == models
    assert [found.result for found in again] == [found.result for found in first[::-1]]
    ends = ["one: scored", "two: scored", "two: scored before", "one: scored before"]
    assert [text.rpartition("/")[2] for text in told] == ends


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "00" * 32},
        {"weights_sha256": ""},
        {"fdd_version": "9.9.9"},
        {"image_size": 64},
        {"config": {"baseline": "aae", "seed": 0, "steps": 5}},
        {"config": None},
        {"oracle": None},
        {"oracle": {"origin": "shipped", "sha256": "ef" * 32}},
        {"data_version": "fdd-1"},
    ],
)
def test_scores_of_something_else_are_taken_again(models, change):
    report.score_models(models, FakeBench())
    bench = FakeBench(one=change, two={k: v for k, v in change.items() if k == "data_version"})
    found = report.score_models(models, bench)
    assert models[0] in bench.scored
    assert ("data_version" in change) == (models[1] in bench.scored)
    assert found[0].result["weights_sha256"] == bench.about(models[0])["weights_sha256"]
    report.score_models(models, bench)
    assert bench.scored.count(models[0]) == (2 if change == {"weights_sha256": ""} else 1)


def test_scores_by_other_settings_are_taken_again(models):
    report.score_models(models, FakeBench())
    for settings in (Settings(seed=1), Settings(test_images=200), Settings(draws=19)):
        bench = FakeBench(settings)
        report.score_models(models, bench)
        assert bench.scored == models


def test_scores_by_another_protocol_and_damaged_ones_are_taken_again(models):
    kept, _ = report.score_models(models, FakeBench())
    (folder_of(models[1]) / SHOWN).write_bytes(b"PK")
    bench = FakeBench()
    report.score_models(models, bench)
    assert bench.scored == models[1:]
    kept.result["protocol"] = "correspondence-1"
    save_evaluation(folder_of(models[0]), kept)
    report.score_models(models, bench)
    assert bench.scored == models[::-1]


def test_scores_of_a_model_that_moved_are_its_own(models, tmp_path):
    report.score_models(models, FakeBench())
    (tmp_path / "one").rename(tmp_path / "three")
    moved = str(tmp_path / "three")
    bench = FakeBench(three={"oracle": {"origin": "oracle.safetensors", "sha256": "cd" * 32}})
    (found,) = report.score_models([moved], bench)
    assert bench.scored == []
    assert (found.result["run"], found.result["name"]) == (moved, "three")
    assert found.result["oracle"]["origin"] == "oracle.safetensors"


def test_models_of_several_releases_are_refused_before_anything_is_scored(models):
    bench = FakeBench(two={"data_version": "fdd-1"})
    with pytest.raises(FddError) as caught:
        report.score_models(models, bench)
    assert str(caught.value) == (
        "the models are of the releases mini-1, fdd-1, whose scores are not comparable: "
        "give those of one, or choose with data"
    )
    assert bench.scored == []


def test_no_model_and_the_same_one_twice_are_refused(models):
    with pytest.raises(FddError, match=r"^models is empty: give at least one run folder$"):
        report.score_models([], FakeBench())
    with pytest.raises(FddError) as caught:
        report.score_models([*models, f"{models[0]}/"], FakeBench())
    assert str(caught.value) == f"'{models[0]}/' is given twice"


def test_a_report_is_a_page_of_all_models(models, tmp_path):
    options, told = report.Options(tuple(models), out=tmp_path / "report"), []
    lines = report.write_page(options, FakeBench(), told.append).splitlines()
    said = "FD(v) is among the ten images nearest to G(v) in"
    assert lines[:5] == [
        f"one: {said} 10 % of cases, by chance in 5 %: outline and",
        "grain are partly right.",
        f"two: {said} 20 % of cases, by chance in 5 %: outline and",
        "grain are partly right.",
        "",
    ]
    assert [line.split()[0] for line in lines[7:11]] == ["chance", "one", "two", "ceiling"]
    assert str(tmp_path / "report") in lines[-1]
    assert told == [f"{model}: scored" for model in models]
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert [found["run"] for found in results] == models
    html = (tmp_path / "report" / "index.html").read_text()
    assert all(model in html for model in models)


def test_an_interrupted_report_goes_on(models):
    class Interrupted(FakeBench):
        def score(self, model):
            if model == models[1]:
                raise KeyboardInterrupt
            return super().score(model)

    first, second = Interrupted(), FakeBench()
    with pytest.raises(KeyboardInterrupt):
        report.score_models(models, first)
    report.score_models(models, second)
    assert (first.scored, second.scored) == (models[:1], models[1:])


def test_a_model_that_another_process_scores_is_one_sentence(models):
    bench, busy = FakeBench(), folder_of(models[1])
    with alone_in(busy), pytest.raises(FddError) as error:
        report.score_models(models, bench)
    assert str(error.value) == (
        f"folder {str(busy)!r} is in use: another process works in it; wait until it has ended or "
        "choose another folder"
    )
    assert bench.scored == models[:1]
    assert not busy.exists()
    report.score_models(models, bench)
    assert bench.scored == models


def test_a_figure_that_cannot_be_drawn_leaves_the_numbers(models, tmp_path, monkeypatch):
    class Pictured(FakeBench):
        def score(self, model):
            found = super().score(model)
            found.pictures.update(evaluation(encoder=False).pictures)
            return found

    def fail(*arguments, **options):
        raise RuntimeError("no font")

    def write(bench):
        report.write_page(report.Options((models[0],), out=out), bench, lambda text: None)

    def write_in_vain(bench):
        with monkeypatch.context() as patch:
            patch.setattr("matplotlib.figure.Figure.savefig", fail)
            with pytest.raises(RuntimeError, match="no font"):
                write(bench)

    out, scores, bench = tmp_path / "report", folder_of(models[0]), Pictured()
    for _ in range(2):
        write_in_vain(bench)
        assert load_evaluation(scores) is not None
        assert not (scores / "index.html").exists()
    assert bench.scored == [models[0]]
    write(bench)
    assert bench.scored == [models[0]]
    assert (scores / "index.html").exists()

    out = tmp_path / "another"
    write_in_vain(bench)
    assert {path.name for path in out.iterdir()} == {"results.json", "results.csv"}

    write_in_vain(Pictured(one={"weights_sha256": "00" * 32}))
    assert json.loads((scores / "scores.json").read_text())["weights_sha256"] == "00" * 32
    assert not (scores / "index.html").exists()  # that of the older numbers


class Stopped(Usable):
    """A model in whose reading somebody presses Ctrl-C."""

    def __init__(self):
        raise KeyboardInterrupt


def test_whoever_stops_the_command_is_told_that_it_can_go_on(tmp_path, capsys):
    assert report.main([f"{__name__}:Stopped", "--out", str(tmp_path / "out")]) == 130
    end = "stopped; run the same command again to go on from the last model scored\n"
    assert capsys.readouterr().err == end


def test_a_mistake_is_one_line(models, tmp_path, capsys):
    for options, given, message in (
        ((), [], "models is empty: give at least one run folder"),
        ((), [models[0], models[0]], f"'{models[0]}' is given twice"),
        (("--out", __file__), models, f"out is {__file__!r}, which cannot be written: "),
    ):
        assert report.main([*given, "--out", str(tmp_path / "report"), *options]) == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {message}")
    assert not (tmp_path / "report").exists()


def test_a_model_that_cannot_be_read_is_found_before_anything_is_scored(tmp_path, capsys):
    none, scores = tmp_path / "none", tmp_path / "scores.json"
    scores.write_text("{}")
    for wrong in (none, scores):
        assert report.main([f"{__name__}:Usable", str(wrong), "--out", str(tmp_path / "out")]) == 2
        output, errors = capsys.readouterr()
        assert output == ""
        assert errors.startswith(f"error: '{wrong}' is not a model: it must be a run folder ")
        assert errors.count("\n") == 1  # no bar before it
    assert not (tmp_path / "out").exists()


def test_every_option_of_one_model_is_one_of_several():
    one, many = (vars(options("m")) for options in (report.correspondence.Options, report.Options))
    assert many.keys() - one.keys() == {"models"}
    assert one.keys() - many.keys() == {"model"}
    assert {k: one[k] for k in one.keys() & many.keys() - {"out"}} == {
        k: many[k] for k in one.keys() & many.keys() - {"out"}
    }
    options = report.Options(("m",), images=50, checkpoint="best", size=16, seed=2, quick=True)
    of_each = options.of_each()
    assert (of_each.images, of_each.checkpoint, of_each.size, of_each.seed) == (50, "best", 16, 2)
    assert (of_each.quick, of_each.train_images) == (True, None)
    assert (of_each.out, of_each.data, of_each.oracle) == (None, None, None)
