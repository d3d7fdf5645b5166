# %% [markdown]
# # Fractal Dream: a tour
#
# Every picture of this data set is drawn by one equation from six numbers, and the six numbers come
# with the picture. So when a model has learned "a latent space" from the pictures, you can compare
# it with the true one.
#
# *Pictures and parameters: CC BY 4.0. The code, the package `fdd`: MIT. The attractor is C. A.
# Pickover's Fractal Dream; the data set of 2019 is by L. Goareguer.*

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

import io
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from PIL import Image
from pyarrow import csv
from sklearn.metrics import r2_score
from sklearn.neighbors import NearestNeighbors

import fdd

plt.rcParams.update({"figure.dpi": 100, "axes.spines.top": False, "axes.spines.right": False})

# %%
fdd.show(count=14, columns=7)

# %% [markdown]
# Fourteen pictures of the test split. The equation of all of them:
#
#     x' = sin(b y) + c sin(b x)
#     y' = sin(a x) + d sin(a y)
#
# A point starts at `(x0, y0)` and jumps 60,000 times. How often each of 128 x 128 cells was hit
# becomes its colour. The latent vector of a picture is `(x0, y0, a, b, c, d)`.
#
# This notebook opens the data set, looks at it, shows what the six numbers do and what is not
# identifiable from a picture, and checks that the pictures are exactly what the numbers say. All
# numbers below are computed here.
#
# ## Open it
#
# One line. On Kaggle it finds the mounted folder; elsewhere it downloads the data set once.

# %%
data = fdd.load("test", source="kaggle", params=True)
image, vector = data[0]
print("image ", image.shape, image.dtype)
print("vector", vector)
data.params.head()

# %%
splits = {name: fdd.load(name, source="kaggle", params=True) for name in ("train", "val", "test")}
pd.DataFrame({"images": {name: len(split) for name, split in splits.items()}})

# %% [markdown]
# ## What the parameters do
#
# One vector, with one of its numbers moved at a time, from 0.3 less to 0.3 more: `x0`, `y0`, `a`,
# `b`, `c`, `d` from the top row to the bottom one. The four coefficients change the shape; the
# starting point changes only the grain, because most starts end up on the same attractor. In the
# nearly empty pictures the orbit becomes periodic; the data set does not contain such pictures.

# %%
base = np.array([0.1, 0.1, -2.0, -1.5, -2.6, 0.9])
names = data.params.columns
moves = np.linspace(-0.3, 0.3, 7)
sweep = np.repeat(base[None, None], len(base), 0) + moves[:, None] * np.eye(6)[:, None]
fdd.show(fdd.render(sweep.reshape(-1, 6), size=80), columns=len(moves), count=len(moves) * 6)

# %% [markdown]
# The map is chaotic. How much does a picture change when `c` changes by very little? Below, the
# mean difference of two pictures, in units of the difference of two unrelated pictures.

# %%
count = 32 if SMALL else 200
vectors = data.params.to_numpy()[:count]
ink = fdd.render(vectors, "gray").astype(float)
unrelated = np.abs(ink - np.roll(ink, 1, axis=0)).mean()
steps = 10.0 ** np.arange(-15, 0)
distances = []
for step in steps:
    moved = vectors.copy()
    moved[:, 4] -= step * np.sign(moved[:, 4])  # towards 0, so that it stays in its range
    distances.append(np.abs(fdd.render(moved, "gray") - ink).mean() / unrelated)
start = vectors.copy()
start[:, :2] = np.roll(start[:, :2], 1, axis=0)
other_start = np.abs(fdd.render(start, "gray") - ink).mean() / unrelated

figure, axes = plt.subplots(figsize=(7, 3))
axes.semilogx(steps, distances, "o-", label="c moved by so much")
axes.axhline(other_start, color="gray", ls="--", label="another starting point")
axes.set(xlabel="step in c", ylabel="difference of the images", ylim=(0, 1.05))
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# So even a step of `1e-15` gives other points, and the picture changes as much as with another
# starting point: **the grain is not information, the shape is**. Only a step of a hundredth or more
# changes the shape. A score that compares pixels must be read with that in mind.
#
# ## Palettes, gray, counts
#
# A picture is a colouring of counts, and you can ask for the counts.

