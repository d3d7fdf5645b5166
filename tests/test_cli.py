"""The command `fdd`: output, exit codes, mistakes in one line each."""

import json
import re
import shutil
import signal
import time
from importlib import import_module

import numpy as np
import pytest
from conftest import pixels, tree
from PIL import Image

import fdd
from baselines import BASELINES
from fdd.data import published


def test_info_says_what_is_there(command, tmp_path):
    fdd.load("val", version="tiny-1", cache=tmp_path / "cache")
    code, output, errors = command("info", "--cache", tmp_path / "cache", "--json")
    assert (code, errors) == (0, "")
    facts = json.loads(output)
    assert facts["fdd"] == fdd.__version__
    assert facts["default_version"] == "fdd-1"
    assert facts["cache"] == str(tmp_path / "cache")
    assert facts["palettes"] == ["kbc", "inferno", "viridis"]
    assert facts["families"]["fractal_dream"]["a"] == [-3.0, 3.0]
    splits = facts["releases"]["tiny-1"]["splits"]
    assert {name: one["images"] for name, one in splits.items()} == {
        "train": 25,
        "val": 10,
        "test": 10,
    }
    assert {name: one["cached_images"] for name, one in splits.items()} == {
        "train": 0,
        "val": 10,
        "test": 0,
    }
    code, output, errors = command("info", "--cache", tmp_path / "cache")
    assert (code, errors) == (0, "")
    for part in (str(tmp_path / "cache"), "fdd-1 (default): 128 x 128", "x0 -1..1", "CC BY 4.0"):
        assert part in output


def test_info_makes_no_folder(command, tmp_path, monkeypatch):
    monkeypatch.setenv("FDD_DATA", str(tmp_path / "none"))
    assert command("info")[0] == 0
    assert list(tmp_path.iterdir()) == []


