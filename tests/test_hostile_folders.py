"""Folders of somebody else: nothing is read or written outside them, by names or through links."""

import csv
import hashlib
import json
import re

import numpy as np
import pytest
from conftest import tree
from fake_results import evaluation
from tiny_runs import OPTIONS

import baselines
from baselines import interpolate, trials
from baselines.training import runs
from benchmarks.reporting.figures import all_figures
from benchmarks.reporting.files import write_files, write_report
from benchmarks.reporting.saved import folder_of
from fdd import FddError, files
from fdd.data import cache
from fdd.folders import generate, shards

OUTSIDE = (
    "../outside/secret",
    "kbc/../../outside/secret",
    "/outside/secret",
    "a\0b",
    "a\x1b[2Jb",
    "a\nb",
)
"""What leads out of a folder, or does something to the terminal that shows it."""


@pytest.fixture
def make(tiny, tmp_path):
    """make(name, ...) generates 15 images into that folder of tmp_path, 10 a shard."""

    def make(name="out", **options):
        options = {"version": "tiny-1", "shard_rows": 10} | options
        return generate.generate(tmp_path / name, "train", 0, 15, **options)

    return make


@pytest.fixture
def outside(tmp_path):
    """A folder beside all others whose content must stay as it is."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("precious")
    (folder / ".mine.tmp").write_text("not half written")
    before = tree(folder)
    yield folder
    assert tree(folder) == before


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_out_of_a_folder_are_refused(tmp_path, name):
    with pytest.raises(FddError) as error:
        files.within(tmp_path, name)
    assert str(error.value) == (
        f"folder {str(tmp_path)!r} lists {name!r}, which is not the name of a file in it; choose "
        "another folder"
    )
    assert files.within(tmp_path, "kbc/..a.png") == tmp_path / "kbc" / "..a.png"


def change_listing(path, change):
    """Changes each row of a shard's listing, and seals it again; gives the new checksum."""
    rows = list(shards.listed(path))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | change(row) for row in rows)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    shards.seal(path).write_text(f"{digest}  {path.name}\n")
    return digest


@pytest.mark.parametrize(
    ("place", "name"),
    [
        *((place, name) for place in ("shard", "listing", "row") for name in OUTSIDE),
        *((place, name) for place in ("shard", "listing") for name in ("\ud800", None, 5)),
    ],
)
def test_check_refuses_a_manifest_that_leads_out_of_its_folder(
    make, tmp_path, outside, place, name
):
    name = str(outside / "secret") if name == "/outside/secret" else name
    make()
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    secret = {"file": name, "sha256": hashlib.sha256(b"precious").hexdigest()}
    if place == "row":
        listing = tmp_path / "out" / manifest["shards"][1]["file"]
        manifest["shards"][1]["sha256"] = change_listing(listing, lambda row: secret)
    else:
        (manifest["shards"][1] if place == "shard" else manifest["listing"]).update(secret)
    path.write_text(json.dumps(manifest))
    with pytest.raises(FddError) as error:
        generate.check(tmp_path / "out")
    assert str(error.value) == (
        f"file {str(path)!r} is not one that generate wrote; remove it and run the same command "
        "again"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"shard_rows": 0},
        {"shard_rows": True},
        {"ranges": [{"start": -10, "count": 10}]},
        {"ranges": [{"start": 0, "count": 0}]},
        {"ranges": [{"start": 0, "count": 1.5}]},
        {"ranges": [{"start": 0, "count": 10**400}]},
        {"ranges": {"start": 0, "count": 15}},
    ],
    ids=str,
)
def test_a_manifest_with_impossible_numbers_is_refused(make, tmp_path, change):
    make()
    path = tmp_path / "out" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    before = tree(tmp_path)
    for act in (make, lambda: generate.check(tmp_path / "out")):
        with pytest.raises(FddError, match=r"manifest\.json' is not one that generate wrote; remo"):
            act()
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {
            "file": "../outside/secret",
            "sha256": hashlib.sha256(b"precious").hexdigest(),
        },
        lambda row: {"file": f"kbc/../{row['file']}"},
        lambda row: {"x0": "1e999"},
        lambda row: {"x0": "zero"},
        lambda row: {"index": "first"},
        lambda row: {"split": "\x1b[2J"},
        lambda row: {"sha256": "0" * 10**6},
    ],
)
def test_a_listing_is_believed_only_as_it_would_be_written(make, tmp_path, outside, change):
    make("right")
    make()
    change_listing(tmp_path / "out" / "shards" / "shard-00000.csv", change)
    assert make() == (10, 15)
    assert tree(tmp_path / "out") == tree(tmp_path / "right")


@pytest.mark.parametrize("format", shards.FORMATS)
def test_what_generate_writes_takes_the_place_of_links(make, tmp_path, outside, format):
    make("right", format=format)
    right = tree(tmp_path / "right")
    for name in [*right, ".generate.json"]:
        if right.get(name, b"") is not None:
            path = tmp_path / "out" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(outside / ("secret" if "0" in name else "not there"))
    make(format=format)
    assert tree(tmp_path / "out") == right
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("name", ["kbc", "shards"])
@pytest.mark.parametrize("workers", [0, 1])
def test_generate_writes_into_no_linked_folder(make, tmp_path, outside, name, workers):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(outside)
    with pytest.raises(FddError) as error:
        make(workers=workers)
    assert str(error.value) == (
        f"{str(tmp_path / 'out' / name)!r} is a link, and what is written there would lie "
        "elsewhere; put a folder in its place or choose another one"
    )
    assert len(tree(tmp_path / "out")) == 1


