# %% [markdown]
# # Fractal Dream: the latent space found
#
# Each picture of this data set is drawn by an equation from a few numbers. Can a network find these
# numbers if it is never told them? In 2019 the answer was no: an auto-encoder finds one of four.
# Here is an encoder that finds all of them, from pictures that are **known to be related** and
# nothing else, in two hours of one processor core.
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

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.linalg import eigh
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import baselines
import fdd
from benchmarks.scores import mcc, nonlinear_r2

plt.rcParams.update({"figure.dpi": 100, "axes.spines.top": False, "axes.spines.right": False})

ROWS = 300 if SMALL else 2000
NAMES = ("|a|", "sign(a) b", "c", "d")


def canonical(params):
    """What a picture can show of (x0, y0, a, b, c, d): (-a, -b) draws the same as (a, b)."""
    a, b, c, d = params[:, 2:].T
    return np.column_stack([np.abs(a), np.sign(a) * b, c, d])


def reader(codes, truth):
    """Kernel ridge from codes to parameters."""
    ridge = KernelRidge(kernel="rbf", alpha=0.1, gamma=0.5 / codes.shape[1])
    return make_pipeline(StandardScaler(), ridge).fit(codes, truth)


# %%
params = {split: fdd.sample_params(ROWS, split, version="mini") for split in ("train", "test")}
images = {split: fdd.render(rows, size=32, points=4000) for split, rows in params.items()}
truth = {split: canonical(rows) for split, rows in params.items()}

model = baselines.load_pretrained("mini-pairs")
codes = {split: model.encode(pictures) for split, pictures in images.items()}
read = reader(codes["train"], truth["train"]).predict(codes["test"])


def drawn(numbers):
    """The picture that the equation draws from |a|, sign(a) b, c and d, from one start for all."""
    try:
        return fdd.render([0.1, 0.1, *np.clip(numbers, -3, 3)], size=32, points=4000)
    except fdd.FddError:  # some vectors have no picture
        return np.full((32, 32, 3), 255, np.uint8)


again = np.stack([drawn(numbers) for numbers in read[:12]])
fdd.show(np.concatenate([images["test"][:12], again]).repeat(3, 1).repeat(3, 2), columns=12)

# %% [markdown]
# Above, pictures that the encoder has never seen. Below, **the equation drawn again from the four
# numbers that were read from the encoder's code**: no network paints here. Where two pictures differ
# much, a sign was read wrong, or the attractor is one that small steps change.
#
# The reader is kernel ridge, which was shown the codes of 2,000 other pictures with their numbers. The
# encoder itself was shown no number at all.
#
# ## What it was shown: groups of pictures
#
# The pictures of a group have parameters that are correlated: each is a random step away from the
# others, in all parameters at once. Nothing else is told, and no group comes twice.

# %%
groups, vectors = next(iter(fdd.pairs("ou", batch_size=3, rho=0.7, members=12, version="mini-1")))
fdd.show(groups.reshape(-1, 32, 32, 3).repeat(3, 1).repeat(3, 2), columns=12, count=36)

# %% [markdown]
# Three groups, a row each. What do the pictures of one row share? Hardly anything that can be seen: but
# over many groups, functions of the parameters agree more within groups than between them, and of all
# functions the parameters themselves agree most. The encoder looks for functions of a picture that
# agree within groups: deep CCA, the sum of canonical correlations. That is all.
#
# ## Told nothing, and shown related pictures
#
# The same reader on the codes of an auto-encoder, which saw single pictures (above), and on those of
# the encoder (below): the true number from left to right, what is read upwards.

# %%
told_nothing = baselines.load_pretrained("mini-aae")
others = {split: told_nothing.encode(pictures) for split, pictures in images.items()}
rows = [reader(others["train"], truth["train"]).predict(others["test"]), read]

