"""Scores of images against images: pure functions of arrays, deterministic, never NaN.

Images are [N, H, W, C] or [N, H, W], uint8 or floats; row i of one argument belongs to row i of the
other. Every score raises FddError, naming the argument, on other shapes, on shapes that do not
agree, on NaN or infinity, and where there are too few images for it.
"""

from __future__ import annotations

from benchmarks.images.counts import counts_correlation, counts_floor
from benchmarks.images.paired import pair_floor
from benchmarks.images.quality import fid, kid, prdc
from benchmarks.images.retrieval import Retrieval, retrieval, retrieval_floor
from benchmarks.images.steps import local_correspondence, local_floor
from benchmarks.images.structure import ms_ssim, ms_ssim_floor, ssim, ssim_floor

__all__ = [
    "Retrieval",
    "counts_correlation",
    "counts_floor",
    "fid",
    "kid",
    "local_correspondence",
    "local_floor",
    "ms_ssim",
    "ms_ssim_floor",
    "pair_floor",
    "prdc",
    "retrieval",
    "retrieval_floor",
    "ssim",
    "ssim_floor",
]
