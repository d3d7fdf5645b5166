# %% [markdown]
# # Fractal Dream: your own attractor
#
# The data set is drawn by one equation, but nothing in the package is tied to it. Declare an
# attractor that nobody has seen before, in a few lines, and it draws:
#
# *Pictures and parameters of the data set: CC BY 4.0. The code, the package `fdd`: MIT.*

# %%
# the set-up: on Kaggle the data set brings the package, which is installed without a network
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

SMALL = bool(os.environ.get("FDD_SMALL"))  # fewer images, as the tests run this notebook
if importlib.util.find_spec("fdd") is None:  # on Kaggle: the data set carries the package
    mounted = Path(os.environ.get("KAGGLE_CACHE_MOUNT_FOLDER", "/kaggle/input"))
    wheels = sorted(map(str, mounted.glob("**/fractal-dream-fdd-1/*.whl")))
    assert wheels, "add the data set fractal-dream/fractal-dream-fdd-1 by 'Add Input'"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, *wheels], check=True)
    importlib.invalidate_caches()

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from sklearn.decomposition import PCA

import fdd
from benchmarks.scores import linear_r2, mcc, nonlinear_r2, permutation_floor
from fdd.attractors import reference
from fdd.attractors.families import Family, Symmetry, cos, sin

plt.rcParams.update({"figure.dpi": 100, "axes.spines.top": False, "axes.spines.right": False})


# %%
def moth(x, y, a, b, c, d):
    return a * sin(b * x) + sin(x) * cos(c * y), cos(b * x) + d * cos(c * y)


MOTH = Family(
    name="moth",
    step=moth,
    parameters=("x0", "y0", "a", "b", "c", "d"),
    ranges=((-1.0, 1.0), (-1.0, 1.0), (-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0), (-3.0, 3.0)),
    symmetries=(
        Symmetry("mirror", lambda v: (-v[0], *v[1:]), lambda image: image[:, ::-1]),
        Symmetry("signs of a and b", lambda v: (v[0], v[1], -v[2], -v[3], v[4], v[5])),
        Symmetry("sign of c", lambda v: (*v[:4], -v[4], v[5])),
    ),
    source="this notebook",
    imaged=0.99,
    argument=12.0,
)
fdd.families["moth"] = MOTH  # from here on the package knows it by name


params = fdd.imaged_params(100, "moth", seed=0)
occupied = (fdd.render(params, "counts", family="moth") > 0).mean(axis=(1, 2))
fdd.show(fdd.render(params[occupied > 0.25][:14], family="moth", palette="inferno"), columns=7)

# %% [markdown]
# This notebook gets for it everything that the Fractal Dream has: exact pictures, symmetries that
# are checked, a data set for training, and scores that say how much of the parameters an encoder
# finds. Copy it, change the equation, and see what you get. Above are pictures in which a quarter of
# the cells is occupied; the first one takes some seconds, because the equation is compiled.
#
# ## The equation
#
#     x' = a sin(b x) + sin(x) cos(c y)
#     y' = cos(b x) + d cos(c y)
#
# A family is a function from a point and the parameters to the next point, together with what is
# known about it. The function is plain Python with `+ - * /` and `sin`, `cos`, `sqrt`, `fabs`,
# `sign`. The renderer compiles it with its own, correctly rounded sine in place of `sin`, for
# sixteen orbits at a time.
#
# `argument` is the largest number whose sine is taken: `|x| <= |a| + 1 <= 4` and `|y| <= 1 + |d|
# <= 4`, times a coefficient of at most 3, is 12.

# %% [markdown]
# ## Choosing ranges
#
# `imaged_params` draws parameters uniformly from the ranges and leaves out those without a picture.
# Some pictures are nearly empty: their orbit settles on a few points. How many are full, 15 % of
# their cells occupied, and where in the ranges? Below are these shares, and some of the full ones.

# %%
kept = fdd.imaged_params(200 if SMALL else 8000, "moth", seed=1)


