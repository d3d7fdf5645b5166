"""What `tests/test_defaults.py` computes twice: in this process, and in one with other settings."""

import hashlib
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from conftest import REGISTER_TINY

import fdd
from baselines import load_run
from baselines.aae import AAE, Config
from baselines.training.loop import train
from benchmarks import image_scores, scores
from benchmarks.oracle import load_oracle
from benchmarks.reporting.figures import rows_png
from fdd.pictures import resize

DENORMAL = [1e-310, 1e-310, 1e-310, -1e-310, 2, 1]


class Images:
    """What training needs of a data set."""

    version = params = None

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def read(self, indices):
        return self.images[np.asarray(indices)]


def digest(found):
    """SHA-256 of bytes or of an array, or of each in a dict or a tuple."""
    if isinstance(found, dict):
        return {name: digest(value) for name, value in found.items()}
    if isinstance(found, tuple | list):
        return [digest(value) for value in found]
    data = found if isinstance(found, bytes) else np.ascontiguousarray(found).tobytes()
    return hashlib.sha256(data).hexdigest()


def results(folder):
    """By name, digests of what the packages compute; a run folder is written."""
    found = {}
    params = fdd.uniform_params(4, seed=1)
    found["render"] = fdd.render(params, size=16, points=500, output="counts")
    params[0] = DENORMAL
    found["canonical"], found["scaled"] = fdd.canonical_params(params), fdd.scale_params(params)
    found["stream"] = next(iter(fdd.stream("train", 8, version="tiny-1")))
    found["pairs"] = next(iter(fdd.pairs("near", "train", 8, version="tiny-1")))
    data = fdd.load("train", version="tiny-1")
    found["load"], found["params"] = data.images, data.params.to_numpy()

    vectors = fdd.sample_params(48, "test", version="mini")
    images = fdd.render(vectors, size=32, points=4000)
    small = resize(images, 16)
    config = Config(
        steps=2, batch_size=4, image_size=16, width=2, device="cpu", log_every=1, checkpoint_every=2
    )
    train(AAE, config, folder, data=Images(small), held_out=Images(small[:16]))
    model = load_run(folder, device="cpu")
    found["codes"] = codes = model.encode(small)
    found["made"] = made = model.generate(codes)

    true = fdd.canonical_params(vectors)[:, 2:]
    both = codes.astype(np.float64), true
    for name in ("linear_r2", "nonlinear_r2", "mcc", "sap", "infoe", "orthogonality"):
        found[name] = getattr(scores, name)(*both, test=both)
    for name in ("cka", "rsa", "mig", "knn_overlap", "infom", "infoc"):
        found[name] = getattr(scores, name)(*both)
    found["ssim"] = image_scores.ssim(small, made)
    found["ms_ssim"] = image_scores.ms_ssim(images, images[::-1])
    oracle = load_oracle("mini")
    found["oracle"], found["features"] = oracle.read(images[:4]), oracle.features(images[:4])
    found["figure"] = rows_png({"a": small[:4]})
    return {name: digest(value) for name, value in found.items()}


def change_everything():
    """What libraries and users set, and what batch systems put into the environment."""
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True)
    np.seterr(all="raise")
    np.set_printoptions(precision=1, threshold=3)
    warnings.simplefilter("error")
    os.chdir("/")
    os.environ |= {"WORLD_SIZE": "", "LOCAL_WORLD_SIZE": "", "RANK": "", "LOCAL_RANK": ""}
    os.environ |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "job", "SLURM_NTASKS": "4"}
    os.environ |= {"SLURM_NTASKS_PER_NODE": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    os.environ |= {"LSB_JOBID": "7", "LSB_DJOB_RANKFILE": "/none"}
    os.environ |= {"JSM_NAMESPACE_LOCAL_RANK": "0", "JSM_NAMESPACE_SIZE": "4"}


def settings():
    """What is set now of the things that a function could leave changed."""
    kinds = str(torch.get_default_dtype()), str(torch.get_default_device())
    flushed = float("2.3e-308") * 0.1 == 0
    return [*kinds, torch.is_grad_enabled(), np.geterr(), flushed]


if __name__ == "__main__":
    exec(REGISTER_TINY)
    change_everything()
    before = settings()
    Path(sys.argv[2]).write_text(json.dumps(results(sys.argv[1])))
    assert settings() == before
    assert before[-1], "this processor does not flush denormal numbers"
