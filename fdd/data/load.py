"""`load`: opens the data set, wherever it is."""

from __future__ import annotations

import os

from fdd.data import kaggle, packaged
from fdd.data.cache import cache_folder, ensure_split
from fdd.data.datasets import Dataset, PublishedDataset, RenderedDataset, Transform, checked_item
from fdd.errors import FddError, known, shown, whole_number
from fdd.releases.cards import DEFAULT_VERSION, Release, release
from fdd.rendering.drawing import MAX_POINTS, MAX_SIZE, OUTPUTS
from fdd.rendering.palettes import PALETTES


def load(
    split: str = "train",
    params: bool | str = False,
    *,
    version: str = DEFAULT_VERSION,
    output: str = "rgb",
    palette: str = "kbc",
    size: int | None = None,
    points: int | None = None,
    root: str | os.PathLike[str] | None = None,
    source: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    transform: Transform | None = None,
    target_transform: Transform | None = None,
    download: bool = False,
) -> Dataset:
    """Opens a split of the data set, a package of it, or a published folder.

    The first use of a split renders it into the cache, with a progress bar; interrupted, it goes
    on where it stopped.

    Parameters
    ----------
    split : "train", "val" or "test"
        A published folder has no splits: with `root`, "train" is all of it.
    params : False, True, "raw", "scaled" or "canonical"
        False: `ds[i]` is the image. Otherwise (image, vector), the vector float64 [6] raw (as is
        True), scaled to [-1, 1] (x0, y0, a/3, b/3, c/3, d/3), or canonical (x0, y0, |a|,
        sign(a) b, c, d).
    version : str
        Name of the release.
    output : "rgb", "gray" or "counts"
        uint8 [128, 128, 3], uint8 [128, 128], or uint32 [128, 128], as in `fdd.render`. torch
        has no `max`, `>` or `+` for uint32: for a DataLoader give `transform=np.int32`, which every
        count fits.
    palette : "kbc", "inferno" or "viridis"
        Colours, and the class of a published folder.
    size, points : int, optional
        Draws the same parameters in this size, 2 to 4096 pixels, and with so many points, 2 to
        2^32 - 1, as `fdd.render` does; by default as the release says, 128 and 60000. Which images
        a split holds stays what the release says. They have a folder of their own in the cache,
        and checksums of their own, since none are published for them.
    root : path, optional
        A package that `fdd package` made, or a folder as published in 2019:
        ROOT/<palette>/x0_y0_a_b_c_d.png, or the pictures themselves.
    source : "kaggle", "kaggle-2019" or "kaggle:OWNER/SLUG", optional
        Instead of `root`, what is published: the package of this version, the data set of 2019, or
        another copy. On Kaggle it is the attached input, elsewhere kagglehub downloads it once;
        this needs the extra `kaggle`. See `fdd.data.kaggle.find`.
    cache : path, optional
        Where rendered images are kept; by default $FDD_DATA, else the user's cache folder.
    transform, target_transform : callable, optional
        Applied to the image and to the vector, as in torchvision; to each of a batch.
    download : False
        Data sets of torchvision have it. Here nothing needs to be downloaded.

    Raises
    ------
    FddError
        An unknown name, a cache folder that cannot be written or is too full, a file that is not
        a picture of the right size or whose name is not six finite numbers, a package that is
        damaged or of another version or palette, a source that cannot be reached.
    """
    if download:
        raise FddError(
            f"download={shown(download)}: nothing needs to be downloaded, as images are rendered "
            "where they are used; leave download out"
        )
    item = checked_item(params, transform, target_transform)
    known("output", output, OUTPUTS)
    known("palette", palette, PALETTES)
    card = release(version)
    card.rows(split)
    if root is None and source is None:
        card = _drawn(card, size, points)
        paths = ensure_split(card, split, cache_folder(cache))
        return RenderedDataset(card, split, paths, card.drawing(output, palette), item)
    for name, value in (("size", size), ("points", points)):
        if value is not None:
            raise FddError(
                f"{name}={shown(value)}: what root or source gives is drawn already; leave {name} "
                "out"
            )
    if source is not None:
        if root is not None:
            raise FddError(f"root={shown(root)} and source={shown(source)}: give one of them")
        root = kaggle.find(source, card.name)
    assert root is not None
    if packaged.is_package(root):
        if output != "rgb":
            raise FddError(f"output={shown(output)}: a package holds pictures; use output='rgb'")
        return packaged.PackagedDataset(root, card, split, palette, cache, item)
    packaged.refuse_part_of_package(root)
    if split != "train":
        raise FddError(f"split={shown(split)}: a published folder has no splits; leave split out")
    if output != "rgb":
        raise FddError(
            f"output={shown(output)}: a published folder holds pictures; use output='rgb'"
        )
    return PublishedDataset(root, palette, card.size, item)


def _drawn(card: Release, size: int | None, points: int | None) -> Release:
    """The release as it is, or drawn in another size and with other points."""
    return card.redrawn(
        card.size if size is None else whole_number("size", size, 2, MAX_SIZE),
        card.points if points is None else whole_number("points", points, 2, MAX_POINTS),
    )
