"""What torchmetrics makes of images and features: python torchmetrics_program.py IN.npz OUT.npz.

A program of its own, since torchmetrics imports torchvision where it finds it, which fails beside a
torch that it was not built for.
"""

import sys

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance


def similarity(a, b):
    """SSIM and mean contrast, both [N], of the windows inside of grey images [N, H, W]."""
    pair = [torch.from_numpy(images)[:, None].double() for images in (a, b)]
    options = {"data_range": 255.0, "reduction": "none"}
    _, windows = structural_similarity_index_measure(*pair, return_full_image=True, **options)
    _, contrast = structural_similarity_index_measure(
        *pair, return_contrast_sensitivity=True, **options
    )
    return windows[:, 0, 5:-5, 5:-5].mean(dim=(1, 2)).numpy(), contrast.numpy()


class Features(torch.nn.Module):
    """Takes features for images, and gives them back."""

    num_features = 12

    def forward(self, features):
        return features


def distance(metric, real, fake):
    metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(fake), real=False)
    return metric.compute()


given = np.load(sys.argv[1])
features = given["real"], given["fake"]
found = {
    "fid": distance(FrechetInceptionDistance(Features()), *features),
    "kid": distance(
        KernelInceptionDistance(Features(), subsets=1, subset_size=len(features[0])), *features
    )[0],
}
found["ssim"], found["contrast"] = similarity(given["a"], given["b"])
np.savez(sys.argv[2], **found)
