"""Compiles what several files of tests need, once for all their processes.

Of a family that is not compiled, each would draw its first images by the slow reference, and begin
to compile beside that.
"""

import numpy as np

from benchmarks import scores
from benchmarks.codes.similarity import rank_table
from benchmarks.images.pooled import prdc_null
from benchmarks.statistics import permutation
from fdd.attractors.families import FAMILIES
from fdd.attractors.params import uniform_params
from fdd.releases.sampling import sample_params
from fdd.rendering import cpu, periods, shading, uncompiled
from fdd.rendering.drawing import Drawing

POINTS = 1000


def renderers():
    cpu.compile_for("fractal_dream", 128, 60000)  # and what selects among its candidates
    sample_params(1)  # these first: whoever collects the tests beside this needs them
    rows = uncompiled.MOST_POINTS // POINTS + 1  # more than are drawn without compiled code
    for name in FAMILIES:
        cpu.render_cpu(Drawing(name, 128, POINTS), uniform_params(rows, name))
    cpu.compile_for("fractal_dream", 300, 70_000)  # and what draws large images of many points
    periods.periods(uniform_params(60), POINTS)
    for kind in (np.uint16, np.uint32):
        shading.gray(np.ones((1, 2, 2), kind))


def of_codes():
    codes = uniform_params(60)
    scores.nonlinear_r2(codes, codes, test=(codes, codes), regressor="boosting")
    scores.mi_gap(codes, codes)
    scores.infom(codes, codes)
    scores.trustworthiness(codes, codes)
    prdc_null(codes, codes, draws=1)
    permutation.pairs_floor(scores.rsa, codes, codes, of_codes=rank_table, of_params=rank_table)


if __name__ == "__main__":
    renderers()
    of_codes()
