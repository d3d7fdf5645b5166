"""Parquet files of images and parameters, in the layout that Hugging Face gives images.

Columns: `index` int64, the parameters float64, `image`, a struct of `bytes` (a PNG) and `path`. A
row group is small and the pictures are not compressed again, so one image can be read without
unpacking others.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fdd.attractors.params import NAMES
from fdd.errors import FddError, missing_extra

GROUP_ROWS = 100
"""Rows of a row group: what is read from the disk for one image."""

NAME_BYTES = 100
"""What an index or the name of a picture takes at most, with what pages add to it."""

NOTE = b"fdd"
"""The entry of a file's metadata that says, in JSON, what the file holds."""


def require() -> Any:
    """The modules pyarrow and pyarrow.parquet; FddError if they are not installed."""
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise missing_extra("kaggle", error) from error
    return pyarrow, parquet


def schema(note: dict[str, Any]) -> Any:
    """The columns, with what Hugging Face's `datasets` reads to show pictures, and a note."""
    pa, _ = require()
    kinds = {"index": {"dtype": "int64", "_type": "Value"}}
    kinds |= {name: {"dtype": "float64", "_type": "Value"} for name in NAMES}
    features = json.dumps({"info": {"features": kinds | {"image": {"_type": "Image"}}}})
    fields = [pa.field("index", pa.int64()), *(pa.field(name, pa.float64()) for name in NAMES)]
    picture = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    metadata = {b"huggingface": features.encode(), NOTE: json.dumps(note).encode()}
    return pa.schema([*fields, pa.field("image", picture)], metadata=metadata)


def picture_name(split: str, index: int) -> str:
    """What a file calls the picture of a row."""
    return f"{split}-{index:06d}.png"


def write(
    path: Path,
    note: dict[str, Any],
    blocks: Iterator[tuple[int, np.ndarray, list[bytes]]],
) -> None:
    """Writes blocks (index of the first row, params float64 [n, 6], n pictures) to a file.

    A block has a multiple of `GROUP_ROWS` rows, except the last one. `note` has the key "split".
    """
    pa, parquet = require()
    columns = schema(note)
    options = {
        "compression": {"index": "ZSTD", "image.path": "ZSTD", "image.bytes": "NONE"}
        | dict.fromkeys(NAMES, "NONE"),  # neither pictures nor random numbers get smaller
        "use_dictionary": False,
        "write_statistics": ["index", *NAMES],
    }
    # a file, since pyarrow takes a path with a colon for an address
    with path.open("wb") as file, parquet.ParquetWriter(file, columns, **options) as writer:
        for start, params, pictures in blocks:
            indices = np.arange(start, start + len(params))
            paths = [picture_name(note["split"], index) for index in indices.tolist()]
            image = pa.StructArray.from_arrays(
                [pa.array(pictures, pa.binary()), pa.array(paths)], fields=list(columns[-1].type)
            )
            arrays = [pa.array(indices), *map(pa.array, params.T), image]
            writer.write_table(pa.Table.from_arrays(arrays, schema=columns), GROUP_ROWS)


class Shard:
    """A file open for reading; memory-mapped, so that opening it reads its footer alone.

    Raises FddError for a file that `write` cannot have made: other columns or row groups, or
    compressed columns among those that are read (they could unpack to any size).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._reading():
            pa, parquet = require()
            # as bytes, for a name that is not UTF-8
            self._file = parquet.ParquetFile(pa.memory_map(os.fsencode(path)))
            found = self._file.schema_arrow
            self.note: dict[str, Any] = dict(json.loads(found.metadata[NOTE]))
            if not found.equals(schema(self.note)):
                raise ValueError("its columns are different")
            self._check_groups()
        self.rows: int = self._file.metadata.num_rows
        self._lock = threading.Lock()
        self._kept: tuple[int, list[bytes]] = (-1, [])

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        pa, _ = require()
        try:
            yield
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            RecursionError,
            pa.ArrowException,
        ) as error:
            if isinstance(error, FddError):
                raise
            reason = " ".join(str(error).split())  # pyarrow's have several lines
            raise FddError(
                f"file {str(self.path)!r} is not a shard of a package: {reason}"
            ) from error

    def _check_groups(self) -> None:
        facts = self._file.metadata
        read = [*NAMES, "image.bytes"]
        for number in range(facts.num_row_groups):
            group = facts.row_group(number)
            last = number == facts.num_row_groups - 1
            if group.num_rows > GROUP_ROWS or (group.num_rows < GROUP_ROWS and not last):
                raise ValueError("its row groups are different")
            columns = [group.column(place) for place in range(group.num_columns)]
            for column in columns:
                plain = column.compression == "UNCOMPRESSED" and not column.has_dictionary_page
                if column.path_in_schema in read and not plain:
                    raise ValueError(f"its column {column.path_in_schema} is compressed")

    def params(self) -> np.ndarray:
        """The parameters of all rows: float64 [n, 6]."""
        with self._reading():
            table = self._file.read(columns=list(NAMES), use_threads=False)
            found = np.stack([table[name].to_numpy() for name in NAMES], axis=1)
            if not np.isfinite(found).all():
                raise ValueError("its parameters must be finite numbers")
            return found

    def names(self) -> tuple[np.ndarray, list[str | None]]:
        """The indices of all rows, int64 [n], and the names of their pictures.

        Their columns are compressed; what says that it unpacks to more than they can hold is
        refused.
        """
        with self._reading():
            facts = self._file.metadata
            for number in range(facts.num_row_groups):
                group = facts.row_group(number)
                for column in (group.column(place) for place in range(group.num_columns)):
                    compressed = column.path_in_schema in ("index", "image.path")
                    if compressed and column.total_uncompressed_size > NAME_BYTES * GROUP_ROWS:
                        raise ValueError(f"its column {column.path_in_schema} is too large")
            table = self._file.read(columns=["index", "image.path"], use_threads=False)
            paths = table["image"].combine_chunks().field("path").to_pylist()
            return table["index"].to_numpy(), paths

    def pictures(self, group: int) -> list[bytes]:
        """The PNG files of a row group. The last ones are kept for the next call."""
        with self._lock, self._reading():  # a reader belongs to one thread at a time
            if self._kept[0] != group:
                table = self._file.read_row_group(group, columns=["image.bytes"], use_threads=False)
                found = table["image"].combine_chunks().field("bytes").to_pylist()
                self._kept = (group, [picture or b"" for picture in found])
            return self._kept[1]
