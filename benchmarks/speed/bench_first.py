"""What a newcomer waits for: the import, the first image of a machine, the first accepted images.

    python -m pytest benchmarks/speed/bench_first.py --benchmark-columns=min,median,rounds

Each process of "the first image" has an empty cache of compiled code. Its peer is the least that
numba can be asked for: one function that adds 1.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

import fdd
from fdd.releases.cards import release
from fdd.releases.sampling import draw
from fdd.rendering.cpu import count_groups

VECTOR = [0.1, 0.1, -2.0, -1.5, -2.6, 0.9]
FIRST = {
    "fdd": f"import fdd; fdd.render({VECTOR})",
    "numba": "import numba; numba.njit(lambda x: x + 1)(1)",
}
IMPORT = {"fdd": "import fdd", "numpy": "import numpy", "python": "pass"}
IMAGES = {"fdd-1": 512, "mini-1": 8192}


def run(program, cache):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


@pytest.mark.benchmark(group="the first image of a machine, one process")
@pytest.mark.parametrize("name", FIRST)
def test_first_image(benchmark, name, tmp_path_factory):
    benchmark.pedantic(
        run,
        setup=lambda: ((FIRST[name], tmp_path_factory.mktemp("cache")), {}),
        rounds=3,
    )


@pytest.mark.benchmark(group="an import, one process")
@pytest.mark.parametrize("name", IMPORT)
def test_import(benchmark, name, tmp_path):
    benchmark.pedantic(run, args=(IMPORT[name], tmp_path), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("how", ["selected", "given"])
@pytest.mark.parametrize("version", IMAGES)
def test_accepted(benchmark, version, how):
    """Images that a release accepts, from candidates, and as many from given vectors."""
    card, n = release(version), IMAGES[version]
    benchmark.group = f"{n} images of {version} with their counts, one core"
    counts = np.empty((n, card.size, card.size), np.uint16)
    params = fdd.sample_params(n, "test", version=version)

    def keep(rows, found, degenerate):
        counts[rows] = found

    def select():
        draw(card, "test", 0, n, counts, 1)

    def render():
        count_groups(card.drawing("counts"), params, keep, 1)

    benchmark.pedantic(select if how == "selected" else render, rounds=5, warmup_rounds=1)
