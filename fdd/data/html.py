"""What a notebook shows of a data set: its first images with their vectors, as HTML."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from fdd.pictures import png, resize

SIDE = 64
"""Pixels of an image on the page, so that a notebook that is kept stays small."""


def overview(
    title: str, item: str, images: np.ndarray, vectors: np.ndarray, names: tuple[str, ...]
) -> str:
    """Images uint8 [n, S, S, 3] beside their vectors [n, P] with these names, as a table.

    Texts may hold anything: they are escaped.
    """
    if images.shape[1] % SIDE == 0:
        images = resize(images, SIDE)
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *names))
    rows = [
        f'<tr><td><img alt="image {number}" width="{SIDE}" src="data:image/png;base64,'
        f'{base64.b64encode(png(image)).decode()}"></td>'
        + "".join(f"<td>{value:.4f}</td>" for value in vector)
        + "</tr>"
        for number, (image, vector) in enumerate(zip(images, vectors, strict=True))
    ]
    return (
        f"<p><code>{escape(title)}</code></p><p>{escape(item)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
