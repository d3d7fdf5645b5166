"""The explorer: its JavaScript computes what Python does, bit for bit, and its page stands alone.

FDD_EXPLORER_VECTORS: vectors of each family whose counts are compared (4).
"""

import base64
import hashlib
import os
import re
from dataclasses import replace
from importlib.resources import files

import gmpy2
import numpy as np
import pytest
from explorer_modules import run_node, write_modules
from test_sines import mpfr

import fdd
from benchmarks.oracle import load_oracle
from fdd import FddError
from fdd.attractors.families import FAMILIES
from fdd.explorer import explore
from fdd.explorer.command import main
from fdd.explorer.modules import script
from fdd.explorer.page import COMPUTING, PAGE
from fdd.explorer.translation import orbit_function
from fdd.rendering import shading
from fdd.rendering.cpu import render_cpu
from fdd.rendering.drawing import Drawing
from fdd.rendering.palettes import PALETTES

VECTORS = int(os.environ.get("FDD_EXPLORER_VECTORS", "4"))
FIRST = [0.1, 0.1, -2.0, -1.5, -2.6, 0.9]
HALF_PI = gmpy2.const_pi(400) / 2


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Runs a program with the page's modules."""
    folder = tmp_path_factory.mktemp("modules")
    write_modules(folder)
    return lambda program, given=None: run_node(folder, program, given)


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


# Arithmetic


@pytest.mark.parametrize("names", [COMPUTING, PAGE], ids=["workers", "page"])
def test_modules_are_one_script_in_which_no_name_is_declared_twice(node, names):
    assert node("new Function(given); return true;", script(names)) is True


SINES = """return given.map((x) => [modules.sines.sin(x), modules.sines.cos(x)]);"""


def arguments():
    """|x| up to 1024: where orbits are, where sines are hard, at each change of the way."""
    draw = np.random.default_rng(1)
    ends = [2.0**-27, 1 / 128, 15.0, 1024.0]
    multiples = [float(k * HALF_PI) for k in (1, 2, 3, 4, 9, 100, 651)]
    special = np.array([*ends, *multiples, 0.0, 2.0**-60, 5e-324])
    every = [
        draw.uniform(-15, 15, 20000),
        draw.uniform(-1024, 1024, 2000),
        draw.uniform(-1, 1, 1000) / 64,
        np.ldexp(draw.uniform(1, 2, 400), np.arange(-40, 10).repeat(8)),
        *(np.nextafter(special, way) for way in (-np.inf, np.inf)),
        special,
    ]
    x = np.concatenate(every)
    return x[np.abs(x) <= 1024]


def test_sines_and_cosines_are_correctly_rounded(node):
    x = arguments()
    found = np.array(node(SINES, x.tolist()))
    assert np.array_equal(found[:, 0], mpfr("sin", x))
    assert np.array_equal(found[:, 1], mpfr("cos", x))


def test_the_last_try_is_right_by_itself(node):
    """No orbit is known to need it."""
    x = arguments()[::40]
    x = x[np.abs(x) >= 2.0**-27]
    program = "return given.map((x) => [0, 4].map((column) => modules.sines.lastTry(x, column)));"
    found = np.array(node(program, x.tolist()))
    assert np.array_equal(found[:, 0], mpfr("sin", x))
    assert np.array_equal(found[:, 1], mpfr("cos", x))


def test_sines_beyond_the_limit_are_nan(node):
    found = node("return given.map((x) => Number.isNaN(modules.sines.sin(x)));", [1024.5, -1e300])
    assert found == [True, True]


# Pictures


DRAWN = """return given.map(({ family, params, size, points, palette }) => {
  const counts = modules.counts.countsOf(family, params, size, points);
  if (!counts) return null;
  const colours = modules.shading.rgb(counts, modules.families.PALETTES[palette]);
  const bytes = (channels) => colours.filter((_, place) => place % 4 < channels);
  const gray = modules.shading.gray(counts).filter((_, place) => place % 4 === 0);
  return [counts, bytes(3), gray].map(sha256);
});"""


def drawn(node, vectors, family, size=128, points=60000, palette="kbc"):
    """SHA-256 of counts, colours and gray of each vector by JavaScript; None where degenerate."""
    options = {"family": family, "size": size, "points": points, "palette": palette}
    return node(DRAWN, [{"params": list(vector), **options} for vector in vectors])


def rendered(vectors, family, size=128, points=60000, palette="kbc"):
    """The same by Python."""
    rows = np.array(vectors)
    made = [
        render_cpu(Drawing(family, size, points, output, palette), rows, 1)
        for output in ("counts", "rgb", "gray")
    ]
    return [
        None if made[0][1][row] else [sha256(images[row]) for images, _ in made]
        for row in range(len(rows))
    ]


@pytest.mark.parametrize("family", list(FAMILIES))
def test_pictures_are_those_of_python(node, family):
    vectors = fdd.uniform_params(VECTORS, family, seed=11)
    assert drawn(node, vectors, family) == rendered(vectors, family)


