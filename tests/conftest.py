"""Fixtures: no test touches the user's cache; a release that renders in milliseconds; processes.

And what tests of the scores of codes share.
"""

import gc
import os
import runpy
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

# Before the libraries that read them: tests are many small sums, where threads wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Numba's pool, which dcor starts, would give its size to the main thread's OpenMP, and so to torch.
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
# Background jobs of a shell ignore Ctrl-C and hand that down to the programs that are to heed it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
import warm
from PIL import Image

from fdd import cli
from fdd.releases.cards import RELEASES, Release

CHECKOUT = Path(__file__).resolve().parent.parent
REFERENCE = CHECKOUT.parent / "shared" / "reference" / "fdd-2019"

REGISTER_TINY = """
from fdd.releases.cards import RELEASES, Release
RELEASES["tiny-1"] = Release(
    "tiny-1", {"train": 25, "val": 10, "test": 10}, size=16, points=400, shard_rows=10
)
"""


SLOW = (
    "test_explorer_browser",
    "test_kernels",
    "test_cuda",
    "test_score_contracts",
    "test_soak",
    "test_parallel",
    "test_training",
    "test_processors",
    "test_kernel_cache",
    "test_cluster",
    "test_accessible",
    "test_translation",
    "test_options",
    "test_uncompiled",
    "test_sweep",
    "test_report_browser",
    "test_in_use",
    "test_release",
    "test_encoders",
)
"""Files that take longest: they come first, so that no process is left with one of them alone."""


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: places.get(item.path.stem, len(SLOW)))


def pytest_collection_finish():
    """What is imported and collected by now stays: the garbage collector need not look at it."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def no_user_cache(tmp_path_factory):
    """FDD_DATA is a temporary folder during all tests, whatever it was before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FDD_DATA", str(tmp_path_factory.mktemp("fdd-data")))
        yield


@pytest.fixture
def tiny(monkeypatch):
    """The release tiny-1, registered: 45 images of 16 x 16 pixels and 400 points."""
    card = Release(
        "tiny-1", {"train": 25, "val": 10, "test": 10}, size=16, points=400, shard_rows=10
    )
    monkeypatch.setitem(RELEASES, card.name, card)
    return card


@pytest.fixture(scope="session")
def reference_folder():
    """The nine published images, which lie beside the checkout and not in it."""
    if not REFERENCE.is_dir():
        pytest.skip(f"the published images are not at {REFERENCE}")
    return REFERENCE


@pytest.fixture
def start_python():
    """start_python(*arguments, **environment) starts the interpreter in the checkout.

    Gives a Popen with text pipes; whatever still runs when the test ends is killed.
    """
    started = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=CHECKOUT,
            env=os.environ | {name: str(value) for name, value in environment.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run_python(start_python):
    """run_python(*arguments, **environment) gives (exit code, output, errors)."""

    def run(*arguments, **environment):
        process = start_python(*arguments, **environment)
        output, errors = process.communicate(timeout=600)
        return process.returncode, output, errors

    return run


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory):
    """A script in place of the interpreter: the file that it is to run has torch at once."""
    folder = tmp_path_factory.mktemp("warm")
    with warm.serving(folder, "torch.utils.data", "fdd.rendering.cpu") as script:
        yield script


@pytest.fixture
def run_module(capsys, monkeypatch):
    """run_module("-m", module, *arguments) gives (exit code, output, errors) of that command.

    As `run_python` does, but in this process, which has imported what is slow to import.
    """

    def run(option, module, *arguments):
        assert option == "-m"
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)
            with pytest.raises(SystemExit) as end:
                runpy.run_module(module, run_name="__main__", alter_sys=True)
        return (end.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium that logs what pages say and request; a skip where there is none."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium drives the browser")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = selenium.ChromeOptions()
    options.binary_location = program
    for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(one)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with selenium.Chrome(options, selenium.ChromeService(driver)) as browser:
        yield browser


@pytest.fixture
def params():
    """Three parameters of 500 images."""
    return np.random.default_rng(1).uniform(-1, 1, size=(500, 3))


@pytest.fixture
def mixed(params):
    """Codes that know the parameters in part: linear, nonlinear, noise."""
    noise = np.random.default_rng(2).normal(size=(len(params), 2))
    return np.column_stack([params[:, 0] + params[:, 1], params[:, 2] ** 3, noise])


@pytest.fixture
def command(tiny, capsys, tmp_path, monkeypatch):
    """command(*arguments) runs it in tmp_path and gives (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:  # --help leaves this way
            code = end.code
        output, errors = capsys.readouterr()
        return code, output, errors

    return run


@pytest.fixture
def refused(command):
    """refused(message, *arguments): the command says that one sentence and ends with 2."""

    def check(message, *arguments):
        assert command(*arguments) == (2, "", f"error: {message}\n")

    return check


def pixels(path):
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def tree(folder):
    """Every path below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def split(array, at):
    """The rows to fit on and those to score on."""
    return array[:at], array[at:]


def scored(score, codes, params, train=300):
    """The score of a fit to the first rows on the others."""
    (x, tx), (y, ty) = split(codes, train), split(params, train)
    return score(x, y, test=(tx, ty))
