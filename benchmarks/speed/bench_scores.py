"""Scores beside their reference implementations: 10,000 images, 32 codes, 6 parameters.

A pair is one group; the reference is what people call today. Where the reference needs more memory
than a machine has, both get fewer rows, which the group's name says.
"""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.cross_decomposition import CCA
from sklearn.feature_selection import mutual_info_regression
from sklearn.linear_model import LinearRegression
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from benchmarks import image_scores, scores

ROWS, CODES, PARAMS, FEATURES = 10000, 32, 6, 192
RNG = np.random.default_rng(0)
Y = RNG.uniform(-1, 1, (ROWS, PARAMS))
X = np.tanh(Y @ RNG.normal(size=(PARAMS, CODES))) + 0.3 * RNG.normal(size=(ROWS, CODES))
HALF = ROWS // 2
TEST = (X[HALF:], Y[HALF:])
REAL, FAKE = RNG.normal(size=(2, ROWS, FEATURES))


def linear_of_sklearn():
    model = LinearRegression().fit(X[:HALF], Y[:HALF])
    return r2_score(TEST[1], model.predict(TEST[0]), multioutput="raw_values")


def cca_of_sklearn():
    codes, params = CCA(PARAMS, max_iter=2000).fit(X, Y).transform(X, Y)
    return np.array([np.corrcoef(codes[:, i], params[:, i])[0, 1] for i in range(PARAMS)])


def rsa_of_scipy():
    return spearmanr(pdist(X[:5000]), pdist(Y[:5000])).statistic


def procrustes_of_scipy():
    return scipy_procrustes(X, np.pad(Y, ((0, 0), (0, CODES - PARAMS))))[2]


def distance_correlation_of_dcor():
    dcor = pytest.importorskip("dcor")
    return dcor.u_distance_correlation_sqr(X[:2000], Y[:2000])


def overlap_of_sklearn():
    one, other = (
        NearestNeighbors(n_neighbors=10).fit(a).kneighbors(return_distance=False) for a in (X, Y)
    )
    return np.mean([len(set(a) & set(b)) for a, b in zip(one, other, strict=True)]) / 10


def information_of_sklearn():
    return np.stack([mutual_info_regression(X, column, random_state=0) for column in Y.T], axis=1)


def fid_of_scipy():
    one, other = np.cov(REAL, rowvar=False), np.cov(FAKE, rowvar=False)
    moved = ((REAL.mean(axis=0) - FAKE.mean(axis=0)) ** 2).sum()
    return moved + np.trace(one + other - 2 * sqrtm(one @ other).real)


def kid_of_sklearn():
    same, other, cross = (
        polynomial_kernel(a, b, degree=3, coef0=1)
        for a, b in ((REAL, REAL), (FAKE, FAKE), (REAL, FAKE))
    )
    pairs = ROWS * (ROWS - 1)
    return sum((k.sum() - np.trace(k)) / pairs for k in (same, other)) - 2 * cross.mean()


def prdc_of_prdc():
    prdc = pytest.importorskip("prdc")
    return list(prdc.compute_prdc(REAL, FAKE, nearest_k=5).values())


PAIRS = {
    "linear_r2": (lambda: scores.linear_r2(X[:HALF], Y[:HALF], TEST), linear_of_sklearn),
    "cca": (lambda: scores.cca(X, Y), cca_of_sklearn),
    "rsa, 5,000 rows": (lambda: scores.rsa(X[:5000], Y[:5000]), rsa_of_scipy),
    "procrustes": (lambda: scores.procrustes(X, Y), procrustes_of_scipy),
    "distance correlation, 2,000 rows": (
        lambda: scores.distance_correlation(X[:2000], Y[:2000]),
        distance_correlation_of_dcor,
    ),
    "knn overlap": (lambda: scores.knn_overlap(X, Y), overlap_of_sklearn),
    "trustworthiness": (
        lambda: scores.trustworthiness(X, Y),
        lambda: sklearn_trustworthiness(Y, X, n_neighbors=10),
    ),
    "mutual information": (lambda: scores.mutual_information(X, Y), information_of_sklearn),
    "FID": (lambda: image_scores.fid(REAL, FAKE), fid_of_scipy),
    "KID": (lambda: image_scores.kid(REAL, FAKE), kid_of_sklearn),
    "PRDC": (lambda: list(image_scores.prdc(REAL, FAKE).values()), prdc_of_prdc),
}


QUICK = {"linear_r2", "cca", "procrustes", "knn overlap", "FID"}  # less than half a second


def rounds(benchmark, call, count):
    return benchmark.pedantic(call, rounds=count, warmup_rounds=int(count > 1))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("who", ["ours", "reference"])
def test_score(benchmark, name, who):
    benchmark.group = f"{name}"
    call = PAIRS[name][who == "reference"]
    found = rounds(benchmark, call, 15 if name in QUICK else 2)
    np.testing.assert_allclose(found, PAIRS[name][0](), rtol=1e-3, atol=1e-3)


CODE_SCORES = {
    "linear_r2": lambda: scores.linear_r2(X[:HALF], Y[:HALF], TEST),
    "nonlinear_r2": lambda: scores.nonlinear_r2(X[:HALF], Y[:HALF], TEST),
    "boosting_r2": lambda: scores.nonlinear_r2(X[:HALF], Y[:HALF], TEST, regressor="boosting"),
    "dci": lambda: scores.dci(X[:HALF], Y[:HALF], TEST),
    "cka_rbf": lambda: scores.cka(X, Y, kernel="rbf"),
    "irs": lambda: scores.irs(X, Y),
    "factor_vae": lambda: scores.factor_vae(X, Y),
    "beta_vae": lambda: scores.beta_vae(X, Y),
}
ALONE = [
    "mcc",
    "cka",
    "cca",
    "svcca",
    "pwcca",
    "rsa",
    "procrustes",
    "distance_correlation",
    "knn_overlap",
    "trustworthiness",
    "continuity",
    "sap",
    "mi_gap",
    "mig",
    "modularity",
]
CODE_SCORES |= {name: partial(getattr(scores, name), X, Y) for name in ALONE}


def test_all_code_scores(benchmark):
    benchmark.group = "all code scores, 10,000 images, 32 codes, 6 parameters"
    rounds(benchmark, lambda: [call() for call in CODE_SCORES.values()], 1)


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(
                not torch.cuda.is_available(), reason="torch sees no CUDA device"
            ),
        ),
    ],
)
@pytest.mark.parametrize("side", [32, 128])
@pytest.mark.parametrize("name", ["ssim", "ms_ssim", "retrieval"])
def test_image_score(benchmark, name, side, device):
    benchmark.group = f"{name}, 10,000 pairs of {side} x {side}"
    images, others = np.random.default_rng(0).integers(
        0, 256, (2, ROWS, side, side, 3), dtype=np.uint8
    )
    score = partial(getattr(image_scores, name), device=device)
    score(images[:300], others[:300])
    rounds(benchmark, lambda: score(images, others), 1)
