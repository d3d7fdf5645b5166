"""The shape of the code: light imports, arrows one way, a quiet core, a cache that may fail."""

import ast
import errno
import functools
import shutil
from pathlib import Path

import pytest
from numba.core import caching

import fdd
from fdd.arithmetic.compiling import jit

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = {"fdd": {"fdd"}, "baselines": {"fdd", "baselines"}}
PACKAGES["benchmarks"] = {"fdd", "baselines", "benchmarks"}
"""Each package, and what it may import of the three."""
FILES = {
    ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((CHECKOUT / package).rglob("*.py"))
}
"""Every module of the three packages, by its dotted name."""
CORE = {name: path for name, path in FILES.items() if name.partition(".")[0] == "fdd"}
ROOMS = {name: path for name, path in FILES.items() if path.name == "__init__.py" and "." in name}
HEAVY = {"torch", "torchvision", "matplotlib", "sklearn", "skimage", "scipy", "datashader"}


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imported(path, nodes=ast.walk):
    """The dotted names that a module imports, wherever in it: modules as far as they are ours."""
    names = set()
    for node in nodes(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relative to itself"
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in FILES else node.module for name in inside}
    return names


def packages(names):
    return {name.partition(".")[0] for name in names}


def called(path):
    """The dotted names of what a module calls."""
    return {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}


def room(name):
    """The folder that a module lies in, or the module itself where it lies at the top."""
    parts = name.split(".")
    folder = ".".join(parts[:2])
    return folder if folder in ROOMS else name


def circle(arrows):
    """Names that lead from one to the next and back to the first; an empty list if none do."""
    done = set()

    def follow(name, way):
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for target in sorted(arrows.get(name, ())):
            if found := follow(target, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := follow(name, []))), [])


def test_arrows_between_packages_point_one_way():
    offenders = {
        name: found
        for name, path in FILES.items()
        if (found := packages(imported(path)) & set(PACKAGES) - PACKAGES[name.partition(".")[0]])
    }
    assert offenders == {}


def test_no_files_import_each_other_in_a_circle():
    arrows = {name: (imported(path) & set(FILES)) - {name} for name, path in FILES.items()}
    assert " -> ".join(circle(arrows)) == ""


def test_arrows_between_rooms_point_one_way():
    arrows = {}
    for name, path in FILES.items():
        targets = {room(target) for target in imported(path) if target in FILES}
        arrows.setdefault(room(name), set()).update(targets - {room(name)})
    assert " -> ".join(circle(arrows)) == ""


def test_a_room_says_what_it_is_for_and_imports_what_it_says():
    """The end of its docstring lists it, by names in its own package or by packages."""
    offenders = []
    for name, init in ROOMS.items():
        purpose, _, line = (ast.get_docstring(tree(init)) or "").rpartition("\n\nMay import: ")
        assert purpose, f"{name} does not say what it is for and what it may import"
        package = name.partition(".")[0]
        listed = line.removesuffix(".").replace("\n", " ").split(", ")
        allowed = {one if one in PACKAGES else f"{package}.{one}" for one in listed} | {name}
        for module, path in FILES.items():
            if room(module) == name:
                found = {room(target) for target in imported(path) if target in FILES}
                of_others = {one for one in found if one.partition(".")[0] in {*listed} - {package}}
                forbidden = sorted(found - of_others - allowed)
                offenders += [f"{module} imports {one}" for one in forbidden]
    assert offenders == []


def outside_functions(node):
    """The nodes of a module that run when it is imported; type checkers alone read the others."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not isinstance(child, ast.FunctionDef) and not typing_only:
            yield child
            yield from outside_functions(child)


def test_the_core_imports_heavy_packages_only_inside_functions_for_the_gpu():
    """torch owns the memory of the GPU, so what computes there needs it, and nothing else does."""
    offenders = {}
    for name, path in CORE.items():
        for_the_gpu = "cuda" in path.name or path.name in ("devices.py", "stream.py", "render.py")
        allowed = {"torch"} if for_the_gpu else set()
        found = packages(imported(path, outside_functions)) & HEAVY
        found |= packages(imported(path)) & HEAVY - allowed
        if found:
            offenders[name] = found
    assert offenders == {}


def test_only_the_command_line_prints():
    printing = {name for name, path in CORE.items() if "print" in called(path)}
    assert printing == {"fdd.commands"}


def test_the_core_touches_no_global_random_state():
    allowed = {"np.random.Philox", "numpy.random.Philox"}
    offenders = {
        f"{name} calls {call}"
        for name, path in CORE.items()
        for call in called(path) - allowed
        if "random." in call
    }
    assert offenders == set()


def test_importing_fdd_loads_nothing_heavy_and_makes_no_folder(run_python, tmp_path):
    program = "import sys, fdd; print(*{name.partition('.')[0] for name in sys.modules})"
    code, output, errors = run_python("-c", program, HOME=tmp_path, FDD_DATA=tmp_path / "data")
    assert (code, errors) == (0, "")
    assert "fdd" in output.split()
    assert set(output.split()).isdisjoint(HEAVY)
    assert set(output.split()).isdisjoint({"numba", "pandas", "xarray", "baselines", "benchmarks"})
    assert list(tmp_path.iterdir()) == []


def test_the_public_names_are_those_promised():
    assert set(fdd.__all__) >= {"FddError", "families", "load", "render", "sample_params", "stream"}
    assert set(fdd.__all__) >= {"pairs", "path", "show"}
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
    (tmp_path / "adding.py").write_text("def add_one(x):\n    return x + 1\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from adding import add_one\n"
        "from fdd.arithmetic.compiling import is_compiled, jit\n"
        "add_one = jit(add_one)\n"
        "print(is_compiled(add_one, 1), add_one(1))"
    )
    cache = tmp_path / "cache"
    assert run_python("-c", program, NUMBA_CACHE_DIR=cache)[:2] == (0, "False 2\n")
    assert run_python("-c", program, NUMBA_CACHE_DIR=cache)[:2] == (0, "True 2\n")
    cached = [path for path in cache.rglob("*.nb*") if path.is_file()]
    assert cached
    for path in cached:
        path.write_bytes(path.read_bytes()[:20])
    assert run_python("-c", program, NUMBA_CACHE_DIR=cache)[:2] == (0, "False 2\n")
