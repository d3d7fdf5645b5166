"""`pairs`: an endless, seekable source of pairs of images whose relation is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fdd.data.datasets import Transform
from fdd.data.stream import Stream, checked_fields
from fdd.releases.cards import DEFAULT_VERSION, release
from fdd.releases.kinds import (
    PAIR,
    SECONDS,
    Firsts,
    Kind,
    checked_kind,
    family_of,
    firsts_of,
    pixels_of,
    viewed,
    visible_symmetries,
)
from fdd.releases.sampling import proposed


@dataclass(eq=False, repr=False)
class Pairs(Stream):
    """Batches of pairs without end, as `fdd.pairs` describes them; a `Stream` in all else."""

    kind: Kind = field(kw_only=True)

    def state_dict(self) -> dict[str, Any]:
        """As that of a stream, with the kind and its options; those of other kinds are None."""
        return self.kind.state() | super().state_dict()

    def _drawn(self, rows: np.ndarray, canvas: Any) -> list[Any]:
        """These pairs, int64 [n], as batches."""
        members = self.kind.members
        memory = canvas.blank(len(rows), members)
        vectors = [canvas.fill(memory[:, 0], proposed(self.card, self.split, rows))]
        firsts = known = firsts_of(self.kind, self.card, self.split, rows, vectors[0])
        for member in range(1, members):
            if self.kind.views is None:
                others = canvas.fill(memory[:, member], SECONDS[self.kind.name](known))
            else:
                others = self._view(firsts, memory, canvas)
            vectors.append(others)
            if member + 1 < members:
                known = known.followed(others)
        params = canvas.place(self.item.vectors(np.stack(vectors, axis=1)))
        batches = self._cut(canvas.images(memory), params)
        if firsts.numbers is None:
            return batches
        numbers = canvas.place(firsts.numbers).reshape(-1, self.batch_size)
        if self.item.form is None:
            return list(zip(batches, numbers, strict=True))
        return [(*batch, row) for batch, row in zip(batches, numbers, strict=True)]

    def _together(self, consumers: int) -> int:
        """As that of a stream; a block that is not given has fewer groups the larger they are."""
        batches = super()._together(consumers)
        return batches if self.block else max(1, batches * PAIR // self.kind.members)

    def _view(self, firsts: Firsts, memory: Any, canvas: Any) -> np.ndarray:
        """Moves the pixels of the first images into the second ones, and gives their vectors."""
        symmetries, numbers = visible_symmetries(family_of(self.card)), firsts.numbers
        assert numbers is not None
        pixels = memory.reshape(len(memory), 2, self.card.size**2, -1)
        for number, name in enumerate(self.kind.views or ()):
            places = canvas.place(np.flatnonzero(numbers == number))
            moved = canvas.place(pixels_of(symmetries[name], self.card.size))
            pixels[places, 1] = pixels[places, 0][:, moved]
        return viewed(firsts, symmetries, numbers)


def pairs(
    kind: str,
    split: str = "train",
    batch_size: int = 32,
    *,
    law: str | None = None,
    width: float | Sequence[float] | None = None,
    rho: float | None = None,
    change: float | None = None,
    views: str | Sequence[str] | None = None,
    members: int | None = None,
    params: bool | str = True,
    version: str = DEFAULT_VERSION,
    output: str = "rgb",
    palette: str = "kbc",
    start: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    prefetch: int = 2,
    block: int | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    transform: Transform | None = None,
    target_transform: Transform | None = None,
) -> Pairs:
    """Batches of pairs without end, the second vector of a pair following from the first by a law.

    The first image of pair i is image i of `fdd.stream`, and all that is said there holds here:
    batch k is a pure function of its number, the same for any number of workers, and ranks share
    the pairs; `seek`, `state_dict` and `load_state_dict` save and restore the place exactly.

        for images, vectors in fdd.pairs("near", width=0.1):
            ...  # uint8 [32, 2, 128, 128, 3], float64 [32, 2, 6]

    The two images of a pair lie side by side in one array: a DataLoader moves and pins one tensor,
    `images.flatten(0, 1)` gives an encoder all 2N images in one pass, so that BatchNorm sees both
    sides alike, and `images[:, 0]` and `images[:, 1]` are the two sides without a copy.

    Kinds, and what each is for:

    - "start": the same a, b, c, d from another starting point, x0 and y0 uniform. Content and
      style (von Kügelgen et al. 2021): the attractor stays, its transient changes.
    - "near": a, b, c, d moved by independent steps, the start kept. Contrastive learning that
      inverts the generating process (Zimmermann et al. 2021). A step that leads out of the range is
      reflected at its end. So the conditional is the folded law: symmetric in the two vectors, and
      it keeps the uniform law, but near an end it is not a function of the distance.
    - "ou": z' = rho z + sqrt(1 - rho^2) n with n of N(0, 1), on the normal scores z of all six
      parameters; the score of a uniform parameter is the normal quantile of its place in the range.
      Two moments of an Ornstein-Uhlenbeck process: temporal contrast (Hyvärinen and Morioka 2017)
      and slow features (Klindt et al. 2021). With `members` above 2 a row is a group of as many
      images, any two of which are such a pair: the scores of each parameter are normal and any two
      of them have the correlation rho. K images have K (K - 1) / 2 pairs in place of K / 2.
    - "one": one parameter, each as often, drawn anew from its range; which one comes with the
      batch. Weak supervision (Locatello et al. 2020). Where it is x0 or y0, the attractor stays.
    - "some": each of a, b, c, d drawn anew with probability `change`, independently, and kept
      otherwise; the start is always drawn anew; what was kept is not told. Sparse changes
      (Locatello et al. 2020, without the number; Klindt et al. 2021): the pairs are far apart, so
      that what they share must be read from all of the space alike.
    - "views": the image turned, transposed or flipped, each view as often, and the vector that the
      equation's symmetry gives for it; which view comes with the batch. Equivariance. The second
      image is exactly that view of the first. Rendering the second vector gives it too, but for
      points on the edge of a cell (docs/pairs.md counts them).

    Both images obey the release's rule of acceptance. The first follow the stream's law, and the
    second is drawn again, for the same first, until it is accepted: it follows the law above given
    that it is accepted. Before acceptance both vectors of a pair are uniform, and the joint law is
    symmetric in them. After it that of "start", "one" and "some" still is. That of "near" and "ou"
    is not quite: each accepted first vector counts once, however rarely a second one near it is
    accepted, so the second ones have not exactly the law of the first.

    The random numbers of a kind are the same whatever its options.

    Parameters
    ----------
    kind : "start", "near", "ou", "one", "some" or "views"
        How the second vector follows from the first.
    split, batch_size
        As in `fdd.stream`; a batch has batch_size pairs.
    law : "laplace" or "normal"
        Of the steps of "near"; by default "laplace".
    width : float or four of them
        Of the steps of "near", for all or each of a, b, c, d: the scale of "laplace" or the
        standard deviation of "normal", above 0 and at most 6, the length of the range; by default
        0.1.
    rho : float
        Correlation of the scores of "ou", above 0 and below 1; by default 0.9.
    change : float
        Of "some", the probability that a parameter is drawn anew, above 0 and below 1; by default
        0.5.
    views : str or list of str
        Of "views": some of "rotation" (half a turn), "transposition" (along the diagonal on which
        x equals y) and "flip" (top to bottom); by default all.
    members : int
        Of "ou", the images in a group, from 2 to 1024; by default 2, a pair. The first images of a
        larger group are those of a smaller one with the same number. All shapes here have it in
        place of their 2, and a batch and a block have groups in place of pairs.
    params : True, "raw", "scaled", "canonical" or False
        (images, vectors), the vectors float64 [batch_size, 2, 6] in a form of `fdd.load`; False:
        the images alone. For "one" and "views", int64 [batch_size] comes last: the column of the
        parameter that differs, or the place of the view in `views`.
    output : "rgb", "gray" or "counts"
        uint8 [batch_size, 2, H, W, 3], uint8 [batch_size, 2, H, W] or uint32
        [batch_size, 2, H, W]; for torch give `transform=np.int32`, as in `fdd.stream`.
    transform, target_transform : callable, optional
        Applied to all images and to all vectors of a batch at once, in these shapes.
    version, palette, start, device, threads, prefetch, block, rank, world_size
        As in `fdd.stream`, where a batch and a block have pairs in place of images.

    Raises
    ------
    FddError
        An unknown name, a number out of its range, an option of another kind, a kind that the
        release's family does not have; `device="cuda"` without a GPU that torch sees.
    """
    fields = checked_fields(
        split,
        batch_size,
        params=params,
        version=version,
        output=output,
        palette=palette,
        start=start,
        device=device,
        threads=threads,
        prefetch=prefetch,
        block=block,
        rank=rank,
        world_size=world_size,
        transform=transform,
        target_transform=target_transform,
    )
    family = family_of(release(version))
    chosen = checked_kind(kind, family, law, width, rho, change, views, members)
    return Pairs(**fields, kind=chosen)
