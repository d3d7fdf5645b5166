"""The notebooks: what they compute on a small package, what they hold, what Kaggle is told."""

import ast
import base64
import importlib.util
import io
import json
import os
import re
import runpy
import sys
import zipfile

import nbformat
import numpy as np
import pytest
import warm
from conftest import CHECKOUT
from nbclient.exceptions import CellExecutionError
from PIL import Image

import fdd
from fdd.publishing.package import package
from fdd.releases.cards import DEFAULT_VERSION, KAGGLE_2019, KAGGLE_OWNER, kaggle_handle, release

IMAGES = 60
TITLES = {
    "experiments-of-2019": "Fractal Dream: the experiments of 2019",
    "latent-space-found": "Fractal Dream: the latent space found",
    "tour": "Fractal Dream: a tour",
    "train-an-aae": "Fractal Dream: train an AAE",
    "your-own-attractor": "Fractal Dream: your own attractor",
}
NAMES = tuple(TITLES)
PACKAGES = ("fdd", "baselines", "benchmarks")
OURS = kaggle_handle(release(DEFAULT_VERSION))
each_notebook = pytest.mark.parametrize("name", NAMES)


def load_build():
    spec = importlib.util.spec_from_file_location("kernels_build", CHECKOUT / "kernels/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load_build()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder of mounted data sets, which holds a package of the first images of each split."""
    folder = tmp_path_factory.mktemp("input")
    package(folder / build.SLUG, images=IMAGES)
    return folder


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    """Python that has imported already what the notebooks and their commands are slow to import."""
    folder = tmp_path_factory.mktemp("warm")
    with warm.serving(folder, "torch._dynamo", "sklearn.neural_network", "pandas") as script:
        yield str(script)


@pytest.fixture
def run(interpreter, inputs, tmp_path, monkeypatch):
    """run(notebook, **facts) runs it at small size in tmp_path, on that interpreter.

    What it computed: these expressions, evaluated at its end.
    """
    monkeypatch.setattr(sys, "executable", interpreter)

    def ran(notebook, inputs=inputs, **facts):
        report = ", ".join(f"{name!r}: {expression}" for name, expression in facts.items())
        program = f"print(json.dumps({{{report}}}, default=lambda found: found.tolist()))"
        first = f"import json, sys\nsys.executable = {interpreter!r}"
        notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
        notebook.cells.append(nbformat.v4.new_code_cell(program))
        build.execute(notebook, inputs, tmp_path, FDD_SMALL="1")
        return json.loads(notebook.cells[-1].outputs[-1].text)

    return ran


def test_the_tour(run):
    found = run(
        build.read_source("tour"),
        lengths="[len(split) for split in splits.values()]",
        vectors="data.params.to_numpy()",
        pixels="int(image.sum())",
        equal="int(equal.sum())",
        points="int(counts.sum())",
        symmetries="[table[name]['cells with equal counts'] for name in table]",
        chaos="[distances[0], other_start, distances[-1]]",
        nearest="near.shape",
        r2="r2.to_dict()",
        plain="[np.array_equal(picture, image), np.array_equal(listed[names], data.params)]",
        measured="list(measured.values())",
    )
    params = fdd.sample_params(IMAGES, "test")
    assert found["lengths"] == [IMAGES] * 3
    assert np.array_equal(found["vectors"], params)
    assert found["pixels"] == fdd.render(params[0]).sum()
    assert (found["equal"], found["points"]) == (IMAGES, 60000)
    rotation, transposition, flip, sign = found["symmetries"]
    assert transposition == 1 > min(rotation, flip) > 0.999 > 0.8 > sign
    least_step, other_start, tenth = found["chaos"]
    assert 0.8 * other_start < least_step < 1.2 * other_start < tenth < 1
    assert found["nearest"] == [IMAGES, 6]
    assert max(found["r2"][name] for name in ("x0", "y0", "a", "b")) < found["r2"]["|a|"]
    assert found["plain"] == [True, True]
    assert 4000 < found["measured"][0] < 8000 < found["measured"][1] == 128 * 128 * 3


def test_the_auto_encoder(run):
    found = run(
        build.read_source("train-an-aae"),
        steps="metrics['step'].tolist()",
        trained_on="model.config['version']",
        codes="[one.encode(images).shape for one in (model, pretrained)]",
        names="table.index.tolist()",
        parameters="table.columns.tolist()",
        ceiling="limits.loc['ceiling'].tolist()",
    )
    assert found["steps"] == [2, 4, 6, 8]
    assert found["trained_on"] == "mini-1"
    assert found["codes"] == [[2000, 6], [2000, 32]]
    assert found["names"] == ["aae", "mini-aae"]
    assert found["parameters"] == ["a'", "b'", "c", "d"]
    assert min(found["ceiling"]) > 0.5  # the oracle reads them from 40 images


def test_the_latent_space_found(run):
    found = run(
        build.read_source("latent-space-found"),
        again="[again.shape, sum(picture.min() < 255 for picture in again)]",
        groups="groups.shape",
        r2="[row.tolist() for row in r2.values()]",
        steps="spread.trace(axis1=1, axis2=2)",
        table="list(table.values())",
    )
    assert found["again"][0] == [12, 32, 32, 3]
    assert found["again"][1] >= 10
    assert found["groups"] == [3, 12, 32, 32, 3]
    nothing, related = np.array(found["r2"])
    assert (related > 0.5).all()
    assert nothing[0] > 0.3 > nothing[1:].max()
    start, others = found["steps"][:2], found["steps"][2:]
    assert min(others) > max(start)  # codes follow a, b, c, d, and hardly the starting point
    images, groups, one = np.array(found["table"])
    assert min(groups[0], one[0]) > 0.7 > 0.3 > images[0]
    assert one[1] > groups[1] > 0.6 > 0.3 > images[1]


def test_the_experiments_of_2019_without_the_data_set_of_then(run):
    found = run(
        build.read_source("experiments-of-2019"),
        equal="sum(equal)",
        attached="old is not None",
        correlations="np.corrcoef(params_2019.T)",
        explained="{kind: values.mean() for kind, values in explained.items()}",
        answers="table.to_dict('index')",
        curve="curve.to_numpy()",
    )
    assert (found["equal"], found["attached"]) == (3, False)
    correlations = np.array(found["correlations"])
    assert 0.6 < correlations[0, 1] < 0.9
    assert (correlations[2:, 2:] > 0.7).all()
    assert np.abs(correlations[:2, 2:]).max() < 0.3
    assert found["explained"]["fdd-1"] < 0.5 < 0.75 < found["explained"]["stand-in"]
    other, everything, start, mean = found["answers"].values()
    assert mean["MSE"] < 0.7 * start["MSE"] < start["MSE"] < everything["MSE"] < other["MSE"]
    assert [row["retrieval at 1"] for row in (start, mean, other)] == [1, 1, 0]
    learned, new, _ = np.array(found["curve"]).T
    assert (learned > 0.8).all()
    assert (new < 0.2).all()


def test_the_pictures_of_2019_are_verified_where_they_are_attached(run, inputs, tmp_path):
    params = fdd.sample_params(6, "val")
    mounted = tmp_path / KAGGLE_2019.partition("/")[2] / "kbc"
    mounted.mkdir(parents=True)
    for number, (vector, image) in enumerate(zip(params, fdd.render(params), strict=True)):
        if number == 3:
            image[5, 5] = 7
        comma = "_ ".join(map(repr, vector.tolist())).replace(".", ",")
        Image.fromarray(image).save(mounted / f"{comma}.png")
    (tmp_path / build.SLUG).symlink_to(inputs / build.SLUG)
    notebook = build.read_source("experiments-of-2019")
    last = next(i for i, cell in enumerate(notebook.cells) if "params_2019 =" in cell.source)
    notebook.cells = notebook.cells[: last + 1]
    facts = {"equal": "int(same.sum())", "params": "params_2019"}
    found = run(notebook, tmp_path, **facts)
    assert found["equal"] == 5
    assert sorted(found["params"]) == sorted(params.tolist())


def test_your_own_attractor(run):
    found = run(
        build.read_source("your-own-attractor"),
        kept="kept",
        full="full",
        equal="equal",
        wrong="same",
        agree="agree",
        batch="[images.shape, labels.shape]",
        folded="truths['folded'].min(axis=0)",
        rows="[' '.join(row) for row in table]",
        first="fdd.render(kept[0], 'counts', size=32, points=1000, family='moth')",
    )
    assert len(found["kept"]) == 200
    assert 0.2 < np.mean(found["full"]) < 0.6
    mirror, signs, sign = found["equal"].values()
    assert signs == sign == 1 > mirror > 0.999 > 0.8 > found["wrong"]
    assert found["agree"] == 4
    assert found["batch"] == [[32, 64, 64, 3], [32, 6]]
    assert min(found["folded"][1:3]) > 0 > found["folded"][0]
    codes = ("PCA", "random filters", "noise")
    assert found["rows"] == [f"{code} {kind}" for code in codes for kind in ("raw", "folded")]
    assert np.sum(found["first"]) == 1000
    assert "moth" not in fdd.families  # the notebook's kernel is not this process


def committed(name):
    return nbformat.read(CHECKOUT / "kernels" / name / f"{name}.ipynb", as_version=4)


@each_notebook
def test_a_notebook_is_what_its_source_says(name):
    notebook, source = committed(name), build.read_source(name)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith(f"# {TITLES[name]}\n")
    assert re.search(r"CC BY 4\.0.* MIT", notebook.cells[0].source.replace("\n", " "))
    assert notebook.metadata == source.metadata
    kept = ("id", "cell_type", "source", "metadata")
    for found, wanted in zip(notebook.cells, source.cells, strict=True):
        assert [found[key] for key in kept] == [wanted[key] for key in kept]


@each_notebook
def test_a_notebook_begins_with_a_picture_after_one_quiet_cell(name):
    setup, picture, *_ = (cell for cell in committed(name).cells if cell.cell_type == "code")
    assert setup.outputs == []
    assert setup.metadata == {
        "_kg_hide-input": True,
        "jupyter": {"source_hidden": True},
        "tags": ["hide-input"],
    }
    assert "image/png" in picture.outputs[0].data


@each_notebook
def test_a_formula_needs_no_script_from_a_network(name):
    texts = [cell.source for cell in committed(name).cells if cell.cell_type == "markdown"]
    assert not any("$" in text for text in texts)


@each_notebook
def test_a_notebook_uses_what_the_reference_has(name):
    """A module of ours that a cell imports from is on a page of docs/api."""
    pages = (CHECKOUT / "docs" / "api").glob("*.md")
    reference = "\n".join(page.read_text("utf-8") for page in pages)
    code = "\n".join(c.source for c in committed(name).cells if c.cell_type == "code")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith(PACKAGES):
            assert re.search(rf":: {node.module}\b", reference), node.module
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "fdd":
            assert node.attr in fdd.__all__


@each_notebook
def test_a_notebook_holds_the_outputs_of_one_run_from_top_to_bottom(name):
    cells = [cell for cell in committed(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [out for cell in cells for out in cell.outputs]
    assert not any(out.output_type == "error" or out.get("name") == "stderr" for out in outputs)
    pictures = [out.data["image/png"] for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 3
    for picture in pictures:
        with Image.open(io.BytesIO(base64.b64decode(picture))) as opened:
            assert opened.mode == "P"
    assert (CHECKOUT / "kernels" / name / f"{name}.ipynb").stat().st_size < 1_000_000


SECRETS = (
    r"KGAT_|KAGGLE_KEY|KAGGLE_API_TOKEN|kaggle\.json",
    r"(?<![0-9A-Za-z+/=])[0-9a-f]{32}(?![0-9A-Za-z+/=])",  # a key of Kaggle's
    r"\b(?:ghp|github_pat|hf|pypi)[_-]\w{16,}",
    r"(?i)(?:password|secret|bearer)\s*[:=]",
    r"/(?:home|root|Users|work)/|/tmp/",
)


@each_notebook
def test_a_notebook_holds_no_secret_and_no_path_of_whoever_ran_it(name):
    folder = CHECKOUT / "kernels" / name
    for path in (folder / f"{name}.py", folder / f"{name}.ipynb", folder / "kernel-metadata.json"):
        text = path.read_text(encoding="utf-8")
        assert [found for rule in SECRETS for found in re.findall(rule, text)] == []


@pytest.mark.parametrize("text", ["KGAT_0123", f"key: {'0a' * 16}", "hf_" + "a" * 30, "/root/x"])
def test_what_would_be_a_secret_is_found(text):
    assert any(re.search(rule, text) for rule in SECRETS)


@each_notebook
def test_what_kaggle_is_told(name):
    metadata = json.loads((CHECKOUT / "kernels" / name / "kernel-metadata.json").read_text())
    assert metadata.pop("keywords")
    sources = [OURS, KAGGLE_2019] if name == "experiments-of-2019" else [OURS]
    assert metadata == {
        "id": f"{KAGGLE_OWNER}/{TITLES[name].lower().replace(':', '').replace(' ', '-')}",
        "title": TITLES[name],
        "code_file": f"{name}.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": name == "train-an-aae",
        "enable_tpu": False,
        "enable_internet": False,
        "dataset_sources": sources,
        "competition_sources": [],
        "kernel_sources": [],
        "model_sources": [],
    }


def test_there_are_these_notebooks_and_their_folder_is_no_package():
    assert tuple(build.NAMES) == NAMES
    assert not list((CHECKOUT / "kernels").rglob("__init__.py"))


def wheel(folder, name):
    """A wheel that holds one empty module."""
    info = f"{name}-0.1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-0.1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        archive.writestr(f"{info}/RECORD", "")


def test_on_kaggle_the_first_cell_installs_the_wheels_of_the_data_set(tmp_path, monkeypatch):
    cells = {
        next(c.source for c in build.read_source(name).cells if c.cell_type == "code")
        for name in NAMES
    }
    (cell,) = {re.split(r"(?<=invalidate_caches\(\))", cell)[0] for cell in cells}
    folder = tmp_path / "input/datasets/fractal-dream" / build.SLUG
    folder.mkdir(parents=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("KAGGLE_CACHE_MOUNT_FOLDER", str(tmp_path / "input"))
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "site"))
    with pytest.raises(AssertionError, match=f"add the data set {OURS} by 'Add Input'"):
        exec(cell, {})
    for name in ("fdd", "pytorch_msssim"):
        wheel(folder, name)
    exec(cell, {})
    assert (tmp_path / "site/fdd/__init__.py").is_file()
    assert (tmp_path / "site/pytorch_msssim/__init__.py").is_file()


TINY = """# %% [markdown]
# # Tiny
# %%
import sys
import os
print(sorted(os.listdir(os.environ["KAGGLE_CACHE_MOUNT_FOLDER"])), os.listdir())
print("37 %", file=sys.stderr)
# %%
from PIL import Image
Image.linear_gradient("L").convert("RGBA")
"""


def kernels():
    """The kernels that this process has started and that still run."""
    psutil = pytest.importorskip("psutil")
    children = psutil.Process().children()
    return [child for child in children if "ipykernel_launcher" in child.cmdline()]


def test_building_again_gives_the_same_file_and_no_kernel_outlives_its_notebook(inputs, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/tiny.py").write_text(TINY)
    path = build.build("tiny", inputs / build.SLUG, tmp_path)
    assert kernels() == []
    first = path.read_bytes()
    assert build.build("tiny", inputs / build.SLUG, tmp_path).read_bytes() == first
    _, listing, picture = nbformat.read(path, as_version=4).cells
    assert [out.text for out in listing.outputs] == [f"['{build.SLUG}'] []\n"]
    data = base64.b64decode(picture.outputs[0].data["image/png"])
    with Image.open(io.BytesIO(data)) as shown:
        pixels = np.array(shown.convert("L"))
    assert np.array_equal(pixels, np.array(Image.linear_gradient("L")))
    assert sorted(os.listdir(tmp_path / "tiny")) == ["tiny.ipynb", "tiny.py"]


def test_a_cell_that_fails_leaves_the_notebook_as_it_was_and_no_kernel(inputs, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/tiny.py").write_text("# %%\n1 / 0\n")
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        build.build("tiny", inputs / build.SLUG, tmp_path)
    assert os.listdir(tmp_path / "tiny") == ["tiny.py"]
    assert kernels() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no"], f"NAME 'no' must be one of {', '.join(NAMES)}"),
        (["tour"], "--package 'no/package' must be what `fdd package` wrote"),
    ],
)
def test_a_mistake_is_one_sentence(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["build.py", *arguments, "--package", "no/package"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(build.__file__, run_name="__main__")
    output, errors = capsys.readouterr()
    assert (end.value.code, output) == (2, "")
    assert errors.splitlines()[-1] == f"build.py: error: {message}"
