"""What users give as paths: one sentence for what is none, before anything is written."""

import os
import subprocess
import sys

import pytest
from conftest import CHECKOUT, tree

import fdd
from baselines import load_run
from benchmarks.adapters import load_model
from benchmarks.leaderboard import leaderboard
from benchmarks.oracle import load_oracle
from fdd.folders.generate import generate
from fdd.folders.verify import verify
from fdd.publishing.check import check
from fdd.publishing.package import package

CAFE = os.fsdecode(b"caf\xe9")
LONG = 300 * "x"
VECTOR = ["-0.27", "-0.82", "-2.41", "-0.55", "-0.04", "-1.5"]
TAKE = {
    "generate": ("folder", generate),
    "verify": ("folder", verify),
    "package": ("out", package),
    "check": ("folder", check),
    "root": ("root", lambda path: fdd.load(root=path)),
    "cache": ("cache", lambda path: fdd.load(cache=path)),
    "run": ("path", load_run),
    "model": ("path", load_model),
    "oracle": ("oracle", lambda path: load_oracle("mini", path)),
    "results": ("files", lambda path: leaderboard([path])),
}
"""By name: what the argument is called, and a call that takes it."""


@pytest.mark.parametrize("take", TAKE)
def test_what_is_no_path_is_refused(take, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    name, call = TAKE[take]
    for value, says in [
        ("", "='' is empty; "),
        (3, "=3 is not a path; "),
        (b"bytes", "=b'bytes' is not a path; "),
        ("a\0b", "='a\\x00b' cannot be used (embedded null byte); "),
        ("~nosuchuser/a", "='~nosuchuser/a': there is no such home folder; "),
        ("loop", f"='loop' cannot be used ({os.strerror(40)}); "),
        (LONG, f"='{LONG[:239]} cannot be used (File name too long); "),
    ]:
        with pytest.raises(fdd.FddError) as raised:
            call(value)
        if (take, value) == ("model", ""):  # which could also have been a name
            assert str(raised.value).startswith("'' is not a model: ")
            continue
        assert str(raised.value).startswith(name + says)
        assert str(raised.value).endswith("$FDD_DATA" if take == "cache" else "another path")
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


@pytest.mark.parametrize("module", ["fdd.cli", "benchmarks.leaderboard", "baselines.recipes"])
def test_an_empty_word_is_refused(module, capsys, tmp_path, monkeypatch):
    """As --out "$UNSET" of a script gives it, which would be the working folder."""
    from importlib import import_module

    monkeypatch.chdir(tmp_path)
    words = ["generate"] if module == "fdd.cli" else []
    assert import_module(module).main([*words, "--out", ""]) == 2
    says = "the argument after --out is empty; write what it is to be, or leave it out\n"
    assert capsys.readouterr().err.endswith(says)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("out", [".", "/", "..", "folder.png", "pipe.png", "/dev/null"])
def test_only_a_file_is_replaced_by_a_picture(command, tmp_path, out):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    before = {path.name: path.stat().st_mode for path in tmp_path.iterdir()}
    code, output, errors = command("preview", "--params", *VECTOR, "--size", 8, "--out", out)
    kind = "a device or a pipe" if out in ("pipe.png", "/dev/null") else "a folder"
    assert (code, output) == (2, "")
    assert errors == f"error: out='{out}' is {kind}; write the name of a file\n"
    assert {path.name: path.stat().st_mode for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("folder", ["a:b", CAFE])
def test_a_package_lies_in_a_folder_of_any_name(command, tmp_path, folder):
    pytest.importorskip("pyarrow", reason="a package is written with pyarrow")
    assert command("package", "--out", folder, "--version", "tiny-1")[0] == 0
    images = fdd.load(version="tiny-1", root=folder, cache=tmp_path / "cache").images
    assert (images == fdd.load(version="tiny-1", cache=tmp_path / "cache").images).all()
    assert command("package", "--check", folder)[0] == 0


def test_without_a_home_folder_the_cache_is_to_be_named(tmp_path):
    """As in a container that runs as a bare number: nothing is written to a folder named ~."""
    program = f"""
import pwd, sys
def absent(user):
    raise KeyError(user)
pwd.getpwuid = pwd.getpwnam = absent
sys.path.insert(0, {str(CHECKOUT)!r})
import fdd
for arguments in ({{}}, {{"root": "~/x"}}, {{"source": "kaggle"}}):
    try:
        fdd.load("val", version="mini", **arguments)
    except fdd.FddError as error:
        print(error)
"""
    hidden = {"HOME", "XDG_CACHE_HOME", "FDD_DATA", "KAGGLEHUB_CACHE"}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name not in hidden},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    nowhere = "there is no such home folder; "
    assert ended.stdout.splitlines() == [
        "there is no home folder to keep images in; set $FDD_DATA to a folder",
        f"root='~/x': {nowhere}write another path",
        f"$KAGGLEHUB_CACHE='~/.cache/kagglehub': {nowhere}set it to a folder",
    ]
    assert tree(tmp_path) == {}