COMMANDS = (
    "preview, show, generate, verify, package, info, explore, train, recipes, sweep, interpolate, "
    "score, report, leaderboard, translation"
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", f"fdd needs a command: {COMMANDS}"),
        (
            "prevew",
            f"command='prevew' is not known (did you mean preview?); choose from {COMMANDS}",
        ),
        ("draw", f"command='draw' is not known; choose from {COMMANDS}"),
        ("preview --palette jet", "palette='jet' is not known; choose from kbc, inferno, viridis"),
        ("preview --size big", "size='big' must be a whole number"),
        ("preview --count 1.5", "count='1.5' must be a whole number"),
        ("preview --params", "argument --params: expected at least one argument"),
        ("preview --params 1 b", "params='b' must be a number"),
        ("preview 3", "word='3' is not known; fdd preview --help lists what is"),
        (
            "preview --cuont 3",
            "option='--cuont' is not known (did you mean --count?); fdd preview --help lists what "
            "is",
        ),
        ("preview --s 3", "ambiguous option: --s could match --split, --start, --seed, --size"),
        ("generate", "the following arguments are required: FOLDER"),
        ("verify", "give the folder to verify, or --source and no folder"),
        ("verify a --source kaggle-2019", "give the folder to verify, or --source and no folder"),
        ("info --unknown", "option='--unknown' is not known; fdd info --help lists what is"),
        (
            "train aea",
            f"baseline='aea' is not known (did you mean aae?); choose from {', '.join(BASELINES)}",
        ),
        (
            "train aae --stesp 3",
            "option='--stesp' is not known (did you mean --steps?); fdd train aae --help lists "
            "what is",
        ),
        ("train aae --steps x", "steps='x' must be a whole number"),
        ("score", "the following arguments are required: MODEL"),
        ("score m --checkpoint b", "checkpoint='b' is not known; choose from last, best"),
        ("leaderboard", "files is empty: give at least one result file"),
        ("translation", "runs is empty: give at least one run folder"),
        ("recipes", "fdd recipes needs a command: list, run"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(refused, tmp_path, arguments, message):
    refused(message, *arguments.split())
    assert tree(tmp_path) == {}


def test_the_version_is_told(command):
    assert command("--version") == (0, f"fdd {fdd.__version__}\n", "")


def test_help_lists_the_commands(command):
    code, output, errors = command("--help")
    assert (code, errors) == (0, "")
    assert output.startswith("usage: fdd COMMAND [OPTIONS]\n\nImages of attractors ")
    assert [
        line.split()[0]
        for line in output.splitlines()
        if line.startswith("  ") and line[2:3].strip()
    ] == COMMANDS.split(", ")
    assert "  info         Show what is there: releases, splits, cache.\n" in output


@pytest.mark.parametrize(
    "words", [*COMMANDS.split(", "), *(f"train {name}" for name in BASELINES), "recipes run"]
)
def test_every_command_has_one_look_of_help(command, words):
    code, output, errors = command(*words.split(), "--help")
    assert (code, errors) == (0, "")
    assert re.match(rf"usage: fdd {words}( [A-Z]+)? \[OPTIONS\]", output)
    assert command(*words.split(), "-h") == (0, output, "")


def test_train_trains_the_baseline_that_it_names(command, refused, tmp_path):
    words = "--version tiny-1 --data stream --image-size 16 --width 2 --kernel-size 3 --steps 2"
    words += " --batch-size 4 --device cpu --precision auto --out run"
    code, output, errors = command("train", "dcgan", *words.split())
    assert code == 0, errors
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    chosen = {"precision": config["precision"]} if config["precision"] != "float32" else {}
    begun, ended = output.splitlines()[:-1], output.splitlines()[-1]
    changed = {line.split()[0]: line.split()[1] for line in begun[:-1]}
    assert changed == chosen | {
        "steps": "2",
        "batch_size": "4",
        "data": "stream",
        "version": "tiny-1",
        "image_size": "16",
        "device": "cpu",
        "width": "2",
        "kernel_size": "3",
    }  # the others are the defaults
    assert (begun[-1].split(), ended) == (["run", "folder", "run"], "trained to step 2: run")
    assert (config["baseline"], config["steps"], config["width"]) == ("dcgan", 2, 2)
    message = "run folder 'run': its baseline is 'dcgan', not 'lsd'"
    refused(message, "train", "lsd", "--resume", "run")


def test_help_does_not_wait_for_torch(run_python):
    asked = ["", *COMMANDS.split(", "), "train aae"]
    program = f"""
import sys
from fdd.cli import main
for words in {asked}:
    try:
        main([*words.split(), "--help"])
    except SystemExit as end:
        print(end.code, *sys.modules, file=sys.stderr)
"""
    code, output, errors = run_python("-c", program)
    assert (code, output.count("usage: fdd ")) == (0, len(asked))
    for line in errors.splitlines():
        ended, *loaded = line.split()
        assert ended == "0"
        heavy = {"torch", "matplotlib", "optuna", "sklearn", "skimage", "tensorboard"}
        assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("name", ["interpolate", "recipes", "sweep"])
def test_a_module_that_is_a_command_is_the_same_as_the_command(command, capsys, name):
    with pytest.raises(SystemExit):
        import_module(f"baselines.{name}").main(["--help"])
    output = capsys.readouterr().out
    assert command(name, "--help") == (0, output, "")


@pytest.mark.parametrize(
    ("words", "images", "shape"),
    [
        ("--count 5 --columns 3", 5, (268, 400)),
        ("--params 0.1,0.1,-2,-1.5,-2.6,0.9 --params 0 0.5 1 -1 2 -2 --out two.png", 2, (136, 268)),
    ],
)
def test_show_writes_what_fdd_show_shows(command, tmp_path, words, images, shape):
    out = "two.png" if "--out" in words else "show.png"
    assert command("show", *words.split()) == (0, f"{images} images in {out}\n", "")
    rows = [[0.1, 0.1, -2, -1.5, -2.6, 0.9], [0, 0.5, 1, -1, 2, -2]]
    what = rows if "--params" in words else fdd.sample_params(5, "test")
    columns = 3 if "--columns" in words else 8
    picture = fdd.show(what, columns=columns).image
    assert picture.shape == (*shape, 3)
    np.testing.assert_array_equal(pixels(tmp_path / out), picture)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--count 0", "count=0 must be a whole number of at least 1"),
        ("--columns 0", "columns=0 must be a whole number of at least 1"),
        ("--split all", "split='all' is not known; choose from train, val, test"),
        ("--out a.gif", "out='a.gif' must end in .png, as a PNG is what is written"),
        ("--count 1000000", "count=1000000 must be at most 30812 in a sheet of images of size=128"),
        (
            "--params 1,2,3",
            "params has shape [1, 3]; it must be [N, 6] or [6], columns x0, y0, a, b, c, d",
        ),
    ],
)
def test_show_refuses_mistakes_in_one_sentence(refused, tmp_path, words, message):
    refused(message, "show", *words.split())
    assert tree(tmp_path) == {}


def test_generate_goes_on_and_verify_agrees(command, tmp_path):
    options = ["generate", "out", "--version", "tiny-1", "--split", "test", "--palette", "inferno"]
    assert command(*options, "--count", 4) == (0, "4 images in out/inferno, 4 of them new\n", "")
    assert command(*options, "--count", 9) == (0, "9 images in out/inferno, 5 of them new\n", "")
    before = tree(tmp_path)
    assert command(*options, "--count", 6) == (0, "9 images in out/inferno, 0 of them new\n", "")
    assert tree(tmp_path) == before
    same = ["--size", 16, "--points", 400]
    folder = tmp_path / "out" / "inferno"
    report = f"{folder}: {{}} of 9 images equal byte for byte (inferno)\n"
    assert command("verify", "out", *same) == (0, report.format(9), "")
    spoilt = sorted(folder.iterdir())[2]
    Image.new("RGB", (16, 16)).save(spoilt)
    line = f"  {spoilt.name}: 256 of 256 pixels differ\n"
    assert command("verify", "out", *same) == (1, report.format(8) + line, "")
    code, output, errors = command("verify", "out", *same, "--json")
    assert (code, errors) == (1, "")
    assert json.loads(output) == [
        {
            "folder": str(folder),
            "palette": "inferno",
            "images": 9,
            "equal": 8,
            "different": [{"file": spoilt.name, "reason": "256 of 256 pixels differ"}],
        }
    ]


