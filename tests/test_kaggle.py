"""What is published on Kaggle is found attached, cached, or downloaded by the real kagglehub."""

import contextlib
import errno
import logging
import random
import shutil
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from kaggle_downloads import HANDLE, serving, zipped

from fdd import FddError
from fdd.data.kaggle import find

FILES = {"a, b.txt": b"one", "in/c.txt": b"two" * 1000}
SOURCE = f"kaggle:{HANDLE}"


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A Kaggle with one data set; whatever is not in its folders must stay as it is."""
    with serving(tmp_path) as server:
        server.lead_here(monkeypatch)
        server.archives[HANDLE] = zipped(FILES)
        yield server


@pytest.fixture
def refused(kaggle):
    """refused(message): find says that one sentence, and nothing is kept."""

    def check(message):
        with pytest.raises(FddError) as error:
            find(SOURCE)
        assert str(error.value) == message.format(cache=cache(kaggle))
        assert not list(cache(kaggle).glob("versions/*/*"))
        assert not list(cache(kaggle).glob("*.complete"))

    return check


def cache(kaggle):
    return Path(kaggle.environment["KAGGLEHUB_CACHE"]) / "datasets" / HANDLE


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def no_kagglehub(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)


@pytest.mark.parametrize(
    ("source", "version", "handle"),
    [
        ("kaggle", "fdd-1", "fractal-dream/fractal-dream-fdd-1"),
        ("kaggle", "mini", "fractal-dream/fractal-dream-mini-1"),
        ("kaggle-2019", "fdd-1", "lgoareguer/fractal-dream-dataset"),
        ("kaggle:some-body/a_copy-2", "fdd-1", "some-body/a_copy-2"),
    ],
)
def test_what_a_source_stands_for(kaggle, source, version, handle):
    kaggle.archives[handle] = zipped(FILES)
    assert contents(find(source, version)) == FILES
    assert kaggle.asked[0] == f"GetDataset {handle}"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "Kaggle",
        "kaggle:",
        "kaggle:a",
        "kaggle:a/b/c",
        "kaggle:../..",
        "kaggle:a/..",
        "kaggle:/b",
        "kaggle:a/b\n",
        "kaggle:a/é",
        "kaggle:a/b?c",
        "kaggle:a\\b/c",
        3,
        None,
    ],
)
def test_an_unknown_source_is_refused(kaggle, source):
    with pytest.raises(FddError) as error:
        find(source)
    assert str(error.value) == (
        f"source={source!r} is not known; choose kaggle, kaggle-2019 or kaggle:OWNER/SLUG"
    )
    assert kaggle.asked == []


def test_an_unknown_version_is_refused():
    with pytest.raises(
        FddError, match=r"^version='fdd-9' is not known \(did you mean fdd-1\?\); choose"
    ):
        find("kaggle", "fdd-9")


@pytest.mark.parametrize("place", [HANDLE.partition("/")[2], f"datasets/{HANDLE}"])
def test_an_attached_input_is_found_without_kagglehub(kaggle, monkeypatch, place):
    no_kagglehub(monkeypatch)
    folder = Path(kaggle.environment["KAGGLE_CACHE_MOUNT_FOLDER"]) / place
    folder.mkdir(parents=True)
    assert find(SOURCE) == folder
    assert kaggle.asked == []


def test_the_attached_input_of_the_right_owner_comes_first(kaggle):
    mount = Path(kaggle.environment["KAGGLE_CACHE_MOUNT_FOLDER"])
    folders = [mount / HANDLE.partition("/")[2], mount / "datasets" / HANDLE]
    for folder in folders:
        folder.mkdir(parents=True)
    assert find(SOURCE) == folders[1]


def test_an_input_is_looked_for_where_kaggle_mounts_it(monkeypatch):
    monkeypatch.delenv("KAGGLE_CACHE_MOUNT_FOLDER", raising=False)
    monkeypatch.setattr(Path, "is_dir", lambda path: path == Path("/kaggle/input/slug"))
    assert find("kaggle:owner/slug") == Path("/kaggle/input/slug")


def test_a_data_set_is_downloaded_once(kaggle, monkeypatch):
    folder = find(SOURCE)
    assert folder == cache(kaggle) / "versions" / "3"
    assert contents(folder) == FILES
    asked = [f"{method} {HANDLE}" for method in ("GetDataset", "DownloadDataset", "bytes 0- of")]
    assert kaggle.asked == asked
    no_kagglehub(monkeypatch)
    kaggle.cut_off(monkeypatch)
    assert find(SOURCE) == folder
    assert kaggle.asked == asked


def test_what_kagglehub_downloaded_by_itself_is_found(kaggle):
    import kagglehub

    folder = kagglehub.dataset_download(HANDLE)
    kaggle.asked.clear()
    assert find(SOURCE) == Path(folder)
    assert kaggle.asked == []


def test_the_newest_whole_version_in_the_cache_is_taken(kaggle):
    for name in ("versions/9", "versions/10", "versions/11", "12.complete", "x.complete"):
        (cache(kaggle) / name).mkdir(parents=True)
    for number in (9, 10):
        (cache(kaggle) / f"{number}.complete").touch()
    assert find(SOURCE) == cache(kaggle) / "versions" / "10"


def test_the_cache_is_in_the_home_folder_by_default(kaggle, monkeypatch, tmp_path):
    monkeypatch.delenv("KAGGLEHUB_CACHE")
    folder = tmp_path / "home" / ".cache" / "kagglehub" / "datasets" / HANDLE / "versions" / "2"
    folder.mkdir(parents=True)
    (folder.parent.parent / "2.complete").touch()
    assert find(SOURCE) == folder


def test_two_at_once_download_once(kaggle):
    found = []
    threads = [threading.Thread(target=lambda: found.append(find(SOURCE))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache(kaggle) / "versions" / "3"] * 2
    assert kaggle.asked.count(f"GetDataset {HANDLE}") == 1


def test_a_broken_download_goes_on_where_it_stopped(kaggle, refused):
    files = {"random.bin": random.Random(1).randbytes(3 * 2**20)}
    kaggle.archives[HANDLE] = zipped(files)
    kaggle.break_after = 5 * 2**19
    refused(f"data set '{HANDLE}': the download broke off; run it again to go on")
    assert contents(find(SOURCE)) == files
    assert kaggle.asked[-1] == f"bytes {2**21}- of {HANDLE}"  # kagglehub writes blocks of 2**20


def test_an_interrupted_unpacking_is_done_again(kaggle, monkeypatch):
    def dying(archive, target):
        Path(target).mkdir(parents=True)
        (Path(target) / "half").symlink_to(cache(kaggle))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", dying)
        with pytest.raises(KeyboardInterrupt):
            find(SOURCE)
    assert contents(find(SOURCE)) == FILES


def test_without_kagglehub_the_extra_is_named(kaggle, refused, monkeypatch):
    no_kagglehub(monkeypatch)
    refused("this needs the package 'kagglehub': pip install 'fdd[kaggle]'")


def test_without_a_network_the_sentence_says_so(kaggle, refused, monkeypatch):
    kaggle.cut_off(monkeypatch)
    refused(
        f"data set '{HANDLE}' is not on this machine and Kaggle cannot be reached; connect to the "
        "internet, or give a folder that holds it with root="
    )


def test_on_kaggle_without_internet_the_sentence_says_what_to_add(kaggle, refused, monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    kaggle.cut_off(monkeypatch)
    refused(
        f"data set '{HANDLE}' is not attached to this notebook and cannot be downloaded from here; "
        'add it under "Add Input"'
    )


ANONYMOUS = (
    f"data set '{HANDLE}' is private or does not exist on Kaggle, and there are no credentials; "
    "put an API token that may read it into $KAGGLE_API_TOKEN"
)
NOT_ALLOWED = (
    f"data set '{HANDLE}' is private or does not exist on Kaggle; the credentials of this machine "
    "may not read it"
)
TRY_LATER = f"data set '{HANDLE}': Kaggle answers with error {{}}; try again later"
MISSING = f"data set '{HANDLE}' does not exist on Kaggle"


@pytest.mark.parametrize(
    ("status", "token", "message"),
    [
        (401, None, ANONYMOUS),
        (403, None, ANONYMOUS),
        (401, "KGAT_secret", NOT_ALLOWED),
        (403, "KGAT_secret", NOT_ALLOWED),
        (404, None, MISSING),
        (429, None, TRY_LATER.format(429)),
        (503, None, TRY_LATER.format(503)),
    ],
)
def test_what_kaggle_refuses_is_one_sentence(kaggle, refused, monkeypatch, status, token, message):
    if token:
        monkeypatch.setenv("KAGGLE_API_TOKEN", token)
    kaggle.refusals[HANDLE] = status
    refused(message)


def test_damaged_credentials_are_named(kaggle, refused):
    path = Path(kaggle.environment["KAGGLE_CONFIG_DIR"]) / "kaggle.json"
    path.parent.mkdir()
    path.write_text("secret")
    refused(
        f"data set '{HANDLE}' cannot be downloaded: Invalid Kaggle credentials file at {path} "
        "(ValueError)"
    )


def test_a_download_with_another_checksum_is_refused(kaggle, refused):
    kaggle.spoil = True
    refused(f"data set '{HANDLE}' arrived damaged; run it again")
    kaggle.spoil = False
    assert contents(find(SOURCE)) == FILES


@pytest.mark.parametrize("step", ["kagglehub.clients._download_file", "shutil.copyfileobj"])
def test_a_disk_that_fills_is_named(kaggle, refused, monkeypatch, step):
    def writing(source, target, *arguments):
        with contextlib.suppress(AttributeError):  # the download is given a path, zipfile a file
            target.write(b"a little")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(step, writing)
    refused("folder '{cache}': the disk is full; choose another with $KAGGLEHUB_CACHE")


def test_what_the_disk_cannot_hold_is_not_unpacked(kaggle, refused, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, 3002))
    refused("folder '{cache}': the disk is full; choose another with $KAGGLEHUB_CACHE")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, 3003))
    assert contents(find(SOURCE)) == FILES


def test_a_cache_that_cannot_be_written_is_named(kaggle, refused):
    Path(kaggle.environment["KAGGLEHUB_CACHE"]).write_text("a file")
    refused(
        "folder '{cache}': it cannot be used (Not a directory); choose another with "
        "$KAGGLEHUB_CACHE"
    )


def test_a_kagglehub_that_cannot_be_guarded_downloads_nothing(kaggle, refused, monkeypatch):
    monkeypatch.delattr("kagglehub.http_resolver._extract_archive")
    monkeypatch.setattr("kagglehub.__version__", "9.9")
    refused(
        "kagglehub 9.9 unpacks downloads in a way that cannot be guarded: "
        "pip install kagglehub==1.0.3"
    )
    assert kaggle.asked == []


def test_kagglehub_is_left_as_it_was(kaggle, monkeypatch):
    from kagglehub import http_resolver

    theirs, logger = object(), logging.getLogger("kagglehub")
    monkeypatch.setattr(http_resolver, "_extract_archive", theirs)
    monkeypatch.setattr(logger, "level", logging.ERROR)
    find(SOURCE)
    kaggle.refusals["o/s"] = 500
    with pytest.raises(FddError):
        find("kaggle:o/s")
    assert (http_resolver._extract_archive, logger.level) == (theirs, logging.ERROR)
