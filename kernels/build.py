"""Builds the notebooks: the readable source NAME/NAME.py becomes NAME/NAME.ipynb with outputs.

    python kernels/build.py [NAME ...] --package DIR

DIR is what `fdd package` wrote. Each notebook runs from top to bottom in a fresh kernel of this
interpreter, in an empty folder, and finds the package as on Kaggle, among mounted data sets.
Building again on the same machine gives the same file, but for the times that it prints.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from fdd.data.packaged import is_package
from fdd.files import atomic_write
from fdd.releases.cards import DEFAULT_VERSION, kaggle_handle, release

KERNELS = Path(__file__).resolve().parent
NAMES = sorted(path.parent.name for path in KERNELS.glob("*/kernel-metadata.json"))
SLUG = kaggle_handle(release(DEFAULT_VERSION)).partition("/")[2]
"""The folder that Kaggle mounts the package under."""

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""Of every notebook: nothing of the machine that it was built on."""

QUIET = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
"""Of the first cell of code, the set-up, which Kaggle, Jupyter and the pages of docs/ fold."""


def read_source(name: str, kernels: Path = KERNELS) -> NotebookNode:
    """The notebook that NAME.py describes, without outputs; its cells are numbered, not random."""
    notebook = jupytext.read(kernels / name / f"{name}.py", fmt="py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"{name}-{number:02d}", nbformat.from_dict({})
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    setup.metadata = nbformat.from_dict(QUIET)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def indexed(png: str) -> str:
    """A PNG in base64 with at most 256 colours: half the size or less, and it looks the same."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        opaque = Image.alpha_composite(
            Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")
        )
    made = io.BytesIO()
    opaque.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return base64.b64encode(made.getvalue()).decode("ascii")


def tidy(notebook: NotebookNode) -> None:
    """Drops what says nothing to a reader, such as progress bars, and makes pictures small."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
            for out in cell.outputs:
                if "image/png" in out.get("data", {}):
                    out.data["image/png"] = indexed(out.data["image/png"])


def execute(notebook: NotebookNode, inputs: Path, folder: Path, **environment: str) -> None:
    """Runs a notebook in `folder`, its data sets mounted below `inputs`, and keeps its outputs.

    CellExecutionError, with the traceback, where a cell fails.
    """
    # without folders of kernels the manager offers that of the running interpreter alone
    ours = KernelSpecManager(kernel_dirs=[])
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ours)
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=3600,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    mounted = {"KAGGLE_CACHE_MOUNT_FOLDER": str(inputs)}
    # or the kernel of a manager that is given would live as long as this process
    client.execute(env={**os.environ, **mounted, **environment}, cleanup_kc=True)


def build(name: str, package: Path, kernels: Path = KERNELS) -> Path:
    """Runs a notebook on a package and writes NAME.ipynb beside it; the path of the file."""
    notebook = read_source(name, kernels)
    with tempfile.TemporaryDirectory() as work:
        inputs, folder = Path(work, "input"), Path(work, "working")
        inputs.mkdir()
        folder.mkdir()
        (inputs / SLUG).symlink_to(package.resolve(), target_is_directory=True)
        execute(notebook, inputs, folder)
    tidy(notebook)
    path = kernels / name / f"{name}.ipynb"
    with atomic_write(path) as temporary:
        nbformat.write(notebook, temporary)
    return path


def main() -> int:
    """The command line: 0 built, 1 a cell failed, 2 a mistake."""
    parser = argparse.ArgumentParser(description="Runs the notebooks and keeps their outputs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)} (all)")
    parser.add_argument("--package", type=Path, required=True, help="what `fdd package` wrote")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"NAME {name!r} must be one of {', '.join(NAMES)}")
    if not is_package(arguments.package):
        parser.error(f"--package {str(arguments.package)!r} must be what `fdd package` wrote")
    for name in arguments.names or NAMES:
        try:
            path = build(name, arguments.package)
        except CellExecutionError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
