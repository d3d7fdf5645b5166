"""What each score asks, in one plain sentence, and where a report shows it.

A score that is added to the protocol gets an entry under one of the QUESTIONS.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isinf

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.statistics.arrays import Floats


@dataclass(frozen=True)
class Description:
    """What a reader must know of a score.

    title: its name in tables. asks: one sentence. best: its best value; 0 where less is better,
    infinity where there is no largest one. near: more than the best is worse, too. each: it is
    given for each parameter, and as their mean.
    """

    title: str
    asks: str
    best: float = 1.0
    near: bool = False
    each: bool = False

    @property
    def goal(self) -> str:
        """The best value, and which way it lies, as a sentence."""
        if isinf(self.best):
            return "More is better, without limit."
        way = "nearer" if self.near else "less" if self.less_is_better else "more"
        return f"Best {self.best:g}; {way} is better."

    @property
    def less_is_better(self) -> bool:
        """Whether the best value is the smallest one."""
        return self.best == 0

    def loss(self, values: ArrayLike) -> Floats:
        """Values of it as numbers of which less is always better, in their shape."""
        found = np.asarray(values, dtype=np.float64)
        if self.near:
            return np.abs(found - self.best)
        return found if self.less_is_better else -found

    @property
    def bounded(self) -> bool:
        """Whether it lies on a scale that ends at 1."""
        return self.best == 1 and not self.near

    def written(self, value: float, decimals: int = 3) -> str:
        """A value of it: so many decimals, or three digits where it is tiny or large."""
        size = abs(value)
        if size == 0 or 0.01 <= size < 10 or (self.bounded and size < 1e6):
            return f"{round(value, decimals) + 0:.{decimals}f}"  # + 0 makes -0.0 a plain 0.0
        return f"{value:.0f}" if 1000 <= size < 1e6 else f"{value:.3g}"


@dataclass(frozen=True)
class Question:
    """A section of a report: its title, what to know before reading, its scores in order."""

    title: str
    note: str
    scores: dict[str, Description]


QUESTIONS: dict[str, Question] = {
    "read": Question(
        "What can be read from the codes?",
        "Fitted on train images, scored on test images. a' = |a| and b' = sign(a) b are what an "
        "image can tell of a and b, since (a, b) and (-a, -b) draw the same attractor; signed a "
        "and b and the starting point x0, y0 leave next to no trace in an image.",
        {
            "linear_r2": Description(
                "R2, linear",
                "Which share of a parameter's variance does least squares read from new codes?",
                each=True,
            ),
            "nonlinear_r2": Description(
                "R2, kernel",
                "Which share does kernel ridge regression read, which follows smooth bends?",
                each=True,
            ),
            "boosting_r2": Description(
                "R2, boosting",
                "Which share do gradient-boosted trees read, which cut the codes one at a time?",
                each=True,
            ),
            "neighbours_r2": Description(
                "R2, neighbours",
                "Which share does the mean of the ten train images with the nearest codes tell?",
                each=True,
            ),
            "params_to_codes_r2": Description(
                "R2 of the codes",
                "Which share of the codes' own variance is linear in the parameters?",
            ),
        },
    ),
    "single": Question(
        "Do single codes stand for single parameters?",
        "One code for each parameter is asked for, so a rotation of perfect codes costs them. DCI "
        "counts the parameters that gradient boosting reads; R2, boosting, is its informativeness. "
        "Its chance is how the accidental importances of fits to permuted parameters look: rather "
        "disentangled, so that codes which share what they know lie below it.",
        {
            "mcc": Description(
                "MCC",
                "Each parameter is given one code of its own: how strongly do the two correlate?",
            ),
            "mcc_spearman": Description(
                "MCC of ranks",
                "How strongly do they correlate by rank, so that a code may be bent?",
            ),
            "mcc_affine": Description(
                "MCC, affine",
                "How strongly do they correlate after the best linear map of the codes?",
            ),
            "mcc_weak": Description(
                "MCC, weak",
                "How strongly do they correlate once canonical correlation has turned both?",
            ),
            "dci_disentanglement": Description(
                "DCI disentanglement", "Does a code serve the prediction of one parameter only?"
            ),
            "dci_completeness": Description(
                "DCI completeness", "Is a parameter predicted from one code only?"
            ),
            "dci_explicitness": Description(
                "DCI explicitness", "Does a small probe suffice to predict the parameters?"
            ),
            "sap": Description(
                "SAP",
                "How far is a parameter's best code ahead of its second, in squared correlation?",
            ),
            "mi_gap": Description(
                "MI gap",
                "How far is it ahead in mutual information, in nats?",
                best=inf,
            ),
        },
    ),
    "geometry": Question(
        "Is the geometry the same?",
        "The two spaces are compared as wholes; a rotation costs nothing.",
        {
            "cka": Description(
                "CKA, linear", "Are images as alike by their codes as they are by their parameters?"
            ),
            "cka_rbf": Description(
                "CKA, local",
                "Are near images as alike by both, with a Gaussian kernel on whitened codes?",
            ),
            "cca": Description(
                "CCA",
                "How well do directions of codes match directions of parameters, on new images?",
            ),
            "svcca": Description(
                "SVCCA",
                "How well do the main directions match, on the images that they were found on?",
            ),
            "pwcca": Description(
                "PWCCA",
                "How well do directions match when those that hold more of the codes count more?",
            ),
            "rsa": Description(
                "RSA",
                "Do distances between codes rank pairs of images as distances of parameters do?",
            ),
            "distance_correlation": Description(
                "Distance correlation",
                "Do codes and parameters depend on each other in any way at all?",
            ),
            "procrustes": Description(
                "Procrustes",
                "How much do codes and parameters differ after the best shift, scale and rotation?",
                best=0.0,
            ),
            "knn_overlap": Description(
                "Neighbours shared",
                "Which share of the ten nearest images is the same by codes and by parameters?",
            ),
            "trustworthiness": Description(
                "Trustworthiness",
                "Are images that are neighbours by their codes neighbours in truth?",
            ),
            "continuity": Description(
                "Continuity", "Are images that are neighbours in truth neighbours by their codes?"
            ),
        },
    ),
    "old": Question(
        "Old disentanglement scores, for comparison",
        "They stand in older papers. MIG and modularity move with the number of bins; IRS, "
        "FactorVAE and BetaVAE are high for entangled codes too. Nothing is decided by them here.",
        {
            "mig": Description(
                "MIG",
                "How far is a parameter's best code ahead, in mutual information of 20 bins?",
            ),
            "modularity": Description(
                "Modularity",
                "Does a code inform about one parameter only, in 20 bins? Noise scores high too.",
            ),
            "irs": Description(
                "IRS",
                "Does a code stay put when all parameters but one change?",
            ),
            "factor_vae": Description(
                "FactorVAE",
                "Does the code that moves least tell which parameter is held fixed?",
            ),
            "beta_vae": Description(
                "BetaVAE",
                "Does a linear classifier of codes tell which parameter is held fixed?",
            ),
        },
    ),
    "generator": Question(
        "Generator against renderer",
        "G's image for v against FD(v), on test images. Direct, G(v): the code that stands for v "
        "in this model. Aligned, G(Mv + b): codes by a linear map of v, fitted on train images. "
        "Reconstruction, G(E(FD(v))): the code that the encoder gives FD(v). The ceiling is FD "
        "itself from another starting point.",
        {
            "ssim": Description(
                "SSIM", "How alike are G's image and FD(v) in the structure of small windows?"
            ),
            "ms_ssim": Description("MS-SSIM", "How alike are they in structure at several scales?"),
            "counts_correlation": Description(
                "Density in rank",
                "Do the colours of G's image rank the pixels as the counts behind FD(v) do?",
            ),
            "oracle_r2": Description(
                "R2 of the oracle",
                "Which share of v's variance does the oracle read from G's image?",
                each=True,
            ),
            "step_cosine": Description(
                "Step, where",
                "Does a small step in v change G's image in the pixels that it changes in FD's?",
            ),
            "step_sensitivity": Description(
                "Step, when", "Does G's image change most for those v for which FD's does?"
            ),
            "step_gain": Description(
                "Step, size",
                "How large is the change of G's image, as a multiple of the change of FD's?",
                near=True,
            ),
            "top1": Description(
                "Found first", "How often is FD(v) the test image nearest to G's image?"
            ),
            "top10": Description(
                "Found in ten", "How often is FD(v) among the ten test images nearest to G's image?"
            ),
            "mean_reciprocal_rank": Description(
                "Mean 1/rank",
                "What is the mean of 1 / rank of FD(v), by distance from G's image?",
            ),
            "top1_turned": Description(
                "Found first, turned",
                "How often is FD(v), or FD(v) turned by 180 degrees, the nearest?",
            ),
            "top10_turned": Description(
                "Found in ten, turned",
                "How often is FD(v), or FD(v) turned, among the ten nearest?",
            ),
            "mean_reciprocal_rank_turned": Description(
                "Mean 1/rank, turned",
                "What is the mean of 1 / rank of FD(v), or of FD(v) turned?",
            ),
        },
    ),
    "samples": Question(
        "Samples",
        "The generator's own images as a set against as many test images; the ceiling is what "
        "train images get, chance what images of random pixels get; a bad generator may do worse. "
        "p same: the share of random deals of made and test images into two sets that are as far "
        "apart, small where made images differ. FDD-FID, FDD-KID, precision, recall, "
        "density and coverage are taken in the features of the oracle, so they do not compare with "
        "those of photographs.",
        {
            "fdd_fid": Description(
                "FDD-FID",
                "How far apart are mean and covariance of made and real images?",
                best=0.0,
            ),
            "fdd_kid": Description(
                "FDD-KID",
                "How far apart are they by a kernel, without the bias of small sets?",
                best=0.0,
            ),
            "fdd_precision": Description(
                "Precision", "Which share of the made images lies among real ones?"
            ),
            "fdd_recall": Description(
                "Recall", "Which share of the real images lies among made ones?"
            ),
            "fdd_density": Description(
                "Density",
                "How densely do real images lie around made ones, beside around real ones?",
                near=True,
            ),
            "fdd_coverage": Description(
                "Coverage", "Which share of the real images has a made one nearby?"
            ),
            "random_fid": Description(
                "FID, random network",
                "A control: the FID in features of a network with random weights.",
                best=0.0,
            ),
            "pca_fid": Description(
                "FID, pixels", "A control: the FID in principal components of the pixels.", best=0.0
            ),
        },
    ),
}

DESCRIPTIONS = {k: d for question in QUESTIONS.values() for k, d in question.scores.items()}
"""All scores by name, in the order of a report."""


def description_of(score: str) -> Description:
    """The description of a score; of one that the protocol does not have, more is better."""
    return DESCRIPTIONS.get(score, Description(score, "", best=inf))


HEADLINE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("codes", "linear R2", ("linear_r2", "canonical", "mean")),
    ("codes", "kernel R2", ("nonlinear_r2", "canonical", "mean")),
    ("codes", "MCC", ("mcc", "canonical")),
    ("G(v)", "SSIM", ("ssim", "direct")),
    ("G(v)", "oracle R2", ("oracle_r2", "direct", "mean")),
    ("G(Mv + b)", "SSIM", ("ssim", "aligned")),
    ("G(Mv + b)", "oracle R2", ("oracle_r2", "aligned", "mean")),
    ("samples", "FDD-FID", ("fdd_fid", "samples")),
)
"""Columns of the first table: what they are of, their heads, and where they are in the scores."""
