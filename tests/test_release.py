"""A release: a wheel and an sdist, each complete and holding nothing else, the same every time.

And the way to its users: `make release` uploads to an index server on this machine, and pip
installs from there by name.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import venv
import zipfile
from pathlib import Path, PurePath

import pytest
from packaging.requirements import Requirement

import fdd

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ("fdd", "baselines", "benchmarks")
LIGHT = {"filelock", "numba", "numpy", "pandas", "pillow", "platformdirs", "tqdm"}
"""All that rendering and loading need."""
SHIPPED = {
    "fdd/py.typed",
    "baselines/pretrained/mini-aae.safetensors",
    "baselines/pretrained/mini-contrastive.safetensors",
    "baselines/pretrained/mini-dcca.safetensors",
    "baselines/pretrained/mini-emulator.safetensors",
    "baselines/pretrained/mini-one.safetensors",
    "baselines/pretrained/mini-pairs.safetensors",
    "benchmarks/oracle/fdd-1.safetensors",
    "benchmarks/oracle/mini-1.safetensors",
    "benchmarks/reporting/templates/base.html",
    "benchmarks/reporting/templates/leaderboard.html",
    "benchmarks/reporting/templates/macros.html",
    "benchmarks/reporting/templates/page.js",
    "benchmarks/reporting/templates/report.html",
    "benchmarks/reporting/templates/style.css",
    *(f"fdd/explorer/js/{path.name}" for path in (CHECKOUT / "fdd" / "explorer" / "js").iterdir()),
    "fdd/explorer/page.html",
    "fdd/explorer/style.css",
    *(f"fdd/pages/js/{path.name}" for path in (CHECKOUT / "fdd" / "pages" / "js").iterdir()),
    "fdd/pages/look.css",
    "fdd/releases/checksums/fdd-1.sha256",
    "fdd/releases/checksums/mini-1.sha256",
}
"""What is installed beside the code."""
EPOCH = "1700000000"

pytest.importorskip("setuptools", minversion="77", reason="the release is built by setuptools")
pytest.importorskip("build")
pytest.importorskip("twine")
if shutil.which("make") is None:
    pytest.skip("it is make that releases", allow_module_level=True)
if shutil.which("git") is None or not (CHECKOUT / ".git").exists():
    pytest.skip("which files belong to the checkout, git knows", allow_module_level=True)


def run(*command, cwd, **environment):
    """What a command says. It neither fails nor warns of how the package is declared."""
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "SOURCE_DATE_EPOCH": EPOCH, **environment},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not re.search("Deprecat|BuildBackendWarning", said)
    return said


def make_release(tree, *options, **environment):
    """`make release`, with this interpreter in place of the environment that it would set up."""
    (tree / ".all").touch()  # says that it is set up
    command = ("make", "release", f"RUN={sys.executable}", "VENV=.", *options)
    return run(*command, cwd=tree, **environment)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The files of the checkout, as they are now; what git ignores stays behind."""
    folder = tmp_path_factory.mktemp("release") / "tree"
    options = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(["git", *options], cwd=CHECKOUT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """The address of an index server on this machine that takes what anybody uploads, or None."""
    if importlib.util.find_spec("pypiserver") is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("index")
    options = f"run --interface 127.0.0.1 --port {port} -P . -a . --disable-fallback {folder}"
    command = [sys.executable, "-m", "pypiserver", *options.split()]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(address).close()
                break
            except urllib.error.URLError:
                assert server.poll() is None, "the index server ended"
                assert time.monotonic() < until, "the index server does not answer"
                time.sleep(0.1)
        yield address
        server.terminate()


@pytest.fixture(scope="module")
def dist(tree, index):
    """The sdist, and the wheel that is built from it: checked, and uploaded to the index."""
    if index is None:
        make_release(tree)
    else:
        account = {"TWINE_USERNAME": "anybody", "TWINE_PASSWORD": "nothing"}
        make_release(tree, "GO=--go", TWINE_REPOSITORY_URL=index, **account)
    return tree / "dist" / "release"


@pytest.fixture(scope="module")
def wheel(dist):
    return dist / f"fdd-{fdd.__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def sdist(dist):
    return dist / f"fdd-{fdd.__version__}.tar.gz"


@pytest.fixture(scope="module")
def installed(wheel, tree):
    """The wheel, unpacked: what pip makes of it, but for the command."""
    folder = tree.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def about(installed):
    (found,) = importlib.metadata.distributions(path=[str(installed)])
    return found


def test_a_build_makes_one_wheel_and_one_sdist(dist, wheel, sdist):
    assert sorted(dist.iterdir()) == [wheel, sdist]
    # 7.1 MB are the two oracles, 12 the trained models, 6.5 of them the emulator
    assert wheel.stat().st_size < 23 * 10**6


def test_nothing_is_uploaded_unless_it_is_asked_for(tree):
    commands = make_release(tree, "--dry-run")
    assert "twine check --strict dist/release/*" in commands
    assert "twine upload" not in commands
    assert "twine upload" in make_release(tree, "--dry-run", "GO=--go")


def test_what_was_uploaded_is_installed_by_name_in_an_empty_environment(dist, index, tmp_path):
    if index is None:
        pytest.skip("there is no pypiserver")
    venv.create(tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    # what it needs would come from elsewhere
    options = ("--isolated", "--no-deps", "--index-url", f"{index}/simple/")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, "fdd", cwd=tmp_path)
    program = "import importlib.metadata as about; print(about.version('fdd'))"
    assert run(python, "-c", program, cwd=tmp_path) == f"{fdd.__version__}\n"


def test_the_wheel_holds_the_packages_and_nothing_else(installed, tree):
    files = {p.relative_to(installed).as_posix() for p in installed.rglob("*") if p.is_file()}
    record = {name for name in files if name.startswith(f"fdd-{fdd.__version__}.dist-info/")}
    code = {
        path.relative_to(tree).as_posix()
        for package in PACKAGES
        for init in (tree / package).rglob("__init__.py")
        for path in init.parent.glob("*.py")
    }
    assert len(code) > 100
    assert files - record == code | SHIPPED
    for name in code | SHIPPED:
        assert (installed / name).read_bytes() == (tree / name).read_bytes()
    named = {PurePath(name).name for name in record}
    assert named == {"LICENSE", "METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"}


def test_the_sdist_holds_what_a_release_is_made_of(sdist, tree):
    prefix = f"fdd-{fdd.__version__}/"
    with tarfile.open(sdist) as archive:
        assert {member.name.startswith(prefix.rstrip("/")) for member in archive} == {True}
        assert all(member.isfile() or member.isdir() for member in archive)
        files = {member.name.removeprefix(prefix) for member in archive if member.isfile()}
    tests = {f"tests/{path.name}" for path in (tree / "tests").glob("*.py")}
    asked = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "PKG-INFO", "README.md"}
    assert asked | tests | SHIPPED <= files
    assert {PurePath(name).parts[0] for name in files if "/" in name} == {
        *PACKAGES,
        "docs",
        "fdd.egg-info",
        "tests",
    }
    endings = {PurePath(name).suffix for name in files}
    assert endings.isdisjoint({".ipynb", ".npy", ".npz", ".parquet", ".png", ".pt", ".whl"})


