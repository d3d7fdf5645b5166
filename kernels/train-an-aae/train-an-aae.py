# %% [markdown]
# # Fractal Dream: train an AAE
#
# In 2019 this data set came with a question: does the latent space of a generative model correspond
# to the parameters that drew the images? An adversarial auto-encoder (AAE) was one of the models.
#
# *Pictures and parameters: CC BY 4.0. The code, the package `fdd`: MIT.*

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
import torch

import baselines
import fdd

plt.rcParams.update({"figure.dpi": 100, "axes.spines.top": False, "axes.spines.right": False})


def run(command):
    """A command of the package, as in a terminal, where it is called `fdd`; what it prints."""
    words = [sys.executable, "-m", *command.split()]
    print(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def beside(images, model):
    """Ten images above what a model makes of their codes, at three times their size."""
    both = np.concatenate([images[:10], model.generate(model.encode(images[:10]))])
    return fdd.show(both.repeat(3, axis=1).repeat(3, axis=2), columns=10)


# %%
pretrained = baselines.load_pretrained("mini-aae")
params = fdd.sample_params(2000, "test", version="mini")
images = fdd.render(params, size=32, points=4000)
beside(images, pretrained)

# %% [markdown]
# Above, pictures of the test split of `mini-1` (32 x 32 pixels); below, what a trained AAE makes of
# them. It comes with the package. Its encoder turns a picture into a code of 32 numbers, and its
# generator makes a picture of the code: it has seen none of these, and they can be recognised. Does
# it know the six numbers that drew them?
#
# This notebook trains an AAE of the same kind, looks at what it learned, and answers the question
# for both with scores. Each score stands between its permutation baseline (*chance*) and the score
# of a supervised reader of the same parameters (the *ceiling*).
#
# ## Train one
#
# A small network for a minute or two on two cores, or for longer with a GPU: enough to see how
# everything works and **not enough to conclude anything about AAEs**. Each step makes three updates:
# encoder and generator learn to reproduce the picture, the discriminator learns to tell real pictures
# from generated ones, and the generator learns to make pictures that pass for real. Run the cell
# again and it resumes from its last checkpoint.
#
# To train on the pictures that are mounted here, of 128 x 128 pixels, add `--data kaggle` and take
# the preset `small`, which shrinks them to 32 x 32, or `paper`, the settings of 2019, which need a GPU
# for hours. `fdd train aae --help` explains every option.

# %%
steps = 8 if SMALL else 12_000 if torch.cuda.is_available() else 800
small = " --data stream --width 2 --kernel-size 3 --log-every 2" if SMALL else ""
run(f"fdd train aae --preset mini --steps {steps} --decay 0.5{small} --out runs/aae")

# %%
metrics = pd.read_csv("runs/aae/metrics.csv")
figure, axes = plt.subplots(1, 3, figsize=(11, 3))
losses = ("reconstruction", "discriminator", "generator")
for axis, name in zip(axes, losses, strict=True):
    axis.plot(metrics["step"], metrics[name])
    axis.set(title=f"{name} loss", xlabel="step", ylim=(0, None))
plt.tight_layout()
plt.show()

# %% [markdown]
# ## What it makes of pictures it has not seen
#
# The same pictures as at the top, and what the generator makes of their codes of six numbers.

# %%
model = baselines.load_run("runs/aae")
beside(images, model)

# %% [markdown]
# And pictures from random numbers: does the generator draw attractors at all? The upper row is that
# of the model just trained, the lower one that of the trained model of the package.

# %%
rng = np.random.default_rng(0)
made = [one.generate(rng.normal(size=(10, one.latent_size))) for one in (model, pretrained)]
fdd.show(np.concatenate(made).repeat(3, axis=1).repeat(3, axis=2), columns=10)

# %% [markdown]
# ## Are the numbers of the code the parameters?
#
# `fdd report` takes any models, fits what has to be fitted on images of the train split, and scores
# on the test split. Permutation baseline: the same scores with the parameters assigned to the wrong
# images. Ceiling: the oracle that comes with the package, a network that learned to read the
# parameters from two million pictures. `--quick` takes 300 test images: a first look.

# %%
few = " --images 40 --train-images 40" if SMALL else ""
run(f"fdd report runs/aae mini-aae --quick{few} --out report")

# %% [markdown]
# The page `report/index.html` has all scores, with pictures. Some of them, by parameter, as the share
# of its variance that kernel ridge reads from the codes:

# %%
scores = pd.read_csv("report/results.csv")
asked = scores.query("score == 'nonlinear_r2' and set == 'canonical' and parameter != 'mean'")
table = asked.pivot(index="name", columns="parameter", values="value")
limits = asked.groupby("parameter")[["chance", "ceiling"]].max().transpose()
pd.concat([table, limits]).round(3)

# %% [markdown]
# ## How to read it
#
# - **R2** is the share of a parameter's variance that can be read from the code, on images that took
#   no part in the fit. At chance nothing can be read; at the ceiling, as much as the oracle reads.
#   The sign that `a` and `b` share leaves no trace in a picture, so the parameters are `a' = |a|`,
#   `b' = sign(a) b`, `c` and `d`.
# - **Linear** and **kernel**: where the second is higher, the codes hold the parameter, but in a
#   nonlinear form.
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
# A run of a minute on a processor shows the method, not the limits of the model. For results that
# count, train longer and with several seeds, and score with the full protocol, without `--quick`:
#
#     fdd train aae --data kaggle --seed 0
#     fdd score runs/aae-paper-seed0
#
# `docs/results.md` and `docs/protocol.md` in the repository of the package have numbers of longer
# runs and other models, and explain each score.
