"""The same bytes whatever libraries, users and batch systems have set in the process."""

import json
from pathlib import Path

import defaults_program
import pytest
from conftest import CHECKOUT

from baselines.training.parallel import processes_told
from fdd import FddError


def test_settings_of_others_change_no_byte(tiny, start_python, tmp_path):
    """They are what they were afterwards, too."""
    style = tmp_path / "matplotlibrc"
    style.write_text("text.usetex: True\nfigure.dpi: 300\nfont.size: 40\nsavefig.bbox: tight\n")
    process = start_python(
        Path(defaults_program.__file__),
        tmp_path / "run",
        tmp_path / "found.json",
        PYTHONPATH=CHECKOUT,
        MATPLOTLIBRC=style,
        MPLBACKEND="nonsense",
    )
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == defaults_program.results(tmp_path / "expected")


@pytest.mark.parametrize("told", ["x", "0", "-1", "1.5"])
def test_a_number_of_processes_that_is_none_is_refused(told, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", told)
    with pytest.raises(FddError) as raised:
        processes_told("WORLD_SIZE")
    assert str(raised.value) == f"$WORLD_SIZE='{told}' must be a whole number of at least 1"


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK"])
def test_a_rank_that_is_no_number_is_refused_before_anything_is_written(
    name, run_module, monkeypatch, tmp_path
):
    monkeypatch.setenv(name, "two")
    status, _, errors = run_module(
        "-m", "baselines.aae", "--preset", "mini", "--steps", "1", "--out", tmp_path / "run"
    )
    assert (status, errors.splitlines()[-1]) == (
        2,
        f"error: ${name}='two' must be a whole number of at least 0",
    )
    assert not (tmp_path / "run" / "config.json").exists()
