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
    """What a reader must know about a score.

    title: its name in tables. asks: its question, one sentence. best: its best value; 0 where less
    is better, infinity where there is no largest one. near: values beyond the best are worse again.
    each: it is given for each parameter, and as their mean. ends: the smallest and the largest
    value that it can have.
    """

    title: str
    asks: str
    best: float = 1.0
    near: bool = False
    each: bool = False
    ends: tuple[float, float] = (0.0, 1.0)

    @property
    def goal(self) -> str:
        """The best value and which way it lies, in one sentence."""
        if isinf(self.best):
            return "More is better, without limit."
        way = "nearer" if self.near else "less" if self.less_is_better else "more"
        return f"Best {self.best:g}; {way} is better."

    @property
    def less_is_better(self) -> bool:
        """Whether the best value is the smallest one."""
        return self.best == 0

    def loss(self, values: ArrayLike) -> Floats:
        """Values of this score as losses, of which less is always better; in the same shape."""
        found = np.asarray(values, dtype=np.float64)
        if self.near:
            return np.abs(found - self.best)
        return found if self.less_is_better else -found

    def interval(self, low: float, high: float) -> tuple[float, float]:
        """The part of an interval that this score can reach.

        >>> Description("R2", "", ends=(-inf, 1.0)).interval(-0.1, 1.02)
        (-0.1, 1.0)
        """
        least, most = self.ends
        return min(max(low, least), most), min(max(high, least), most)

    @property
    def bounded(self) -> bool:
        """Whether it lies on a scale that ends at 1."""
        return self.best == 1 and not self.near

    def written(self, value: float, decimals: int = 3) -> str:
        """A value of this score as text: that many decimals, or three digits if tiny or large."""
        size = abs(value)
        if size == 0 or 0.01 <= size < 10 or (self.bounded and size < 1e6):
            return f"{round(value, decimals) + 0:.{decimals}f}"  # + 0 makes -0.0 a plain 0.0
        return f"{value:.0f}" if 1000 <= size < 1e6 else f"{value:.3g}"


R2 = (-inf, 1.0)
CORRELATION = (-1.0, 1.0)
UNLIMITED = (0.0, inf)
"""Ends of scores that are no shares."""


@dataclass(frozen=True)
class Question:
    """A section of a report: its title, what to know before reading, its scores in order."""

    title: str
    note: str
    scores: dict[str, Description]


