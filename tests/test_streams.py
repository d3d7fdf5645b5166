"""A command does its work whatever its standard streams are, and shows any name without harm."""

import os
import subprocess
import sys

import pytest
from conftest import CHECKOUT, tree
from PIL import Image

CAFE = os.fsdecode(b"caf\xe9")
"""A name that is not UTF-8."""
WORDS = ["--version", "mini-1", "--count", "4", "--workers", "0"]


@pytest.fixture
def shell(tmp_path):
    """shell(closed, *words, **environment) runs python in tmp_path, some streams closed or not."""

    def run(closed, *words, **environment):
        words = [os.fsencode(str(word)) for word in (sys.executable, *words)]
        return subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT), **environment},
            capture_output=True,
            timeout=600,
        )

    return run


def test_closed_streams_change_nothing(shell, command, tmp_path):
    """Nor does a file get what was meant for one of them, as the next one opened has its number."""
    assert command("generate", "a", *WORDS)[0] == 0
    for folder, closed in (("b", "2>&-"), ("c", "<&- >&- 2>&-")):
        ended = shell(closed, "-m", "fdd", "generate", folder, *WORDS)
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert tree(tmp_path / folder) == tree(tmp_path / "a")


def test_a_program_without_stderr_loads_the_data(tiny, tmp_path, monkeypatch):
    import fdd

    monkeypatch.setattr(sys, "stderr", None)
    assert len(fdd.load(version=tiny.name, cache=tmp_path)) == 25


def test_a_name_that_the_terminal_cannot_show_is_escaped(shell, command):
    name = f"\u00e9{CAFE}"
    ended = shell("", "-m", "fdd", "generate", name, *WORDS, PYTHONIOENCODING="ascii:strict")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == b"4 images in \\xe9caf\\udce9/kbc, 4 of them new\n"
    code, output, _ = command("generate", "\u00e9", *WORDS)
    assert (code, output) == (0, "4 images in \u00e9/kbc, 4 of them new\n")


def test_training_needs_no_stderr_and_no_encoding(shell, tmp_path):
    (tmp_path / CAFE).mkdir()
    for number in range(24):
        picture = Image.new("RGB", (16, 16), (9 * number, 0, 99))
        picture.save(tmp_path / CAFE / f"{number}.png")
    words = ["-m", "baselines.dcgan", "--preset", "mini", "--data", f"images:{CAFE}"]
    words += ["--image-size", "16", "--batch-size", "4", "--width", "2", "--device", "cpu"]
    words += ["--steps", "2", "--out", "\u00e9"]
    ended = shell("2>&-", *words, PYTHONIOENCODING="ascii:strict")
    assert (ended.returncode, ended.stderr) == (0, b""), ended.stdout
    assert b"images:caf\\udce9\n" in ended.stdout
    assert ended.stdout.endswith(b"\ntrained to step 2: \\xe9\n")
    assert (tmp_path / "\u00e9" / "checkpoints" / "last" / "model.safetensors").is_file()


def test_names_out_of_files_reach_the_terminal_escaped(command, tmp_path):
    assert command("generate", "out", *WORDS)[0] == 0
    (picture,) = list((tmp_path / "out" / "kbc").iterdir())[:1]
    picture.rename(picture.with_name("\x1b[2J\n.png"))
    code, output, _ = command("verify", "out", "--size", "32", "--points", "4000")
    assert (code, output.count("\n")) == (1, 2)
    assert "\x1b" not in output
    assert "\\x1b[2J\\n.png" in output


def test_names_in_a_package_reach_the_terminal_escaped(command, tmp_path):
    pytest.importorskip("pyarrow", reason="a package is written with pyarrow")
    assert command("package", "--out", "out", "--version", "tiny-1")[0] == 0
    (tmp_path / "out" / "\x1b[2J").touch()
    code, output, _ = command("package", "--check", "out")
    assert (code, "\x1b" in output) == (1, False)
    assert "  \\x1b[2J: it is not listed in sha256sums.txt\n" in output


def test_an_error_of_the_system_is_one_line(command, tmp_path):
    (tmp_path / "a\x1b\nb").write_text("in the way")
    code, _, errors = command("generate", "a\x1b\nb/c", *WORDS)
    assert (code, errors.count("\n"), "\x1b" in errors) == (2, 1, False)