figure, axes = plt.subplots(2, 4, figsize=(11, 5.6))
r2 = {}
for name, line, found in zip(("auto-encoder", "groups"), axes, rows, strict=True):
    r2[name] = 1 - ((found - truth["test"]) ** 2).mean(axis=0) / truth["test"].var(axis=0)
    for axis, label, true, one, share in zip(
        line, NAMES, truth["test"].T, found.T, r2[name], strict=True
    ):
        axis.plot([true.min(), true.max()], [true.min(), true.max()], color="gray", linewidth=0.8)
        axis.scatter(true, one, s=4, alpha=0.3, linewidths=0)
        axis.set(title=f"{label}    R2 {share:.2f}", ylim=(-3.3, 3.3))
    line[0].set_ylabel(f"{name}: read")
plt.tight_layout()
plt.show()

# %% [markdown]
# An auto-encoder keeps what is needed to paint the picture again, and that is not the parameters, except
# for `|a|` in part: it knows neither the sign of `c` nor that of `d`. An oracle, a network that was
# *told* the parameters of two million pictures, has an R2 of 0.85 on average.
#
# ## Told which parameter changed: names
#
# Normal laws look the same however they are turned, so groups find the space and not its axes. Another
# kind of pairs tells more: of two pictures **one parameter differs, and which one is told** (not how
# much). A direction of the code that follows `c` differs where `c` changed, and stays where another
# parameter did. So the directions of `c` are those in which the differences have the largest variance
# where `c` changed, in units of their variance where it did not: eigenvectors, in five lines.

# %%
pairs = fdd.pairs("one", batch_size=2 * ROWS, version="mini-1")
pictures, _, changed = next(iter(pairs))
steps = np.subtract(*(model.encode(pictures[:, side]) for side in (0, 1)))
spread = np.stack([np.cov(steps[changed == number].T) for number in range(6)])

figure, axes = plt.subplots(1, 4, figsize=(12, 2.9))
for axis, name, number, true in zip(axes, NAMES, range(2, 6), truth["test"].T, strict=True):
    rest = (spread.sum(axis=0) - spread[number]) / 5
    directions = eigh(spread[number], rest)[1][:, :-3:-1]  # the two that follow it most
    places = codes["test"] @ directions
    dots = axis.scatter(*places.T, c=true, s=4, cmap="coolwarm")
    axis.set(title=f"coloured by {name}", xticks=[], yticks=[])
    figure.colorbar(dots, ax=axis)
plt.tight_layout()
plt.show()

# %% [markdown]
# For each parameter the test pictures in its two directions. `c` and `d` are **curves**: a line that was
# bent, `|c|` along one direction and `c` along the other, with grey, where the parameter is 0, in the
# bend. For `b` one direction is its size and the other its sign; of `a` there is the size alone, as the
# sign that it shares with `b` leaves no trace in a picture.
#
# The trained model `mini-one` is made so: the discriminant, on the same encoder, before its last map.
# MCC asks whether single numbers of a code stand for single parameters; 1 means one for each.

# %%
named = baselines.load_pretrained("mini-one")
codes_of = {"auto-encoder": others, "groups": codes}
codes_of["one changed"] = {split: named.encode(pictures) for split, pictures in images.items()}
table = {}
for name, both in codes_of.items():
    test = both["test"], truth["test"]
    table[name] = nonlinear_r2(both["train"], truth["train"], test).mean(), mcc(*test)
pd.DataFrame(table, index=["kernel R2, mean", "MCC"]).transpose().round(2)

# %% [markdown]
# ## Go on
#
# Five seeds, what was tried and failed, and why groups of 32 tell more than pairs: `docs/encoders.md` in the
# repository of the package. The recipe takes an hour of one core for an R2 of 0.78, and two for the model
# above:
#
#     fdd train contrastive --preset mini --latent-size 24 --steps 3000 --out near
#     fdd train dcca --preset mini --encoder-from near --steps 2200 --out far
#     fdd train dcca --preset sorted --codes-from far --out sorted
#     fdd train dcca --preset axes --codes-from sorted --out axes
#     fdd train dcca --preset one --codes-from sorted --out one
#
# Can you do better, or the same with less? `fdd score axes` gives all scores, each between chance and
# the oracle. Your own encoder is scored by its codes: save those of the first train and test images as
# `train.npy` and `test.npy` in a folder, and `fdd score FOLDER`.
