"""Publishes the package and the notebooks on Kaggle, and compares what arrived.

    python kernels/publish.py all --package DIR         # checks and says what it would do
    python kernels/publish.py all --package DIR --go    # does it

What Kaggle holds in the end is compared with what was sent: names and sizes of all files and the
list of their checksums, each cell of each notebook. Running the command again goes on: the client
keeps finished uploads, and a version that is there already is only compared. Exit code 1 and one
sentence for everything that is not as it should be.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kaggle_client import PUSHED, UPLOADED, differences, kaggle, report, settled

from fdd.errors import FddError, missing_extra
from fdd.releases.cards import DEFAULT_VERSION, KAGGLE_OWNER, kaggle_handle, release

CHECKOUT = Path(__file__).resolve().parent.parent
METADATA = "kernel-metadata.json"
LONGEST_NOTES = 500
"""Kaggle names no limit; its page shows the notes as one paragraph."""
LARGEST_SOURCE = 10**6
"""Bytes of a notebook without its outputs, which are not sent."""
FLAGS = ("is_private", "enable_gpu", "enable_tpu", "enable_internet")

SECRET = re.compile(
    r"\b(?:KGAT_\w{16,}|[0-9a-f]{32}|hf_\w{16,}|gh[opsu]_\w{16,}|sk-\w{16,}|AKIA[0-9A-Z]{16})\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
"""Tokens of Kaggle, new and old, and of other services."""


def read_json(path: Path) -> Any:
    """A JSON file; FddError if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FddError(f"file {str(path)!r} cannot be read as JSON: {error}") from error


def version_notes(changelog: str) -> str:
    """The newest section of a changelog that says something, as one paragraph."""
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if body.strip():
            return textwrap.shorten(f"{heading}: {body}", LONGEST_NOTES, placeholder=" ...")
    raise FddError("CHANGELOG.md must hold a section, '## VERSION', with text")


def read_package(folder: Path, owner: str) -> tuple[str, list[str]]:
    """(data set as owner/slug, files to upload) of a package, which is verified anew."""
    from fdd.data.packaged import MANIFEST, read_manifest
    from fdd.publishing.check import check
    from fdd.publishing.package import METADATA as DATA_METADATA

    found = check(folder)
    for difference in found["different"]:
        raise FddError(f"package {str(folder)!r}: {difference['file']}: {difference['reason']}")
    handle = kaggle_handle(release(found["version"]), owner)
    made_for = read_json(folder / DATA_METADATA).get("id")
    if made_for != handle:
        raise FddError(
            f"package {str(folder)!r} is made for {made_for!r}, not {handle!r}; make it again with "
            f"--owner {owner}"
        )
    if not any(folder.glob("fdd-*.whl")):
        raise FddError(
            f"package {str(folder)!r} carries no wheel of fdd, which notebooks without internet "
            "install; make it again with --wheels"
        )
    return handle, sorted([*read_manifest(folder), MANIFEST])


def publish_data(
    folder: Path, handle: str, names: list[str], notes: str, options: argparse.Namespace
) -> None:
    """Uploads a package as a new data set or a new version, unless it is there, and compares."""
    sizes = [(folder / name).stat().st_size for name in names]
    for name, size in zip(names, sizes, strict=True):
        print(f"{size:>15,}  {name}")
    print(f"{sum(sizes):>15,}  bytes in {len(names)} files for the data set {handle}")
    create = ["datasets", "create", "-p", str(folder), *["--public"] * options.public]
    update = ["datasets", "version", "-p", str(folder), "-m", notes]
    if not options.go:
        print(f"would run: kaggle {' '.join(create)}")
        print(f"  or, if it exists: kaggle {' '.join(update[:-1])} {notes!r}")
        return
    pace = (options.interval, options.timeout)
    fetched = names if options.verify_bytes else ["sha256sums.txt"]
    state, version = settled(handle, -1, *pace)
    if state != "ready" or differences(f"{handle}/{version}", folder, names, fetched):
        report(*(create if state == "absent" else update), expected=UPLOADED)
        state, version = settled(handle, version, *pace)
        if state != "ready":
            raise FddError(f"data set {handle}: Kaggle says {state!r} of what was uploaded")
        wrong = differences(f"{handle}/{version}", folder, names, fetched)
        if wrong:
            more = f" and {len(wrong) - 1} more" if wrong[1:] else ""
            raise FddError(
                f"data set {handle}: version {version} is not {str(folder)!r}: {wrong[0]}{more}; "
                "run this again"
            )
    compared = "every byte" if options.verify_bytes else "names, sizes and list of checksums"
    print(f"data set {handle}: version {version} is what {folder} holds ({compared} compared)")


def demand(path: Path, rules: dict[str, bool]) -> None:
    """FddError that names the file and the first rule that does not hold."""
    for rule, holds in rules.items():
        if not holds:
            raise FddError(f"file {str(path)!r}: {rule}")


def read_cells(path: Path) -> list[tuple[str, str]]:
    """(type, source) of each cell of a notebook."""
    try:
        return [(c["cell_type"], "".join(c["source"])) for c in read_json(path)["cells"]]
    except (KeyError, TypeError) as error:
        raise FddError(f"file {str(path)!r} is not a notebook") from error


