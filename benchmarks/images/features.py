"""Control features for scores of quality: what an untrained map sees, and what a linear one sees.

A score that ranks two sets one way on a trained encoder's features and the other way on these says
more about the encoder than about the sets. Both return a function of images uint8 [N, H, W, 3] that
gives float32 [N, F], each row from its image alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.images.checks import rgb_images
from benchmarks.statistics.arrays import generator, require
from fdd.errors import FddError, whole_number

Floats32 = NDArray[np.float32]
FeatureMap = Callable[[ArrayLike], Floats32]

CHANNELS = (3, 32, 64, 128)  # of the random network's layers
ROWS = 128  # images held as floats at once


def random_convolution(seed: int = 0) -> FeatureMap:
    """An untrained network: images uint8 [N, H, W, 3] -> float32 [N, 128], of at least 0.

    Three convolutions 3 x 3 of stride 2 and padding 1, with 32, 64 and 128 channels, each followed
    by a ReLU; then the mean over positions. Pixels come as -1 to 1. The weights are normal with
    variance 2 / (9 channels in) (He et al., Delving deep into rectifiers, 2015), the biases 0.

    Notes
    -----
    The same seed gives the same weights, and so the same features up to the rounding of float32.
    They see local texture and colour, and nothing of where things are. Untrained networks are used
    in this way by Naeem et al., Reliable fidelity and diversity metrics for generative models,
    2020.

    Examples
    --------
    >>> import numpy as np
    >>> features = random_convolution(seed=1)
    >>> features(np.zeros((2, 32, 32, 3), np.uint8)).shape
    (2, 128)
    """
    torch = require("torch")
    rng = generator(seed)
    weights = [
        torch.from_numpy(
            (rng.normal(size=(out, channels, 3, 3)) * np.sqrt(2 / (9 * channels))).astype(
                np.float32
            )
        )
        for channels, out in pairwise(CHANNELS)
    ]

    def features(images: ArrayLike) -> Floats32:
        found = []
        for pixels in _blocks(rgb_images("images", images)):
            with torch.inference_mode():
                signal = torch.from_numpy(2 * pixels - 1).permute(0, 3, 1, 2)
                for weight in weights:
                    signal = torch.conv2d(signal, weight, stride=2, padding=1).relu()
                found.append(signal.mean(dim=(2, 3)).numpy())
        return np.concatenate(found)

    return features


def pixel_pca(train_images: ArrayLike, components: int = 64) -> FeatureMap:
    """Principal components of pixels: images uint8 [N, H, W, 3] -> float32 [N, components].

    The pixels, as 0 to 1, minus their mean over the training images, on the directions in which
    these vary most, the first the largest; not whitened.

    Parameters
    ----------
    train_images : uint8 [M, H, W, 3], held as float32 while this is fitted: a few thousand are
        enough. Directions come from a randomised decomposition with a fixed seed.
    components : 1 to the smaller of M and the number of pixels

    Notes
    -----
    Fit it on images that are in neither of the sets to compare: the images it was fitted on spread
    wider along its directions than others. Constant training images give components of 0 on
    themselves. It sees where ink is, and takes a shift by a few pixels for another picture. Halko,
    Martinsson and Tropp, Finding structure with randomness, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> train = np.random.default_rng(0).integers(0, 256, size=(20, 8, 8, 3), dtype=np.uint8)
    >>> pixel_pca(train, components=5)(train[:2]).shape
    (2, 5)
    """
    train = rgb_images("train_images", train_images)
    pixels = np.concatenate(list(_blocks(train))).reshape(len(train), -1)
    components = whole_number("components", components, 1, min(pixels.shape))
    mean = pixels.mean(axis=0)
    pixels -= mean
    decompose = require("sklearn.utils.extmath").randomized_svd
    directions = decompose(pixels, components, n_iter=7, random_state=0)[2].T

    def features(images: ArrayLike) -> Floats32:
        checked = rgb_images("images", images)
        if checked.shape[1:] != train.shape[1:]:
            raise FddError(
                f"images are {checked.shape[1:]} and the training images {train.shape[1:]}: "
                "they must agree"
            )
        blocks = (block.reshape(len(block), -1) for block in _blocks(checked))
        return np.concatenate([(block - mean) @ directions for block in blocks])

    return features


def _blocks(images: NDArray[np.uint8]) -> Iterator[Floats32]:
    """float32 [at most ROWS, H, W, 3] in 0 .. 1, one block after the other."""
    for start in range(0, len(images), ROWS):
        yield np.divide(images[start : start + ROWS], 255, dtype=np.float32)
