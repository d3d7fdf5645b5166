"""Generating on a Dask cluster: killed workers, Ctrl-C, workers elsewhere, memory, mistakes."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref

import pytest
from conftest import CHECKOUT, REGISTER_TINY
from test_generate import tree

from fdd import FddError, cli
from fdd.folders import cluster, generate, shards
from fdd.releases.cards import RELEASES, Release

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

DYING = """
import os, signal
from pathlib import Path

def dying_replace(source, target, replace=os.replace):
    if Path(target).match({pattern!r}):
        try:
            os.close(os.open({mark}, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = dying_replace
"""
"""A worker's preload: whoever is first to leave a mark dies before it has finished such a file."""


@pytest.fixture(scope="module", autouse=True)
def forked():
    """Workers are forked from one process that has imported Dask, which takes it seconds."""
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        yield


@pytest.fixture
def make(tiny, tmp_path):
    """make(name, count, ...) generates into that folder of tmp_path, 10 images a shard."""

    def make(name="out", count=35, **options):
        options = {"version": "tiny-1", "format": "npy", "shard_rows": 10} | options
        return generate.generate(tmp_path / name, "train", 3, count, **options)

    return make


@pytest.fixture
def cheap(monkeypatch):
    """The release cheap-1, registered: images of four pixels, of which thousands take no time."""
    card = Release("cheap-1", {"train": 25}, size=2, points=9, occupied_percent=1)
    monkeypatch.setitem(RELEASES, card.name, card)
    return card


@pytest.fixture(scope="module")
def scheduler():
    """The address of a scheduler with one worker, both in this process."""
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
    ) as local:
        yield local.scheduler_address


def of_group(group):
    """The processes of a group, without those that have ended and that nobody waits for."""
    found = []
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                found.append(process)
    return found


@pytest.mark.parametrize("format", shards.FORMATS)
def test_a_killed_worker_changes_no_byte(make, tmp_path, format):
    hook, mark = tmp_path / "hook.py", tmp_path / "killed"
    hook.write_text(DYING.format(pattern="shard-00001.*.sha256", mark=repr(str(mark))))
    with dask.config.set({"distributed.worker.preload": [str(hook)]}):
        make(format=format, workers=2)
    assert mark.exists()
    make("serial", format=format, workers=0)
    assert tree(tmp_path / "out") == tree(tmp_path / "serial")
    assert tree(tmp_path / "out").keys() >= {"manifest.json"}


def test_a_shard_that_kills_every_worker_is_given_up(make, tmp_path):
    hook = tmp_path / "hook.py"
    each = f"{str(tmp_path / 'killed')!r} + str(os.getpid())"
    hook.write_text(DYING.format(pattern="shard-*.sha256", mark=each))
    settings = {
        "distributed.worker.preload": [str(hook)],
        "distributed.scheduler.allowed-failures": 0,
    }
    with (
        dask.config.set(settings),
        pytest.raises(
            FddError,
            match=r"^a shard was given up after several workers died while rendering it \(",
        ),
    ):
        make(workers=1)
    assert not [name for name in tree(tmp_path / "out") if name.endswith(".tmp")]
    assert make(workers=0) == (35, 35)


def test_control_c_ends_all_processes_and_the_command_goes_on(make, tmp_path):
    """As a terminal sends it: to the client and to all that it started."""
    program = f"{REGISTER_TINY}\nfrom fdd.cli import main\nraise SystemExit(main())"
    command = [sys.executable, "-c", program, "generate", tmp_path / "out", "--version", "tiny-1"]
    command += ["--start", "3", "--format", "npy", "--shard-rows", "10", "--workers", "2"]
    process = subprocess.Popen(
        [*map(str, command), "--count", "1000000"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        limit = time.monotonic() + 600
        while not list((tmp_path / "out").glob("*.sha256")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < limit
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=600)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, output) == (130, "")
    assert errors == "interrupted; run the same command again to go on\n"
    _, alive = psutil.wait_procs(of_group(process.pid), timeout=300)
    assert alive == []
    files = tree(tmp_path / "out")
    assert not [name for name in files if name.endswith(".tmp")]
    assert "manifest.json" not in files
    assert make()[1] == 35
    make("serial")
    made, serial = tree(tmp_path / "out"), tree(tmp_path / "serial")
    assert {name: made[name] for name in serial} == serial


def test_a_running_scheduler_makes_the_same_folder(make, tmp_path, scheduler):
    for format in shards.FORMATS:
        assert make(format, format=format, scheduler=scheduler) == (35, 35)
        assert make(format, format=format, scheduler=scheduler) == (0, 35)
        make(f"serial {format}", format=format)
        assert tree(tmp_path / format) == tree(tmp_path / f"serial {format}")


def test_what_fails_on_a_worker_is_one_sentence(make, tmp_path, scheduler):
    (tmp_path / "out" / "shard-00001.npy").mkdir(parents=True)
    with pytest.raises(FddError) as error:
        make(scheduler=scheduler)
    folder = str(tmp_path / "out")
    assert str(error.value) == (
        f"folder {folder!r}: it cannot be written (Is a directory); choose another one"
    )


def test_a_worker_that_does_not_see_the_folder_is_named(make, tmp_path):
    """Its own file system lies over the folder's: a mount that no other process sees."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"]).returncode:
        pytest.skip("no rights to make a mount namespace")
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    worker = [sys.executable, "-m", "dask", "worker", "--nthreads", "1", "--no-dashboard"]
    worker += ["--no-nanny", "--local-directory", "/tmp"]
    with distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address="127.0.0.1:0"
    ) as local:
        process = subprocess.Popen(
            [*unshare, "sh", "-c", script, tmp_path, *worker, local.scheduler_address],
            stderr=subprocess.DEVNULL,
        )
        try:
            with pytest.raises(FddError) as error:
                make(scheduler=local.scheduler_address)
        finally:
            process.kill()
            process.wait()
    assert str(error.value) == (
        f"the worker on {os.uname().nodename} does not see folder {str(tmp_path / 'out')!r} as it "
        "is here; choose a folder on a file system that all workers share"
    )


def test_no_scheduler_there(make, tmp_path):
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(FddError) as error,
    ):
        make(scheduler="tcp://127.0.0.1:1")
    assert str(error.value) == (
        "scheduler='tcp://127.0.0.1:1' cannot be reached (Timed out trying to connect to "
        "tcp://127.0.0.1:1 after 1 s); give the address that `dask scheduler` printed"
    )
    assert list(tmp_path.iterdir()) == []


def test_without_dask_it_says_what_to_install_or_does_without(make, cheap, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for options in ({"workers": 2}, {"scheduler": "tcp://127.0.0.1:8786"}):
        with pytest.raises(FddError) as error:
            make(**options)
        assert str(error.value) == ("this needs the package 'distributed': pip install 'fdd[dask]'")
    assert make(version=cheap.name, count=20_000, shard_rows=5000) == (20_000, 20_000)


@pytest.mark.parametrize(
    ("images", "workers", "processes"),
    [(19_999, None, 0), (20_000, None, 3), (20_000, 0, 0), (1, 2, 2)],
)
def test_many_images_start_a_cluster_unless_told(tmp_path, monkeypatch, images, workers, processes):
    started = []

    class Started:
        def __init__(self, *arguments, **options):
            started.append(options.get("n_workers"))

        def close(self):
            pass

    monkeypatch.setattr(distributed, "LocalCluster", Started)
    monkeypatch.setattr(distributed, "Client", Started)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2})
    job = shards.Job(tmp_path, Release("tiny-1", {"train": 25}), "train", "npy", None, 10)
    with cluster.client(job, images, workers, None) as client:
        assert (client is None) == (processes == 0)
    assert started == ([processes, None] if processes else [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "-5"], "count=-5 must be a whole number from 1 to 4611686018427387904"),
        (["--start", "-1"], f"start=-1 must be a whole number from 0 to {2**62}"),
        (["--shard-rows", "0"], "shard_rows=0 must be a whole number from 1 to 1000000"),
        (["--workers", "-1"], "workers=-1 must be a whole number from 0 to 4096"),
        (["--shard", "-1"], "shard=-1 must be a whole number from 0 to 3"),
        (["--shard", "4"], "shard=4 must be a whole number from 0 to 3"),
        (
            ["--scheduler", "host:8786"],
            "scheduler='host:8786' must be the address of a Dask scheduler, such as "
            "tcp://10.0.0.1:8786",
        ),
        (
            ["--workers", "2", "--shard", "0"],
            "workers=2 and shard=0 exclude each other; give one of them",
        ),
        (
            ["--format", "npy", "--palette", "kbc"],
            "palette='kbc': npy shards hold counts, which have none; leave it out",
        ),
        (
            ["--check"],
            "folder 'out' holds no manifest.json, which is written when all else is there; run "
            "the command that generates it to its end first",
        ),
    ],
)
def test_mistakes_are_one_sentence(tiny, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["generate", "out", "--version", "tiny-1", *options]) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_did(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["generate", "out", "--version", "tiny-1", "--count", "25", "--format", "npy"]
    steps = [
        (["--shard", "2"], 0, "5 images in shard 2 of out, 5 of them new\n"),
        (["--workers", "0"], 0, "25 images in out, 20 of them new\n"),
        (["--check"], 0, "out: 3 of 3 shards are as in manifest.json\n"),
    ]
    for options, code, output in steps:
        assert cli.main([*command, *options]) == code
        assert capsys.readouterr() == (output, "")
    (tmp_path / "out" / "shard-00002.npy").unlink()
    assert cli.main(["generate", "out", "--check"]) == 1
    report = "out: 2 of 3 shards are as in manifest.json\n  shard-00002.npy: it is missing\n"
    assert capsys.readouterr() == (report, "")


def test_the_cluster_holds_a_window_of_shards(tiny, tmp_path, scheduler, monkeypatch):
    held, most, submit = weakref.WeakSet(), [], distributed.Client.submit

    def counting(*arguments, **options):
        future = submit(*arguments, **options)
        held.add(future)
        most.append(len(held))
        return future

    monkeypatch.setattr(distributed.Client, "submit", counting)
    job = shards.Job(tmp_path, tiny, "train", "npy", None, 10)
    tasks = ((shards.Shard(row, 10), []) for row in range(0, 1000, 10))
    with cluster.client(job, 1000, None, scheduler) as client:
        assert cluster.run(client, job, tasks, lambda rows: None, window=7) == 1000
    assert len(most) == 100
    assert max(most) <= 7 + 2  # and the one whose result is being read


PEAKS = """
import os, sys, tracemalloc
from fdd.folders import generate
from fdd.releases.cards import RELEASES, Release

RELEASES["cheap-1"] = Release("cheap-1", {"train": 25}, size=2, points=9, occupied_percent=1)

if hasattr(os, "sched_setaffinity"):  # each thread has working memory, which would come by chance
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

def make(count):
    folder = f"{sys.argv[1]}/{count}"
    generate.generate(folder, count=count, version="cheap-1", shard_rows=30, workers=0)

make(60)  # loads what all of them need
for count in (300, 3000):
    tracemalloc.start()
    make(count)
    print(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


def test_memory_does_not_grow_with_the_number_of_images(run_python, tmp_path):
    code, output, errors = run_python("-c", PEAKS, tmp_path)
    assert code == 0, errors
    few, many = map(int, output.split())
    assert many < few + 300_000  # buffers fill up; a list of the rows would be 0.6 MB
    for count in (300, 3000):
        lines = (tmp_path / str(count) / "params.csv").read_text().splitlines()
        assert len(lines) == count + 1