def test_the_first_picture_is_the_published_one(node):
    (found,) = drawn(node, [FIRST], "fractal_dream")
    assert found[1] == "e2ae4a9d3231311d1dfcf2336b48a03d66b7f7e989a6135ff16f57ae3f9dffec"


@pytest.mark.parametrize(("size", "points"), [(2, 1), (2, 3), (3, 50), (32, 4000), (300, 70000)])
def test_pictures_of_any_size_are_those_of_python(node, size, points):
    vectors = [*fdd.uniform_params(3, seed=5), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]]
    options = {"size": size, "points": points, "palette": "viridis"}
    assert drawn(node, vectors, "fractal_dream", **options) == rendered(
        vectors, "fractal_dream", **options
    )


@pytest.mark.parametrize("spread", [3, 65535, 65536, 10**6])
def test_colours_of_any_counts_are_those_of_python(node, spread):
    """From a spread of 65,536 on, the equalisation bins the counts."""
    draw = np.random.default_rng(spread)
    counts = draw.integers(1, spread, 900) * draw.integers(0, 2, 900)
    counts[:4] = [1, 1, spread + 1, spread + 1]
    program = """const counts = Uint32Array.from(given);
      const { rgb, gray } = modules.shading;
      return [rgb(counts, modules.families.PALETTES.inferno), gray(counts)].map((a) => [...a]);"""
    colours, gray = (np.reshape(found, (30, 30, 4)) for found in node(program, counts.tolist()))
    square = counts.reshape(1, 30, 30)
    assert np.array_equal(colours[..., :3], shading.rgb(square, PALETTES["inferno"])[0])
    assert np.array_equal(gray[..., 0], shading.gray(square)[0])
    assert np.all(colours[..., 3] == 255)


@pytest.mark.parametrize("family", [name for name, one in FAMILIES.items() if one.symmetries])
def test_the_symmetries_are_those_that_the_family_declares(node, family):
    vectors = fdd.uniform_params(5, family, seed=2).tolist()
    program = f"""const changes = modules.families.CHANGES["{family}"];
      return given.map((vector) => changes.map((change) => change(vector)));"""
    assert node(program, vectors) == [
        [list(symmetry.change(tuple(vector))) for symmetry in FAMILIES[family].symmetries]
        for vector in vectors
    ]


def test_the_vectors_to_start_from_are_in_range_and_kept(node):
    program = """const { FAMILIES, RELEASE, KEPT_PERCENT } = modules.families;
      return Object.entries(FAMILIES).flatMap(([family, { gallery }]) => gallery.map((params) => {
        const found = params.map((value, place) => modules.state.complaint(family, place, value));
        const counts = modules.counts.countsOf(family, params, RELEASE.size, RELEASE.points);
        const share = modules.counts.occupiedCells(counts) / counts.length;
        return [found.join(""), 100 * share >= KEPT_PERCENT];
      }));"""
    found = node(program)
    assert len(found) == 6 * len(FAMILIES)
    assert all(one == ["", True] for one in found)


# The oracle

ORACLE = files("benchmarks.oracle") / "mini-1.safetensors"


def test_the_oracle_reads_what_it_reads_in_python(node):
    vectors = [FIRST, [0.3, -0.2, -1.2, 2.2, 0.4, -2.1]]
    program = """const bytes = readFileSync(given.oracle);
      const { openedOracle, readPixels } = modules.oracle;
      const oracle = openedOracle(bufferOf(bytes));
      const { size, points } = oracle.config;
      return given.vectors.map((params) => {
        const counts = modules.counts.countsOf("fractal_dream", params, size, points);
        const pixels = modules.shading.rgb(counts, modules.families.PALETTES.kbc);
        return [readPixels(oracle, pixels), modules.state.readable(params)];
      });"""
    found = np.array(node(program, {"oracle": str(ORACLE), "vectors": vectors}))
    images = fdd.render(vectors, size=32, points=4000)
    assert found[:, 0] == pytest.approx(load_oracle("mini-1").read(images), abs=1e-4)
    assert np.array_equal(found[:, 1], fdd.canonical_params(vectors)[:, 2:])


def test_the_page_takes_an_oracle_in():
    page = str(explore([], oracle=ORACLE))
    assert base64.b64encode(ORACLE.read_bytes()).decode() in page
    assert str(fdd.explore([], oracle="mini-1")) == page


@pytest.mark.parametrize(
    "content", [b"", b"no oracle at all", bytes(100), b"\x02" + bytes(7) + b"{}"]
)
def test_a_file_that_is_no_oracle_is_refused(tmp_path, content):
    file = tmp_path / "mine"
    file.write_bytes(content)
    with pytest.raises(FddError) as caught:
        explore(oracle=file)
    assert str(caught.value) == (
        f"oracle='{file}' is not a file that python -m benchmarks.reader wrote; choose such a "
        "file, mini-1 or fdd-1"
    )