# %%
counts = fdd.render(vector, "counts")
print(f"{counts.sum()} points in {np.count_nonzero(counts)} of {counts.size} cells")
pictures = {name: fdd.render(vector, palette=name) for name in ("kbc", "inferno", "viridis")}
pictures["gray"] = fdd.render(vector, "gray")
figure, axes = plt.subplots(1, 5, figsize=(10, 2.3))
for name, axis in zip(pictures, axes, strict=False):
    axis.imshow(pictures[name], cmap="gray")
    axis.set_title(name)
axes[4].imshow(np.log1p(counts), cmap="magma")
axes[4].set_title("log(1 + counts)")
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# ## Symmetries: what is not identifiable
#
# Some changes of the vector do something simple to the picture. They are declared with the
# equation, so both sides of each can be rendered. Below, a row for each, in the order of the table: a
# picture, what the symmetry promises, and what the changed vector draws.

# %%
family = fdd.families["fractal_dream"]
lopsided = np.abs(ink - ink[:, ::-1, ::-1]).mean(axis=(1, 2)).argmax()  # the clearest example
one = fdd.render(vectors[lopsided])
pictures, table = [], {}
for symmetry in family.symmetries:
    changed = [symmetry.change(tuple(v)) for v in vectors]
    expected = np.stack([symmetry.effect(found) for found in fdd.render(vectors, "counts")])
    equal = (expected == fdd.render(changed, "counts")).mean()
    table[symmetry.name] = {"exact": symmetry.exact, "cells with equal counts": equal}
    pictures += [one, symmetry.effect(one), fdd.render(changed[lopsided])]
display(fdd.show(np.stack(pictures), columns=3))
pd.DataFrame(table).transpose()

# %% [markdown]
# The exact symmetries hold to the count, up to points that lie on the edge of a cell (the largest
# `x` and `y` fall one cell down, so a flip can move a few points by a cell). The last one, the sign
# of `a` and `b` together, gives the same attractor with other points on it or, where it is not
# symmetric itself, the attractor and its 180-degree rotation interleaved. So **the sign that `a`
# and `b` share leaves no trace**, and the starting point leaves hardly any. `params="canonical"`
# gives what is identifiable: `|a|` and `sign(a) b` instead of `a` and `b`.
#
# ## How the parameters are distributed
#
# They are drawn uniformly and independently, and a draw is kept if at least 15 % of the cells are
# occupied. What is kept is no longer uniform, since small coefficients give orbits that settle on a
# few points; it is still nearly uncorrelated.

# %%
params = splits["train"].params
figure, axes = plt.subplots(1, 6, figsize=(11, 2), sharey=True)
for name, axis in zip(params, axes, strict=True):
    axis.hist(params[name], bins=24, density=True, color="#3465a4")
    axis.set(xlabel=name, yticks=[])
    axis.axhline(0.5 if name in ("x0", "y0") else 1 / 6, color="black", lw=1)
axes[0].set_title("train split; the line is the uniform density", loc="left", fontsize=10)
plt.show()

correlations = params.corr()
off_diagonal = correlations.to_numpy()[~np.eye(6, dtype=bool)]
print(f"largest correlation of two parameters: {np.abs(off_diagonal).max():.3f}")
correlations.round(3)

# %% [markdown]
# ## Exact
#
# The picture is a function of the vector, to the byte: draw the vectors again and compare.

# %%
rows = np.arange(len(data))
begun = time.perf_counter()
again = fdd.render(data.params)
seconds = time.perf_counter() - begun
equal = (again == data.read(rows)).all(axis=(1, 2, 3))
print(f"{equal.sum()} of {len(data)} images of the test split are equal byte for byte")
print(f"drawn at {len(data) / seconds:.0f} images a second on {os.cpu_count()} processors")

# %% [markdown]
# ## Nearest neighbours in pixels
#
# Do similar pictures have similar parameters? Beside pictures of the test split (left), the nearest
# pictures of the train split, by Euclidean distance of their 32 x 32 block means.


