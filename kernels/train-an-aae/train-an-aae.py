# %% [markdown]
# # Fractal Dream: train an AAE
#
# In 2019 this data set came with a question: does the latent space of a generative model correspond
# to the parameters that drew the images? An adversarial auto-encoder (AAE) was one of the models.
# Its encoder turns a picture into six numbers, as many as the equation has. Are they the
# parameters?
#
# This notebook trains the AAE, shows by eye what it learned, and then answers the question with
# scores. Each score stands between its permutation baseline (*chance*) and the score of a
# supervised reader of the same parameters (the *ceiling*).
#
# *Pictures and parameters: CC BY 4.0. The code, the package `fdd`: MIT.*

# %%
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

# %%
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Image, Markdown, display

import baselines
import fdd
from baselines.aae import AAE, PRESETS
from baselines.training.loop import train
from benchmarks.oracle import load_oracle
from benchmarks.protocol.data import Data, World
from benchmarks.protocol.evaluation import evaluate
from benchmarks.protocol.settings import Settings
from benchmarks.reporting.figures import all_figures, read_metrics, rows_png
from benchmarks.reporting.text import as_text
from fdd.pictures import resize

plt.rcParams.update({"figure.dpi": 100, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## How much to train
#
# With a GPU the notebook trains a network of medium size on pictures of 64 x 64 pixels, for about
# an hour (estimated from the number of operations; it has not been timed). Without a GPU it trains
# a small network on 32 x 32 pixels for some minutes: enough to see how everything works and **not
# enough to conclude anything about AAEs**. The settings of 2019 are `PRESETS["paper"]`: 128 x 128
# pixels and 25,000 steps, several hours on a GPU.

# %%
GPU = torch.cuda.is_available()
small = replace(PRESETS["small"], data="kaggle")
if SMALL:
    config = replace(small, steps=8, width=2, kernel_size=3, image_size=16, log_every=2)
elif GPU:
    config = replace(small, image_size=64, width=32, batch_size=64, steps=10_000, decay=0.5)
else:
    config = replace(small, steps=2000, decay=0.5)
print("GPU" if GPU else f"no GPU, {os.cpu_count()} processors")
print(f"{config.steps} steps of {config.batch_size} images of {config.image_size} pixels")

# %% [markdown]
# ## Train
#
# The same as `python -m baselines.aae --preset small --data kaggle --steps 2000 --decay 0.5` on a
# command line. Each step makes three updates: encoder and generator learn to reproduce the picture,
# the discriminator learns to tell real pictures from generated ones, and the generator learns to
# make pictures that pass for real. Run the cell again and it resumes from its last checkpoint.

# %%
begun = time.perf_counter()
outcome = train(AAE, config, "runs/aae")
print(
    f"step {outcome.step} after {(time.perf_counter() - begun) / 60:.1f} minutes",
    outcome.reason or "",
)

# %%
metrics = read_metrics("runs/aae")
figure, axes = plt.subplots(1, 3, figsize=(11, 3))
losses = ("reconstruction", "discriminator", "generator")
for axis, name in zip(axes, losses, strict=True):
    axis.plot(metrics["step"], metrics[name])
    axis.set(title=f"{name} loss", xlabel="step", ylim=(0, None))
plt.tight_layout()
plt.show()
metrics.tail(1).round(3)

# %% [markdown]
# ## What it makes of pictures it has not seen
#
# Above, pictures of the test split; below, what the generator makes of their codes of six numbers.

# %%
model = baselines.load_run("runs/aae")
size = model.image_size


def rows(split, count):
    """Images of the model's size, uint8 [n, S, S, 3], and raw parameters float64 [n, 6]."""
    data = fdd.load(split, source="kaggle", params=True)
    count = min(count, len(data))
    return resize(data.read(range(count)), size), data.params.to_numpy()[:count]


fit, test = rows("train", 60 if SMALL else 4000), rows("test", 60 if SMALL else 2000)
codes = model.encode(test[0])
display(Image(rows_png({"x": test[0][:10], "G(E(x))": model.generate(codes[:10])})))

# %% [markdown]
# And pictures from random numbers, beside real ones: does the generator draw attractors at all?
# (After the few minutes without a GPU it does not.)

# %%
noise = np.random.default_rng(0).normal(size=(10, model.latent_size))
display(Image(rows_png({"real": test[0][10:20], "G(z)": model.generate(noise)})))

# %% [markdown]
# ## Are the six numbers the parameters?
#
# `evaluate` takes any model with `encode` and `generate`, fits what has to be fitted on images of
# the train split, and scores on the test split. Permutation baseline: the same scores with the
# parameters assigned to the wrong images. Ceiling: the oracle that comes with the package, a
# network that learned to read the parameters from two million pictures. It knows pictures of 32 x
# 32 pixels with 4,000 points, so it is shown such drawings of the same parameters.

# %%
oracle = load_oracle("mini-1")
read = [oracle.read(fdd.render(params, size=32, points=4000)) for _, params in (fit, test)]
world = World(draw=lambda params: resize(fdd.render(params), size))
few = {"draws": 9, "slow_draws": 2, "few_draws": 1, "halves": 4}
draws = few if SMALL else {"draws": 199, "slow_draws": 19}
settings = Settings(train_images=len(fit[0]), test_images=len(test[0]), **draws)
evaluation = evaluate(model, Data(fit, test, world, tuple(read)), settings=settings)
evaluation.result.update(name="AAE", run="runs/aae")

# %%
scores = evaluation.result["scores"]
chosen = {
    "R2 of |a|, kernel": scores["nonlinear_r2"]["canonical"]["a'"],
    "R2 of sign(a) b, kernel": scores["nonlinear_r2"]["canonical"]["b'"],
    "R2 of c, kernel": scores["nonlinear_r2"]["canonical"]["c"],
    "R2 of d, kernel": scores["nonlinear_r2"]["canonical"]["d"],
    "R2, all four, linear": scores["linear_r2"]["canonical"]["mean"],
    "MCC: a code for a parameter": scores["mcc"]["canonical"],
    "RSA: distances": scores["rsa"]["canonical"],
    "retrieval at 10: G(E(x))": scores["top10"]["reconstruction"],
}
table = pd.DataFrame(chosen).transpose()[["chance", "score", "low", "high", "ceiling"]]
table.astype(float).round(3).astype(object).fillna("")  # retrieval has no ceiling here

# %%
figures = {figure.name: figure for figure in all_figures([evaluation])}
for name in ("scores.png", "codes.png"):
    display(Image(figures[name].png))
    display(Markdown(figures[name].caption))

# %% [markdown]
# ## How to read it
#
# - **R2** is the share of a parameter's variance that can be read from the six numbers, on images
#   that took no part in the fit. At chance nothing can be read; at the ceiling, as much as the
#   oracle reads. The signs of `a` and `b` and the starting point leave no trace in a picture, so
#   their ceiling is 0 and no model can be blamed for missing them; `|a|` and `sign(a) b` are
#   identifiable.
# - **Kernel above linear** means that the codes hold the parameter, but in a nonlinear form.
# - **MCC** asks whether single codes stand for single parameters. **RSA** asks whether pictures
#   that are far apart in parameters are far apart in codes.
# - **Retrieval at 10** says how good the auto-encoder is as such: how often the true picture is
#   among the ten nearest to its reconstruction.
#
# What to look for: a model can reconstruct well (retrieval far above chance) and yet know next to
# nothing of the parameters except, in part, `|a|`. So "no correspondence", the answer of 2019, is
# right for single codes and for `b`, `c`, `d`, and it takes numbers to see that it is not quite
# right for `|a|`.
#
# A run of a few minutes on a CPU shows the method, not the limits of the model. For results that
# count, train longer and with several seeds, and score with the full protocol:
#
#     python -m baselines.aae --data kaggle --seed 0
#     python -m benchmarks.correspondence runs/aae-paper-seed0
#
# `docs/results.md` and `docs/protocol.md` in the repository of the package have numbers of longer
# runs and other models, and explain each score. All scores of this run:

# %%
print(as_text(evaluation.result))