@pytest.mark.parametrize(
    ("start", "count", "beyond"), [(0, 12, "10 to 11"), (8, 3, "10 to 10"), (15, 2, "15 to 16")]
)
def test_generate_says_which_images_the_split_does_not_have(command, start, count, beyond):
    options = ["generate", "out", "--version", "tiny-1", "--split", "test"]
    assert command(*options, "--start", start, "--count", count) == (
        0,
        f"{count} images in out/kbc, {count} of them new\n",
        f"split 'test' of tiny-1 has 10 images; images {beyond} are not among them, and "
        "continue it\n",
    )


def test_a_picture_that_was_lost_is_generated_again(command, tmp_path):
    options = ["generate", "out", "--version", "tiny-1", "--count", 5]
    command(*options)
    before = tree(tmp_path)
    sorted((tmp_path / "out" / "kbc").iterdir())[3].unlink()
    assert command(*options)[0] == 0
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--split", "val"], "another split ('train', not 'val')"),
        (["--palette", "viridis"], "another palette ('kbc', not 'viridis')"),
        (["--version", "fdd-1"], "another version ('tiny-1', not 'fdd-1')"),
    ],
)
def test_generate_refuses_the_folder_of_something_else_untouched(
    command, refused, tmp_path, option, sentence
):
    command("generate", "out", "--version", "tiny-1", "--count", 3)
    before = tree(tmp_path)
    options = ["--version", "tiny-1", "--count", 4, *option]
    refused(
        f"folder 'out' holds images of {sentence}; choose another folder",
        "generate",
        "out",
        *options,
    )
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "listing",
    [
        "",
        "a,b\n1,2\n",
        "version,split,palette\ntiny-1,train,kbc\n",
        "file,version,split,palette,index\nx.png,tiny-1,train,kbc,first\n",
        "file,version,split,palette,index\nx.png,tiny-1,train,kbc,\n",
        "file,version,split,palette,index,x0,y0,a,b,c,d\nx.png,tiny-1,train,kbc,0,0.5\n",
        '"',
        "\0\0\0",
    ],
)
def test_generate_refuses_a_listing_that_is_not_its_own(command, tmp_path, listing):
    (tmp_path / "params.csv").write_text(listing)
    code, output, errors = command("generate", ".", "--version", "tiny-1", "--count", 3)
    assert (code, output) == (2, "")
    assert errors.startswith("error: file 'params.csv' is not one that generate wrote: ")
    assert (tmp_path / "params.csv").read_text() == listing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["generate", "out", "--count", "0"],
            "count=0 must be a whole number from 1 to 4611686018427387904",
        ),
        (["generate", "out", "--split", "dev"], "split='dev' is not known; choose from train, val"),
        (["generate", "file"], "folder 'file': it cannot be written (Not a directory); choose"),
        (["verify", "no"], "root='{}/no' is not a folder; give the folder that holds kbc/"),
        (["verify", "empty"], "folder '{}/empty' holds no .png file"),
        (["verify", "empty", "--palette", "kbc", "--size", "0"], "size=0 must be a whole number"),
    ],
)
def test_other_mistakes_are_one_sentence(command, tmp_path, arguments, message):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    before = tree(tmp_path)
    code, output, errors = command(*arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("error: " + message.format(tmp_path))
    assert errors.count("\n") == 1
    assert tree(tmp_path) == before


def test_an_interruption_is_said_and_ends_with_130(command, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    (tmp_path / "0.1_-0.2_2.1_-1.9_0.7_1.3.png").write_text("is opened")
    monkeypatch.setattr(Image, "open", interrupted)
    sentence = "interrupted; run the same command again to go on\n"
    assert command("verify", ".") == (130, "", sentence)


def test_control_c_in_generate_leaves_whole_pictures(start_python, tmp_path):
    process = start_python("-m", "fdd", "generate", tmp_path / "out", "--count", 10_000)
    while not list((tmp_path / "out").glob("kbc/*.png")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=600)
    assert (process.returncode, output) == (130, "")
    assert errors.endswith("interrupted; run the same command again to go on\n")
    assert "Traceback" not in errors
    assert not [name for name in tree(tmp_path) if name.endswith(".tmp")]
    for path in (tmp_path / "out" / "kbc").iterdir():
        published.read_image(path, 128)
    shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "code", "output", "errors"),
    [
        (["-m", "fdd", "info", "--json"], 0, '  "default_version": "fdd-1",', ""),
        (["-m", "fdd", "verify", "/no"], 2, "", "error: root='/no' is not a folder; give the"),
        (["-m", "fdd", "verify"], 2, "", "error: give the folder to verify, or --source and no "),
    ],
)
def test_the_real_command(run_python, arguments, code, output, errors):
    results = run_python(*arguments)
    assert results[0] == code
    assert output in results[1]
    assert results[2].startswith(errors)
    assert "Traceback" not in results[2]


def test_a_reader_that_goes_away_is_no_traceback(start_python):
    """`fdd info | head -1`."""
    process = start_python("-m", "fdd", "info")
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=600)
    assert "Traceback" not in errors
