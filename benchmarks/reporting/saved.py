"""Evaluations on disk: what a report needs to know of a model that was scored before.

scores.json   the result, strict JSON
shown.npz     the arrays that the figures show
SHA256SUMS    of both, as `sha256sum -c` reads it; written last
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.protocol.evaluation import Evaluation
from benchmarks.reporting.figures import all_figures
from benchmarks.reporting.files import remove_page, strict_json, write_files, write_report
from benchmarks.reporting.results import checked_scores
from fdd.files import as_path, not_linked, sum_line

SCORES, SHOWN, SUMS = "scores.json", "shown.npz", "SHA256SUMS"
PICTURES = "picture "
"""How the names of pictures begin in shown.npz."""
LIMIT = 10**8
"""Bytes of the arrays in shown.npz; real ones have a few million."""


def folder_of(model: str) -> Path:
    """Where the scores of a model lie unless another folder is asked for.

    Raises FddError for a link: the folder of a model may be somebody else's.

    >>> folder_of("package.module:name").as_posix(), folder_of("models/encoder.onnx").as_posix()
    ('package.module-name-correspondence', 'models/encoder-correspondence')
    """
    path = as_path("model", model)
    if path.is_dir():
        return not_linked(path / "correspondence")
    if path.suffix == ".onnx":
        return not_linked(path.with_name(f"{path.stem}-correspondence"))
    return Path(f"{model.replace(':', '-')}-correspondence")


def write_run(folder: Path, evaluation: Evaluation) -> None:
    """Save the scores of one model, and then its report, in a folder. FddError as `write_files`."""
    remove_page(folder)
    save_evaluation(folder, evaluation)
    write_report(folder, [evaluation.result], lambda: all_figures([evaluation]))


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write scores.json, shown.npz and SHA256SUMS. FddError as `write_files`."""
    arrays: dict[str, Any] = {
        "truth": evaluation.truth,
        "predicted": evaluation.predicted,
        "correlation": evaluation.correlation,
        **{f"{PICTURES}{name}": images for name, images in evaluation.pictures.items()},
    }
    shown = io.BytesIO()
    np.savez_compressed(shown, **{k: array for k, array in arrays.items() if array is not None})
    files = {SCORES: strict_json(evaluation.result).encode(), SHOWN: shown.getvalue()}
    write_files(folder, files | {SUMS: _sums(files)})


def load_evaluation(folder: Path) -> Evaluation | None:
    """What `save_evaluation` wrote; None if it is missing, incomplete or damaged.

    Nothing is unpickled, and no arrays of more than LIMIT bytes are read.
    """
    try:
        files = {name: (folder / name).read_bytes() for name in (SCORES, SHOWN)}
        sums = (folder / SUMS).read_bytes()
    except OSError:
        return None
    if sums != _sums(files):
        return None
    try:
        result = json.loads(files[SCORES])
        strict_json(result)
        checked_scores(folder / SCORES, result)
        with np.load(io.BytesIO(files[SHOWN]), allow_pickle=False) as archive:
            if sum(member.file_size for member in archive.zip.infolist()) > LIMIT:
                return None
            arrays = dict(archive)
        names = [name for name in arrays if name.startswith(PICTURES)]
        pictures = {name.removeprefix(PICTURES): arrays.pop(name) for name in names}
        tables = all(table.dtype.kind == "f" and table.ndim == 2 for table in arrays.values())
        shown = all(one.dtype == np.uint8 and one.shape[3:] == (3,) for one in pictures.values())
        return Evaluation(result, pictures=pictures, **arrays) if tables and shown else None
    except Exception:  # what numpy and zipfile raise for a damaged file has no common type
        return None


def _sums(files: dict[str, bytes]) -> bytes:
    return b"".join(sum_line(name, data) for name, data in files.items())