def test_an_oracle_that_is_not_there_is_told(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "page.html"), "--oracle", "nothing"]) == 2
    assert capsys.readouterr().err == (
        "error: oracle='nothing' must be mini-1, fdd-1 or a file of at most 16 MiB\n"
    )
    assert list(tmp_path.iterdir()) == []


# Translation


def branching(x, y, a):
    return (x if x > 0 else y), a


def equal(x, y, a):
    return (x if x == y else y), a


def power(x, y, a):
    return x**2, a


@pytest.mark.parametrize("step", [branching, equal, power])
def test_a_step_that_cannot_be_translated_is_refused(step):
    family = replace(FAMILIES["bedhead"], name="mine", step=step, parameters=("x0", "y0", "a"))
    with pytest.raises(FddError, match=r"^family 'mine': its step cannot be translated \("):
        orbit_function(family)


def test_a_family_of_ones_own_is_on_the_page(monkeypatch):
    mine = replace(FAMILIES["clifford"], name="mine</script>")
    monkeypatch.setitem(FAMILIES, mine.name, mine)
    shown = str(explore([]))
    assert r'"mine\u003c/script>": (xs, ys, [$a, $b, $c, $d]) => {' in shown
    assert shown.count("</script>") == str(explore([])).count("<script")


# The state and its address


def test_the_address_says_everything(node):
    program = """const { firstState, written, read } = modules.state;
      const state = { ...firstState("clifford"), output: "gray", palette: "viridis", size: 512 };
      state.params = [0.1, -1, 1e-7, 2.123456789012345, 3, -3];
      return [JSON.stringify(read("#" + written(state))) === JSON.stringify({ state, faults: [] }),
        written(state)];"""
    assert node(program) == [
        True,
        "family=clifford&x0=0.1&y0=-1&a=1e-7&b=2.123456789012345&c=3&d=-3&output=gray"
        "&palette=viridis&size=512&points=60000",
    ]


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("a=7", 'The address has a = "7"; a must be a number from -3 to 3.'),
        ("a=", 'The address has a = ""; a must be a number from -3 to 3.'),
        ("a=NaN", 'The address has a = "NaN"; a must be a number from -3 to 3.'),
        (
            "family=symmetric_icon&d=3.5",
            'The address has d = "3.5"; d must be a whole number from 3 to 9.',
        ),
        (
            "output=<b>",
            'The address has output = "<b>"; it must be one of rgb, gray, counts.',
        ),
        (
            "size=100000",
            'The address has size = "100000"; it must be one of 32, 64, 128, 256, 512, 1024.',
        ),
    ],
)
def test_an_address_that_is_wrong_gets_a_sentence_and_the_rest_of_it_holds(node, address, fault):
    program = "return modules.state.read(given);"
    found = node(program, f"#{address}&b=0.75&palette=inferno")
    assert found["faults"] == [fault]
    assert (found["state"]["params"][3], found["state"]["palette"]) == (0.75, "inferno")


def test_the_python_on_the_page_draws_what_the_page_draws(node):
    program = """const { firstState, python } = modules.state;
      const state = { ...firstState("hopalong_1"), output: "counts", size: 32, points: 4000 };
      return [python(firstState("fractal_dream")), python(state), state.params];"""
    first, other, params = node(program)
    assert first == "fdd.render([0.1, 0.1, -2, -1.5, -2.6, 0.9])"
    assert other == (
        f'fdd.render({params}, output="counts", size=32, points=4000, family="hopalong_1")'
    )


# The page


def test_the_page_stands_alone():
    text = str(explore([]))
    assert re.findall(r"""(?:src|href)=|url\(|\bimport\(|\bfetch\(|XMLHttp|https?:""", text) == []
    assert "default-src 'none'" in text


@pytest.mark.parametrize("names", [COMPUTING, PAGE])
def test_no_two_modules_that_are_joined_give_one_name_to_two_things(names):
    found = re.findall(r"^(?:async )?(?:function|const|let) (\w+)", script(names), re.MULTILINE)
    assert [name for name in found if found.count(name) > 1] == []
    assert len(found) > 20


def test_a_notebook_shows_the_page_in_a_frame():
    shown = explore([])._repr_html_()
    assert shown.startswith('<iframe title="Fractal Dream explorer"')
    assert shown.count("<") == 2  # the page is text within an attribute


def test_the_command_writes_one_file(tmp_path, capsys):
    out = tmp_path / "folder" / "page.html"
    assert main(["--plain", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"the explorer in {out}\n"
    assert list(out.parent.iterdir()) == [out]
    assert out.read_text(encoding="utf-8") == str(explore([]))


def test_the_command_says_what_is_wrong_with_its_path(tmp_path, capsys):
    assert main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: out='{tmp_path}'")
    assert list(tmp_path.iterdir()) == []