QUESTIONS: dict[str, Question] = {
    "read": Question(
        "What can be read from the codes?",
        "Fitted on train images, scored on test images. a' = |a| and b' = sign(a) b are what is "
        "identifiable of a and b, since (a, b) and (-a, -b) draw the same attractor; signed a and "
        "b and the starting point x0, y0 leave next to no trace in an image. The magnitudes |a|, "
        "|b|, |c|, |d| and the signs of ab, c and d are the two halves of a', b', c, d.",
        {
            "linear_r2": Description(
                "R2, linear",
                "What share of a parameter's variance does least squares predict from new codes?",
                each=True,
                ends=R2,
            ),
            "nonlinear_r2": Description(
                "R2, kernel ridge",
                "What share does kernel ridge regression predict, which follows smooth curves?",
                each=True,
                ends=R2,
            ),
            "boosting_r2": Description(
                "R2, gradient boosting",
                "What share do gradient-boosted trees predict, which split one code at a time?",
                each=True,
                ends=R2,
            ),
            "neighbours_r2": Description(
                "R2, k-NN",
                "What share does the mean of the ten train images with the nearest codes predict?",
                each=True,
                ends=R2,
            ),
            "infoe": Description(
                "InfoE, explicitness",
                "What share is linear in the codes, where a parameter that is not read counts 0?",
            ),
            "params_to_codes_r2": Description(
                "R2, parameters to codes",
                "What share of the codes' own variance is linear in the parameters?",
                ends=R2,
            ),
        },
    ),
    "single": Question(
        "Do single codes stand for single parameters?",
        "These scores ask for one code for each parameter, so a rotation of perfect codes lowers "
        "them. DCI covers the parameters that gradient boosting predicts; R2, gradient boosting, "
        "is its informativeness. Its chance is what the accidental importances of fits to permuted "
        "parameters give: they look rather disentangled, so codes that share what they know can "
        "lie below it.",
        {
            "mcc": Description(
                "MCC",
                "Each parameter is matched with its own code: how strongly do the two correlate?",
            ),
            "mcc_spearman": Description(
                "MCC, Spearman",
                "How strongly do they correlate by rank, so that any monotonic code will do?",
            ),
            "mcc_affine": Description(
                "MCC, affine",
                "How strongly do they correlate after the best linear map of the codes?",
            ),
            "mcc_weak": Description(
                "MCC, weak",
                "How strongly do they correlate once canonical correlation has aligned both?",
            ),
            "dci_disentanglement": Description(
                "DCI disentanglement", "Does each code help to predict one parameter only?"
            ),
            "dci_completeness": Description(
                "DCI completeness", "Is each parameter predicted from one code only?"
            ),
            "dci_explicitness": Description(
                "DCI explicitness",
                "Does a small probe suffice to predict the parameters?",
                ends=CORRELATION,
            ),
            "infom": Description(
                "InfoM, modularity",
                "Does each code have information, in 5 bins, about one parameter only?",
            ),
            "infoc": Description(
                "InfoC, compactness",
                "Is the information, in 5 bins, about a parameter in one code only?",
            ),
            "sap": Description(
                "SAP",
                "How far is a parameter's best code ahead of the second, in squared correlation?",
            ),
            "mi_gap": Description(
                "Mutual information gap",
                "How far is a parameter's best code ahead, in mutual information in nats?",
                best=inf,
                ends=UNLIMITED,
            ),
        },
    ),
    "geometry": Question(
        "Is the geometry the same?",
        "The two spaces are compared as wholes; a rotation costs nothing.",
        {
            "cka": Description(
                "CKA, linear",
                "Are images as similar by their codes as they are by their parameters?",
                ends=CORRELATION,
            ),
            "cka_rbf": Description(
                "CKA, RBF",
                "Are nearby images as similar by both, with a Gaussian kernel on whitened codes?",
                ends=CORRELATION,
            ),
            "cca": Description(
                "CCA",
                "How well do directions of codes match directions of parameters, on new images?",
                ends=CORRELATION,
            ),
            "svcca": Description(
                "SVCCA",
                "How well do the main directions match, on the images they were found on?",
            ),
            "pwcca": Description(
                "PWCCA",
                "How well do directions match when those that hold more of the codes count more?",
            ),
            "orthogonality": Description(
                "Orthogonality",
                "Are parameters read, linearly, along directions that are at right angles?",
            ),
            "rsa": Description(
                "RSA",
                "Do distances between codes rank pairs of images as those between parameters do?",
                ends=CORRELATION,
            ),
            "distance_correlation": Description(
                "Distance correlation",
                "Do codes and parameters depend on each other in any way at all?",
                ends=CORRELATION,
            ),
            "procrustes": Description(
                "Procrustes disparity",
                "How much do codes and parameters differ after the best shift, scale and rotation?",
                best=0.0,
            ),
            "knn_overlap": Description(
                "k-NN overlap",
                "What share of the ten nearest neighbours is the same by codes and by parameters?",
            ),
            "trustworthiness": Description(
                "Trustworthiness",
                "Are neighbours by codes also neighbours by parameters?",
            ),
            "continuity": Description(
                "Continuity", "Are neighbours by parameters also neighbours by codes?"
            ),
        },
    ),
    "old": Question(
        "Old disentanglement scores, for comparison",
        "Older papers report them. MIG and modularity change with the number of bins; IRS, "
        "FactorVAE and BetaVAE are high for entangled codes too. Nothing here is decided by them.",
        {
            "mig": Description(
                "MIG",
                "How far is a parameter's best code ahead, in mutual information over 20 bins?",
            ),
            "modularity": Description(
                "Modularity",
                "Does a code depend on one parameter only, in 20 bins? Noise scores high too.",
            ),
            "irs": Description(
                "IRS", "Does a code stay put when all parameters but one change?", ends=R2
            ),
            "factor_vae": Description(
                "FactorVAE score",
                "Does the code that moves least tell which parameter is held fixed?",
            ),
            "beta_vae": Description(
                "BetaVAE score",
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
                "SSIM",
                "How similar are G's image and FD(v) in the structure of small windows?",
                ends=CORRELATION,
            ),
            "ms_ssim": Description(
                "MS-SSIM", "How similar are they in structure at several scales?"
            ),
            "counts_correlation": Description(
                "Rank correlation with counts",
                "Do the colours of G's image rank the pixels as the counts behind FD(v) do?",
                ends=CORRELATION,
            ),
            "oracle_r2": Description(
                "Oracle R2",
                "What share of v's variance does the oracle read from G's image?",
                each=True,
                ends=R2,
            ),
            "step_cosine": Description(
                "Step cosine similarity",
                "Does a small step in v change G's image in the pixels that it changes in FD's?",
                ends=CORRELATION,
            ),
            "step_sensitivity": Description(
                "Step-size rank correlation",
                "Does G's image change most for those v for which FD's does?",
                ends=CORRELATION,
            ),
            "step_gain": Description(
                "Median step-size ratio",
                "How large is the change of G's image, as a multiple of the change of FD's?",
                near=True,
                ends=UNLIMITED,
            ),
            "top1": Description(
                "Retrieval at 1", "How often is FD(v) the test image nearest to G's image?"
            ),
            "top10": Description(
                "Retrieval at 10",
                "How often is FD(v) among the ten test images nearest to G's image?",
            ),
            "mean_reciprocal_rank": Description(
                "Mean reciprocal rank (MRR)",
                "What is the mean of 1 / rank of FD(v), by distance from G's image?",
            ),
            "top1_turned": Description(
                "Retrieval at 1, up to symmetry",
                "How often is FD(v), or FD(v) rotated by 180 degrees, the nearest?",
            ),
            "top10_turned": Description(
                "Retrieval at 10, up to symmetry",
                "How often is FD(v), or FD(v) rotated, among the ten nearest?",
            ),
            "mean_reciprocal_rank_turned": Description(
                "MRR, up to symmetry",
                "What is the mean of 1 / rank of the nearer of FD(v) and FD(v) rotated?",
            ),
        },
    ),
    "samples": Question(
        "Samples",
        "The generator's own images as a set against as many test images; the ceiling is what "
        "train images get, chance what images of random pixels get, and a bad generator may do "
        "worse. p same: the share of random splits of generated and test images into two sets that "
        "are at least as far apart; it is small where generated images differ. FDD-FID, FDD-KID, "
        "precision, recall, density and coverage are taken in the features of the oracle, so they "
        "are not comparable with those of photographs.",
        {
            "fdd_fid": Description(
                "FDD-FID",
                "How far apart are mean and covariance of generated and real images?",
                best=0.0,
                ends=UNLIMITED,
            ),
            "fdd_kid": Description(
                "FDD-KID",
                "How far apart are they by a kernel, without the bias of small sets?",
                best=0.0,
                ends=(-inf, inf),
            ),
            "fdd_precision": Description(
                "Precision", "What share of the generated images lies among real ones?"
            ),
            "fdd_recall": Description(
                "Recall", "What share of the real images lies among generated ones?"
            ),
            "fdd_density": Description(
                "Density",
                "How densely do real images surround generated ones, compared with real ones?",
                near=True,
                ends=UNLIMITED,
            ),
            "fdd_coverage": Description(
                "Coverage", "What share of the real images has a generated one nearby?"
            ),
            "random_fid": Description(
                "FID, random network",
                "A control: the FID in features of a network with random weights.",
                best=0.0,
                ends=UNLIMITED,
            ),
            "pca_fid": Description(
                "FID, pixel PCA",
                "A control: the FID in principal components of the pixels.",
                best=0.0,
                ends=UNLIMITED,
            ),
        },
    ),
    "pairing": Question(
        "Does each image get its own translation?",
        "x is an image of domain A, T(x) its true translation, G(x) the model's; y and F(y) are "
        "those of the other way. Chance is what images of other rows get. x itself and the mean "
        "image are floors, too: what a copy gets, and what needs no x. The ceiling is what the "
        "same networks get that were shown pairs.",
        {
            "translated_top1": Description(
                "Retrieval at 1 of T(x)",
                "How often is T(x) the nearest of all translations to G(x)?",
            ),
            "translated_top10": Description(
                "Retrieval at 10 of T(x)",
                "How often is T(x) among the ten nearest translations to G(x)?",
            ),
            "translated_l1": Description(
                "L1 to the truth",
                "What is the mean absolute difference of G(x) and T(x), of 1 for black and white?",
                best=0.0,
            ),
            "translated_ssim": Description(
                "SSIM to the truth",
                "How similar are G(x) and T(x) in the structure of small windows?",
                ends=CORRELATION,
            ),
            "inverted": Description(
                "Inverted colours",
                "In what share of pictures do colours rank the cells the wrong way round?",
                best=0.0,
            ),
            "permuted": Description(
                "Permuted content",
                "What share of images comes back as itself although T(x) is not nearest to G(x)?",
                best=0.0,
            ),
        },
    ),
    "hidden": Question(
        "Is something hidden in the translations?",
        "e is the L1 of x and of what F makes of an image that stands for it, and H is 1 - e / "
        "e_honest, where e_honest is that of the same network trained on true pairs, of T(x). H is "
        "0 for an honest F and 1 where nothing is lost. What is hidden in G(x) is gone where T(x) "
        "or a binarised G(x) takes its place, and fades with noise on it.",
        {
            "cycle_l1": Description(
                "L1 of the cycle",
                "What is the mean absolute difference of x and what F makes of its stand-in?",
                best=0.0,
            ),
            "hidden": Description(
                "Hidden information, H",
                "What share of the honest error does F save by what it sees in the stand-in?",
                best=0.0,
                ends=(-inf, 1.0),
            ),
        },
    ),
}

DESCRIPTIONS = {k: d for question in QUESTIONS.values() for k, d in question.scores.items()}
"""All scores by name, in the order of a report."""


def description_of(score: str) -> Description:
    """The description of a score; of one that the protocol does not have, more is better."""
    return DESCRIPTIONS.get(score, Description(score, "", best=inf, ends=(-inf, inf)))


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

LADDER: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("kernel R2", "magnitudes", ("nonlinear_r2", "magnitudes", "mean")),
    ("kernel R2", "signs", ("nonlinear_r2", "signs", "mean")),
    ("kernel R2", "canonical", ("nonlinear_r2", "canonical", "mean")),
    ("MCC", "canonical", ("mcc", "canonical")),
)
"""The same of the table of tracks: how far up a model has come, from magnitudes to single codes."""
