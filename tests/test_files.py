"""Temporary files: those of killed writers go, those that somebody still writes stay."""

import os
import signal

import pytest
from conftest import tree

from fdd.files import atomic_write, sweep

pytest.importorskip("fcntl", reason="without it nobody can tell who still writes a file")


def kill_writer(path, durable):
    """A process begins to write a file and is killed."""
    pid = os.fork()
    if not pid:
        with atomic_write(path, durable) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def write(path, **options):
    with atomic_write(path, **options) as temporary:
        temporary.write_text("whole")


@pytest.mark.parametrize("durable", [True, False])
def test_what_killed_writers_left_goes_with_the_next_lasting_file(tmp_path, durable):
    kill_writer(tmp_path / "results.csv", durable)
    (left,) = tree(tmp_path)
    assert left.startswith(".results.csv.")
    write(tmp_path / "picture.png", durable=False)  # of which there may be a million
    assert sorted(tree(tmp_path)) == [left, "picture.png"]
    write(tmp_path / "another.csv")
    assert sorted(tree(tmp_path)) == ["another.csv", "picture.png"]


def test_a_file_that_another_one_still_writes_stays(tmp_path):
    kill_writer(tmp_path / "a.csv", durable=True)
    with atomic_write(tmp_path / "a.csv", durable=False) as temporary:
        write(tmp_path / "b.csv")
        assert sorted(tree(tmp_path)) == [temporary.name, "b.csv"]
        temporary.write_text("a")
        sweep(tmp_path)
    assert {name: (tmp_path / name).read_text() for name in tree(tmp_path)} == {
        "a.csv": "a",
        "b.csv": "whole",
    }


def test_files_of_others_stay(tmp_path):
    (tmp_path / "target").write_text("precious")
    hexadecimal = "0123456789abcdef" * 2
    others = [".mine.tmp", f"results.{hexadecimal}.tmp", f".results.{hexadecimal}.txt"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / f".folder.{hexadecimal}.tmp").mkdir()
    (tmp_path / f".link.{hexadecimal}.tmp").symlink_to(tmp_path / "target")
    before = sorted(os.listdir(tmp_path))
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "target").read_text() == "precious"
    sweep(tmp_path / "absent")