def test_two_builds_have_the_same_bytes(tree, wheel):
    """One from the sdist, one from the checkout: so the sdist lacks nothing either."""
    out = tree.parent / "again"
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, cwd=tree)
    (again,) = out.iterdir()
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_metadata_say_what_it_is(about, tree):
    text = about.metadata
    assert (text["Name"], text["Version"]) == ("fdd", fdd.__version__)
    assert (text["License-Expression"], text["License-File"]) == ("MIT", "LICENSE")
    assert text["Requires-Python"] == ">=3.11"
    assert text["Description-Content-Type"] == "text/markdown"
    description = text.get("Description") or text.get_payload()  # importlib_metadata moves it
    assert description.strip() == (tree / "README.md").read_text(encoding="utf-8").strip()
    assert [(p.name, p.value) for p in about.entry_points] == [("fdd", "fdd.cli:main")]


def test_without_extras_only_what_rendering_needs_is_pulled(about):
    needed = [Requirement(line) for line in about.requires]
    assert {one.name for one in needed if one.marker is None} == LIGHT
    assert all("extra" in str(one.marker) for one in needed if one.name not in LIGHT)
    assert not [one for one in needed if one.url]


def test_every_extra_that_an_error_names_is_there(about, tree):
    named = set()
    for package in PACKAGES:
        for path in (tree / package).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            named |= set(re.findall(r'missing_extra\("(\w+)"', source))
            named |= set(re.findall(r"'(?:\.|fdd)\[(\w+)\]'", source))
    offered = set(about.metadata.get_all("Provides-Extra"))
    assert {"baselines", "benchmarks", "cuda", "dask", "onnx"} <= named <= offered


def test_the_installed_package_works_in_another_folder(installed, tmp_path):
    program = """
import importlib.util, sys, fdd.cli, fdd.releases.cards
for name in ("baselines", "benchmarks"):
    print(importlib.util.find_spec(name).origin)
listed = fdd.releases.cards.published_checksums("fdd-1")
print(fdd.__file__, fdd.__version__, len(listed), flush=True)
sys.exit(fdd.cli.main(["info"]))
"""
    environment = {"PYTHONPATH": str(installed), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = done.stdout.splitlines()
    assert found[:2] == [str(installed / name / "__init__.py") for name in PACKAGES[1:]]
    assert found[2] == f"{installed}/fdd/__init__.py {fdd.__version__} 50"
    assert found[3].startswith(f"fdd {fdd.__version__}, cache {tmp_path}")