# %%
def block_means(images):
    """uint8 [n, 128, 128, 3] -> float32 [n, 1024]"""
    blocks = images.mean(axis=-1, dtype=np.float32).reshape(-1, 32, 4, 32, 4)
    return blocks.mean(axis=(2, 4)).reshape(len(images), -1)


train = splits["train"]
reading = np.array_split(np.arange(min(len(train), 20_000)), 20)  # in parts, to save memory
library = np.concatenate([block_means(train.read(part)) for part in reading])
asked = data.read(range(min(len(data), 1000)))
near = NearestNeighbors(n_neighbors=6).fit(library).kneighbors(block_means(asked))[1]

chosen = [0, 3, 5]
print(f"test images (left) and their neighbours among {len(library)} images of the train split")
fdd.show(
    np.concatenate([np.concatenate([asked[i : i + 1], train.read(near[i])]) for i in chosen]),
    columns=7,
)

# %% [markdown]
# They look alike, so how far are their parameters? Take the parameters of the nearest picture as a
# guess, and ask which share of the variance it explains (R2; 0 is as good as guessing the mean, and
# a random guess gives about -1).

# %%
truth = np.column_stack([data.params, fdd.canonical_params(data.params)[:, 2:4]])[: len(asked)]
known = np.column_stack([params, fdd.canonical_params(params)[:, 2:4]])
guess = known[near[:, 0]]
labels = [*names, "|a|", "sign(a) b"]
r2 = pd.Series(r2_score(truth, guess, multioutput="raw_values"), index=labels)

figure, axes = plt.subplots(figsize=(7, 3))
axes.bar(labels, r2, color=["#3465a4"] * 6 + ["#f57900"] * 2)
axes.axhline(0, color="black", lw=1)
axes.set(ylabel="R2", title="Parameters of the nearest picture as a guess")
plt.show()
r2.round(2).to_frame("R2").transpose()

# %% [markdown]
# The starting point and the raw signs are hopeless, as the symmetries say. `|a|`, the most visible
# of all, is found in part. Pictures of a chaotic map that are close in pixels can be far apart in
# parameters; a trained network reads far more (the other notebooks have numbers).
#
# ## Sizes and speed
#
# As measured on the machine that ran this notebook.

# %%
folder = data.root
size = sum(path.stat().st_size for path in folder.glob("test-*.parquet"))


def seconds_of(action):
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


fresh = fdd.load("test", source="kaggle")
everything = seconds_of(lambda: fresh.images)
picks = np.random.default_rng(0).integers(len(data), size=200)
single = seconds_of(lambda: [data[i] for i in picks])
measured = {
    "bytes an image, in the package": size / len(data),
    "bytes an image, as an array": image.nbytes,
    "images read a second, all of the test split": len(data) / everything,
    "milliseconds for one image at random": 1000 * single / len(picks),
    "images drawn a second": len(data) / seconds,
}
pd.Series(measured).round(2).to_frame("measured")

# %% [markdown]
# ## Without the package
#
# The images are PNG files inside Parquet tables, beside their parameters, as in Hugging Face data
# sets; any program that reads Parquet can read them. `params.csv` lists all vectors at full
# precision.

# %%
pieces = sorted(folder.glob("test-*.parquet"))
row = pd.read_parquet(pieces[0]).iloc[0]
picture = np.array(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB"))
listed = csv.read_csv(folder / "params.csv").to_pandas().query("split == 'test'")
display(row[["index", *names]].to_frame().transpose())
print("the same picture as above:", np.array_equal(picture, image))
print("the same vectors in params.csv:", np.array_equal(listed[names], data.params))

# %% [markdown]
# ## Where to go from here
#
# - **Train an AAE**: an auto-encoder on these images, and how to score it.
# - **The experiments of 2019**: what was concluded then, and what the scores say now.
# - **Your own attractor**: declare another equation and make a data set of it.
#
# `fdd.stream("train", 32)` draws new images without end, for training that never sees one twice.
