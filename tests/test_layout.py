"""The shape of the code: light imports, arrows one way, a quiet core, a cache that may fail."""

import ast
import errno
import shutil
from pathlib import Path

import pytest
from numba.core import caching

import fdd
from fdd.arithmetic.compiling import jit

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDERS = ("fdd", "baselines", "benchmarks")
MODULES = [
    pytest.param(path, id=str(path.relative_to(CHECKOUT)))
    for folder in FOLDERS
    for path in sorted((CHECKOUT / folder).rglob("*.py"))
]
CORE = [parameter for parameter in MODULES if parameter.id.startswith("fdd/")]
HEAVY = {"torch", "torchvision", "matplotlib", "sklearn", "skimage", "scipy", "datashader"}
MAY_IMPORT = {
    "fdd": {"fdd"},
    "baselines": {"fdd", "baselines"},
    "benchmarks": {"fdd", "baselines", "benchmarks"},
}


def imported(path, nodes=ast.walk):
    """The top-level names of packages that a module imports, wherever in it."""
    names = set()
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(path.parent.name if node.level else node.module.partition(".")[0])
    return names


def called(path):
    """The dotted names of what a module calls."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("path", MODULES)
def test_arrows_point_one_way(path):
    folder = path.relative_to(CHECKOUT).parts[0]
    assert imported(path) & set(FOLDERS) <= MAY_IMPORT[folder]


def outside_functions(tree):
    """The nodes of a module that run when it is imported; type checkers alone read the others."""
    for node in ast.iter_child_nodes(tree):
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not isinstance(node, ast.FunctionDef) and not typing_only:
            yield node
            yield from outside_functions(node)


@pytest.mark.parametrize("path", CORE)
def test_the_core_imports_heavy_packages_only_inside_functions_for_the_gpu(path):
    """torch owns the memory of the GPU, so what renders there needs it, and nothing else does."""
    assert imported(path, outside_functions).isdisjoint(HEAVY)
    for_the_gpu = {"torch"} if "cuda" in path.name or path.name == "stream.py" else set()
    typed = {"torch"} if path.name == "render.py" else set()
    assert imported(path) & HEAVY <= for_the_gpu | typed


@pytest.mark.parametrize("path", CORE)
def test_only_the_command_line_prints(path):
    assert ("print" in called(path)) == (path.name == "cli.py")


@pytest.mark.parametrize("path", CORE)
def test_the_core_touches_no_global_random_state(path):
    allowed = {"np.random.Philox", "numpy.random.Philox"}
    assert {name for name in called(path) - allowed if "random." in name} == set()


def test_importing_fdd_loads_nothing_heavy_and_makes_no_folder(run_python, tmp_path):
    program = "import sys, fdd; print(*{name.partition('.')[0] for name in sys.modules})"
    code, output, errors = run_python("-c", program, HOME=tmp_path, FDD_DATA=tmp_path / "data")
    assert (code, errors) == (0, "")
    assert "fdd" in output.split()
    assert set(output.split()).isdisjoint(HEAVY - {"scipy"})  # numba imports scipy itself
    assert set(output.split()).isdisjoint({"pandas", "xarray", "baselines", "benchmarks"})
    assert list(tmp_path.iterdir()) == []


def test_the_public_names_are_those_promised():
    assert set(fdd.__all__) >= {"FddError", "families", "load", "render", "sample_params", "stream"}
    assert all(hasattr(fdd, name) for name in fdd.__all__)
    assert issubclass(fdd.FddError, ValueError)
    assert fdd.families["fractal_dream"].parameters == ("x0", "y0", "a", "b", "c", "d")


def test_a_missing_extra_says_what_to_install():
    error = fdd.errors.missing_extra("torch", ImportError(name="torch"))
    assert isinstance(error, fdd.FddError)
    assert str(error) == "this needs the package 'torch': pip install 'fdd[torch]'"


@pytest.mark.parametrize("variable", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME"])
def test_nothing_need_be_writable_for_compiled_code(run_python, tmp_path, variable):
    """The package, the user's cache and numba's own folder all lie below a plain file."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    shutil.copytree(
        CHECKOUT / "fdd", tmp_path / "fdd", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "fdd" / "__pycache__").write_text("in the way")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import numpy as np, fdd, fdd.rendering.cpu_kernel
from fdd.rendering import shading
assert fdd.__file__.startswith({str(tmp_path)!r}), fdd.__file__
print(shading.gray(np.eye(2, dtype=np.uint32)[None]).tolist())
"""
    environment = {"HOME": blocked, variable: blocked / "cache", "PYTHONDONTWRITEBYTECODE": 1}
    code, output, errors = run_python("-c", program, **environment)
    assert (code, output) == (0, "[[[0, 255], [255, 0]]]\n"), errors


def add_one(x):
    return x + 1


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_cache_of_compiled_code_that_turns_out_full_is_done_without(reason, monkeypatch):
    def full(*arguments):
        raise OSError(reason, "no room")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_index", full)
    assert jit(add_one)(1) == 2


def test_a_damaged_cache_of_compiled_code_is_done_without(tmp_path, run_python):
    program = "import fdd; print(fdd.render([0.1, 0.2, 1, 2, 1, 2], 'counts', 2, 50).sum())"
    assert run_python("-c", program, NUMBA_CACHE_DIR=tmp_path)[:2] == (0, "50\n")
    cached = [path for path in tmp_path.rglob("*.nb*") if path.is_file()]
    assert cached
    for path in cached:
        path.write_bytes(path.read_bytes()[:20])
    assert run_python("-c", program, NUMBA_CACHE_DIR=tmp_path)[:2] == (0, "50\n")