def check_notebook(path: Path) -> None:
    """Refuses what Kaggle would, and what must not be published."""
    read_cells(path)
    notebook = read_json(path)
    sent = notebook | {"cells": [cell | {"outputs": []} for cell in notebook["cells"]]}
    text = path.read_text(encoding="utf-8")
    tokens = [os.environ.get(name) for name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN")]
    secret = SECRET.search(text) or any(token in text for token in tokens if token)
    rules = {
        "metadata.kernelspec.name must be given": "name"
        in notebook.get("metadata", {}).get("kernelspec", {}),
        f"without outputs it must be smaller than {LARGEST_SOURCE} bytes": len(json.dumps(sent))
        < LARGEST_SOURCE,
        "it holds what looks like a token; remove it": not secret,
    }
    demand(path, rules)


def read_kernel(folder: Path, owner: str, handle: str) -> dict[str, Any]:
    """A notebook's metadata, after everything was checked that Kaggle need not be asked for."""
    metadata = read_json(folder / METADATA)
    name = str(metadata.get("code_file"))
    words = re.findall(r"[a-z0-9]+", str(metadata.get("title")).lower())
    right = f"{owner}/{'-'.join(words)}"  # Kaggle makes the slug of the title, whatever id says
    rules = {
        f"id must be {right!r}, owner and title": metadata.get("id") == right,
        "title must have five letters or more": len("-".join(words)) >= 5,
        f"dataset_sources must name {handle}": handle in metadata.get("dataset_sources", []),
        f"{', '.join(FLAGS)} must be true or false": all(
            isinstance(metadata.get(flag), bool) for flag in FLAGS
        ),
        "enable_internet must be false": metadata.get("enable_internet") is False,
        f"code_file={name!r} must be a file beside it": name == Path(name).name
        and (folder / name).is_file(),
    }
    demand(folder / METADATA, rules)
    check_notebook(folder / name)
    return metadata


def publish_kernel(folder: Path, metadata: dict[str, Any], go: bool) -> None:
    """Pushes a notebook, which Kaggle then runs, and compares what it holds with what was sent."""
    handle, sources = metadata["id"], ", ".join(metadata["dataset_sources"])
    gpu = "with a GPU" if metadata["enable_gpu"] else "without a GPU"
    print(f"notebook {handle}, {gpu}, on {sources}")
    if not go:
        print(f"would run: kaggle kernels push -p {folder}")
        return
    version = report("kernels", "push", "-p", str(folder), expected=PUSHED)[1]
    with tempfile.TemporaryDirectory() as place:
        kaggle("kernels", "pull", f"{handle}/{version}", "-p", place, "-m")
        there = read_json(Path(place, METADATA))
        cells = read_cells(Path(place, Path(there["code_file"]).name))
    wrong = [
        f"{name}={there.get(name)!r}, not {metadata[name]!r}"
        for name in (*FLAGS, "dataset_sources")
        if there.get(name) != metadata[name]
    ]
    if cells != read_cells(folder / metadata["code_file"]):
        wrong.append("other cells")
    if wrong:
        raise FddError(f"notebook {handle}: version {version} has {wrong[0]}; run this again")
    print(f"notebook {handle}: version {version} has the cells of {folder}; Kaggle runs it now")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = argparse.ArgumentParser(
        prog="publish", description="Publishes the package and the notebooks on Kaggle."
    )
    command.add_argument("what", choices=["data", "kernels", "all"], help="data set, notebooks")
    command.add_argument("--package", type=Path, metavar="DIR", help="what `fdd package` wrote")
    command.add_argument("--owner", default=KAGGLE_OWNER, help=f"account ({KAGGLE_OWNER})")
    command.add_argument("--go", action="store_true", help="do it; otherwise only say what")
    command.add_argument("--public", action="store_true", help="make a new data set public at once")
    command.add_argument(
        "--verify-bytes", action="store_true", help="download all of it again and compare"
    )
    command.add_argument("--interval", type=float, default=15, help="seconds between looks (15)")
    command.add_argument("--timeout", type=float, default=3600, help="seconds to wait (3600)")
    return command


def publish(options: argparse.Namespace, checkout: Path) -> None:
    """Checks all of it, then publishes one after the other."""
    data = kernels = None
    if options.what != "kernels":
        if options.package is None:
            raise FddError("--package must name the folder that `fdd package` wrote")
        folder = options.package.resolve()
        notes = version_notes((checkout / "CHANGELOG.md").read_text(encoding="utf-8"))
        data = (folder, *read_package(folder, options.owner), notes)
    if options.what != "data":
        handle = kaggle_handle(release(DEFAULT_VERSION), options.owner)
        folders = sorted(path.parent for path in checkout.glob(f"kernels/*/{METADATA}"))
        kernels = {folder: read_kernel(folder, options.owner, handle) for folder in folders}
    if options.go and importlib.util.find_spec("kaggle") is None:
        raise missing_extra("publish", ImportError(name="kaggle"))
    if data is not None:
        publish_data(*data, options)
    for folder, metadata in (kernels or {}).items():
        publish_kernel(folder, metadata, options.go)
    if not options.go:
        print("nothing was sent; --go sends it")


def main(argv: Sequence[str] | None = None, checkout: Path = CHECKOUT) -> int:
    """0: done, or said what would be done; 1: something is not as it should be.

    `checkout` holds CHANGELOG.md and the notebooks, a folder each in kernels.
    """
    try:
        publish(parser().parse_args(argv), checkout)
    except FddError as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("publish: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