def is_full(params):
    """Whether each picture hits 15 % of its cells: bool [n]."""
    blocks = np.array_split(params, max(1, len(params) // 500))
    counts = (fdd.render(block, "counts", family="moth") for block in blocks)
    return np.concatenate([(found > 0).mean(axis=(1, 2)) >= 0.15 for found in counts])


full = is_full(kept)
print(f"{full.mean():.0%} of {len(kept)} are full")
figure, axes = plt.subplots(1, 6, figsize=(11, 2), sharey=True)
for column, axis in enumerate(axes):
    edges = np.linspace(*MOTH.ranges[column], 13)
    place = np.digitize(kept[:, column], edges[1:-1])
    shares = np.bincount(place, full, 12) / np.maximum(np.bincount(place, minlength=12), 1)
    axis.step(edges[:-1], shares, where="post", color="#f57900")
    axis.set(xlabel=MOTH.parameters[column], ylim=(0, 1))
axes[0].set_title("share of full pictures", loc="left", fontsize=10)
plt.show()
fdd.show(fdd.render(kept[full][:21], family="moth", palette="inferno"), columns=7)

# %% [markdown]
# Where a coefficient is near 0, `a` or `b` above all, little moves. One can narrow the ranges, or
# keep them and leave out what is not full, as the data set does. Here we do the latter.
#
# ## Symmetries
#
# The equation is odd in `x`, so a start mirrored about the vertical axis draws the mirrored
# picture; `-a` and `-b` together, or `-c`, change nothing at all. All three were declared above, as
# a change of the vector and its effect on the picture. A declaration is a claim, so render both
# sides. A row for each: a picture, what the symmetry promises, what the changed vector draws.

# %%
vectors = kept[full][:200]
counts = fdd.render(vectors, "counts", family="moth")
coarse = fdd.render(vectors, "counts", size=8, family="moth").astype(int)
one = np.abs(coarse - coarse[:, :, ::-1]).sum(axis=(1, 2)).argmax()  # the most lopsided one
picture = fdd.render(vectors[one], family="moth", palette="inferno")
pictures, equal = [], {}
for symmetry in MOTH.symmetries:
    changed = [symmetry.change(tuple(v)) for v in vectors]
    expected = np.stack([symmetry.effect(found) for found in counts])
    equal[symmetry.name] = (expected == fdd.render(changed, "counts", family="moth")).mean()
    drawn = fdd.render(changed[one], family="moth", palette="inferno")
    pictures += [picture, symmetry.effect(picture), drawn]
display(fdd.show(np.stack(pictures), columns=3))
pd.DataFrame({"cells with equal counts": equal})

# %% [markdown]
# Equal, up to points on the edge of a cell (the largest `x` falls one cell down, so a mirror image
# can move a few points by one cell). A wrong claim shows at once:

# %%
wrong = vectors * [1, 1, -1, 1, 1, 1]  # the sign of a alone
same = (counts == fdd.render(wrong, "counts", family="moth")).mean()
print(f"the sign of a alone: {same:.3f} of the cells have equal counts")

# %% [markdown]
# ## Exact
#
# The fast renderer compared with the specification: `fdd.attractors.reference` runs the same
# function in slow Python, one rounding at a time, with a correctly rounded sine.

# %%
points = 2000
agree = 0
for vector in vectors[:4]:
    orbit = reference.orbit(MOTH, tuple(vector.tolist()), points)
    fast = fdd.render(vector, "counts", points=points, family="moth")
    agree += np.array_equal(reference.counts(orbit, 128), fast)
print(f"{agree} of 4 pictures have the counts of the specification")

# %% [markdown]
# ## A data set
#
# A list of vectors is a data set: pictures are drawn on demand. And since there is no end of
# vectors, a stream never gives a picture twice.


# %%
class Moths(torch.utils.data.Dataset):
    """Picture i, uint8 [size, size, 3], and its vector, float64 [6]."""

    def __init__(self, params, size=64):
        self.params, self.size = params, size

    def __len__(self):
        return len(self.params)

    def __getitem__(self, index):
        return fdd.render(self.params[index], size=self.size, family="moth"), self.params[index]


def stream(batch_size, size=64):
    """Batches without end, those of seed 2, 3, 4 and so on."""
    for seed in itertools.count(2):
        params = fdd.imaged_params(4 * batch_size, "moth", seed)
        batch = params[is_full(params)][:batch_size]
        yield fdd.render(batch, size=size, family="moth"), batch


loader = torch.utils.data.DataLoader(Moths(kept[full]), batch_size=32, shuffle=True)
images, labels = next(iter(loader))
print("loader", tuple(images.shape), images.dtype, tuple(labels.shape), labels.dtype)
images, labels = next(stream(32))
print("stream", images.shape, images.dtype, labels.shape, labels.dtype)

# %% [markdown]
# ## How much of the parameters does an encoder find?
#
# Three encoders of 16 numbers: principal components of the picture, random filters (a picture seen
# through noise), and pure noise, which knows nothing. They are scored against two versions of the
# truth: the raw parameters, and *folded* ones, without the signs that no picture shows. The
# permutation baseline (*chance*) is the same score with the parameters assigned to the wrong
# pictures.


# %%
def folded(params):
    """Of vectors that draw the same picture, the one with b and c above 0; without the start."""
    a, b, c, d = params[:, 2:].transpose()
    return np.stack([a * np.sign(b), np.abs(b), np.abs(c), d], axis=1)


full_ones = kept[full]
half = len(full_ones) // 2
ink = fdd.render(full_ones, "gray", size=32, points=20_000, family="moth").reshape(-1, 1024)
ink = 1 - ink / 255
rng = np.random.default_rng(0)
filters = rng.normal(size=(1024, 16)) / 32
codes = {
    "PCA": PCA(16, random_state=0).fit(ink[:half]).transform(ink),
    "random filters": np.maximum(ink @ filters, 0),
    "noise": rng.normal(size=(len(ink), 16)),
}
print(f"{half} pictures to fit on, {len(ink) - half} to score on")


# %%
def kernel_r2(codes, truth):
    """Test R2 of each parameter by kernel ridge."""
    return nonlinear_r2(codes[:half], truth[:half], (codes[half:], truth[half:]))


def scored(codes, truth):
    """Test R2 by kernel ridge, linear test R2 and its chance, MCC and its chance."""
    pairs = codes[:half], truth[:half], (codes[half:], truth[half:])
    linear = permutation_floor(linear_r2, *pairs, draws=99, batch=99)
    matched = permutation_floor(mcc, *pairs, draws=19 if SMALL else 99)
    return {
        "kernel R2": kernel_r2(codes, truth).mean(),
        "linear R2": linear.score.mean(),
        "chance": linear.chance.mean(),
        "MCC": float(matched.score),
        "chance of MCC": float(matched.chance),
    }


truths = {"raw": full_ones[:, 2:], "folded": folded(full_ones)}
table = {(name, kind): scored(codes[name], truths[kind]) for name in codes for kind in truths}
pd.DataFrame(table).transpose().round(3)

# %%
figure, axes = plt.subplots(figsize=(7, 3))
for shift, (kind, color) in zip(
    (-0.2, 0.2), (("raw", "#888a85"), ("folded", "#f57900")), strict=True
):
    r2 = kernel_r2(codes["PCA"], truths[kind])
    axes.bar(np.arange(4) + shift, r2, 0.4, label=kind, color=color)
axes.set_xticks(range(4), ["a", "b", "c", "d"])
axes.axhline(0, color="black", lw=1)
axes.set(ylabel="R2, kernel ridge", title="What can be read from 16 principal components")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# No encoder can read signs that the picture does not show: raw `a`, `b` and `c` are not
# identifiable, and only the folded truth says how good an encoder is. This is why a family declares
# its symmetries. If we had missed one, it would show here, as a parameter that no encoder ever
# finds.
#
# ## Keep it
#
# In a copy of the package, the equation and its entry go to `fdd/attractors/families.py`; the tests then compare
# it with arithmetic of higher precision and render both sides of each symmetry. `fdd.families` lists
# the nine that come with the package, and now the moth.

# %%
print(*sorted(fdd.families), sep=", ")