def test_generate_locks_no_file_elsewhere(make, tmp_path, outside):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(outside / "secret")
    lock = str(tmp_path / "out" / ".lock")
    with pytest.raises(FddError, match=f"^{re.escape(repr(lock))} is a link, and what is written"):
        make("out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


def test_a_folder_that_is_given_may_be_a_link(make, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    assert make() == (15, 15)
    assert generate.check(tmp_path / "out")["different"] == []


def test_shards_of_the_cache_take_the_place_of_links(tiny, tmp_path, outside):
    folder = tmp_path / "cache" / "tiny-1" / "train"
    cache.ensure_split(tiny, "train", tmp_path / "right")
    folder.mkdir(parents=True)
    for name in ("shard-00000.npy", "shard-00000.json", "shard-00001.json"):
        (folder / name).symlink_to(outside / "secret")
    with pytest.warns(UserWarning, match="it is rendered again"):
        paths = cache.ensure_split(tiny, "train", tmp_path / "cache")
    for path in paths:
        right = tmp_path / "right" / "tiny-1" / "train" / path.name
        assert path.read_bytes() == right.read_bytes()
        assert not path.is_symlink()
        assert not path.with_suffix(".json").is_symlink()


def test_the_lock_of_the_cache_empties_no_file_that_it_is_a_link_to(tiny, tmp_path, outside):
    folder = tmp_path / "cache" / "tiny-1" / "train"
    folder.mkdir(parents=True)
    (folder / ".lock").symlink_to(outside / "secret")
    sentence = f"folder {str(folder)!r}: it cannot be written (Too many levels of symbolic links)"
    with pytest.raises(FddError, match=f"^{re.escape(sentence)}"):
        cache.ensure_split(tiny, "train", tmp_path / "cache")


def test_reports_take_the_place_of_links(tmp_path, outside):
    out = tmp_path / "report"
    out.mkdir()
    for name in ("index.html", "results.csv", "results.json", "codes.png"):
        (out / name).symlink_to(outside / "secret")
    write_files(out, {"codes.png": b"png"})
    write_report(out, [evaluation().result], list)
    assert not [path for path in out.iterdir() if path.is_symlink()]


def test_what_a_run_says_of_itself_names_no_file_of_a_report(tmp_path):
    run = tmp_path / "$\\frac{<script>"
    run.mkdir()
    (run / "metrics.csv").write_text("step,../../x,$\\frac{1,<script>\n1,1,2,3\n2,2,2,2\n")
    found = evaluation("$\\frac{../../x<script>", run=str(run))
    figures = all_figures([found])
    names = ("scores", "predictions", "codes", "pairs", "path", "training")
    leads = [figure.name for figure in figures if figure.name.startswith("lead-")]
    others = [figure.name for figure in figures if figure.name not in leads]
    assert leads == [f"lead-{number}.png" for number in range(1, len(leads) + 1)]
    assert others == [f"{name}.png" for name in names]
    write_report(tmp_path / "report", [found.result], lambda: figures)
    assert (tmp_path / "report" / "index.html").read_text().count("<script>") == 1  # its own


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("correspondence", lambda run: folder_of(str(run))),
        ("encoder-correspondence", lambda run: folder_of(str(run / "encoder.onnx"))),
        ("checkpoints", lambda run: runs.check_folder(run, "aae", OPTIONS)),
        ("metrics.csv", lambda run: runs.check_folder(run, "aae", OPTIONS)),
        ("samples", lambda run: runs.check_folder(run, "aae", OPTIONS)),
        ("tb", lambda run: runs.check_folder(run, "aae", OPTIONS)),
        ("atoms-1", lambda run: runs.check_folder(run, "sdpc", OPTIONS)),
        ("optuna.log", lambda run: trials.open_study(None, run)),
    ],
)
def test_a_link_in_the_folder_of_a_model_is_not_written_through(tmp_path, outside, name, act):
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(outside / "secret" if "." in name else outside)
    with pytest.raises(FddError, match=f"^'{run}/{name}' is a link, and what is written there wou"):
        act(run)


def test_frames_are_not_written_through_a_link(tmp_path, outside):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "interpolation").symlink_to(outside)
    frames = interpolate.Frames(np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"])
    with pytest.raises(FddError, match="interpolation' is a link, and what is written there"):
        interpolate.write(frames, interpolate.Options(tmp_path / "run"))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            '{"baseline": "../aae"}',
            "baseline='../aae' is not known; choose from dcgan, aae, aegean",
        ),
        ('{"baseline": "os"}', "baseline='os' is not known; choose from dcgan, aae, aegean"),
        ('{"baseline": "aae", "__class__": 1}', "config.json has the unknown option '__class__'"),
        ("[" * 10**5, "config.json cannot be read: it is nested too deeply"),
    ],
)
def test_the_config_of_a_run_names_no_code(tmp_path, config, sentence):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(FddError, match=f"^run folder '{tmp_path}': {re.escape(sentence)}"):
        baselines.load_run(tmp_path)
