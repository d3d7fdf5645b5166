"""What scoring a model takes: the whole protocol on mini-1, and the helps of the commands.

    python -m pytest benchmarks/speed/bench_protocol.py --benchmark-columns=min,median,rounds

Of the protocol the times are processor seconds, with what the oracle reads kept from the first
round on; of the helps they are by the clock.
"""

import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from baselines import aae
from benchmarks.correspondence import Options, score_run

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import torch'": ["-c", "import torch"],
    "fdd --help": ["-m", "fdd", "--help"],
    "baselines.aae --help": ["-m", "baselines.aae", "--help"],
    "benchmarks.correspondence --help": ["-m", "benchmarks.correspondence", "--help"],
}
BUSY = "while True: pass"


def processor_seconds():
    """Of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(*words):
    subprocess.run(
        [sys.executable, *map(str, words)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def busy(count):
    """So many processes that compute beside."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "aae"
    assert aae.main(["--preset", "mini", "--steps", "100", "--out", str(out)]) == 0
    python("-m", "benchmarks.correspondence", out, "--images", 40)
    return out


@pytest.mark.benchmark(group="the protocol on mini-1, processor seconds", timer=processor_seconds)
@pytest.mark.parametrize("beside", [0, len(os.sched_getaffinity(0))], ids="beside {} others".format)
@pytest.mark.parametrize("processes", [1, 2], ids="processes={}".format)
def test_protocol(benchmark, run, processes, beside):
    score = ["-m", "benchmarks.correspondence", run, "--processes", processes]
    with busy(beside):
        benchmark.pedantic(python, args=score, rounds=1, warmup_rounds=0)


@pytest.mark.benchmark(group="the protocol on mini-1, in this process", timer=time.process_time)
def test_parts(benchmark, run, tmp_path):
    """The whole, and in extra_info (--benchmark-json=FILE) what each part takes of it."""
    spent, ends = {}, [time.process_time()]

    def tell(name, done, of):
        ends.append(time.process_time())
        name = name or "before the next parts"
        spent[name] = spent.get(name, 0) + ends[-1] - ends[-2]

    options = Options(str(run), out=tmp_path, processes=1)
    benchmark.pedantic(score_run, args=(options, tell), rounds=1)
    benchmark.extra_info.update(sorted(spent.items(), key=lambda part: -part[1]))


@pytest.mark.benchmark(group="a help, one process")
@pytest.mark.parametrize("name", COMMANDS)
def test_help(benchmark, name):
    benchmark.pedantic(python, args=COMMANDS[name], rounds=5, warmup_rounds=1)
