"""An archive that comes from outside writes into its folder alone, and no more than it should."""

import io
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from conftest import tree
from kaggle_downloads import HANDLE, serving, zipped

from fdd import FddError
from fdd.data.kaggle import find, unpack

PERMISSIONS = 0o644


@pytest.fixture
def download(tmp_path, monkeypatch):
    """download(archive): the folder that the real kagglehub makes of it, below tmp_path / "hub"."""
    with serving(tmp_path) as kaggle:
        kaggle.lead_here(monkeypatch)

        def run(archive):
            kaggle.archives[HANDLE] = archive
            return find(f"kaggle:{HANDLE}")

        yield run


def special(name, kind):
    """The entry of a zip archive that Unix takes for a link, a device, ..."""
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (kind | PERMISSIONS) << 16
    return entry


def tarred(*members):
    """A tar archive, bytes, of (name, content, other attributes of TarInfo)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content, attributes in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in attributes.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def escaping_tar():
    """Writes beside the folder through links that are too long to resolve (CVE-2025-4517)."""
    folder, link = {"type": tarfile.DIRTYPE}, {"type": tarfile.SYMTYPE}
    name, steps, path, members = "d" * 247, "abcdefghijklmnop", "", []
    for step in steps:
        members.append((f"{path}{name}", b"", folder))
        members.append((f"{path}{step}", b"", link | {"linkname": name}))
        path += f"{name}/"
    last = "/".join(steps) + "/" + "l" * 254
    members.append((last, b"", link | {"linkname": "../" * len(steps)}))
    members.append(("out", b"", link | {"linkname": f"{last}/.."}))
    return tarred(*members, ("out/evil.txt", b"evil", {}))


def lying_zip():
    """States that a megabyte of zeros is one byte."""
    archive = bytearray(zipped({"a.txt": bytes(2**20)}))
    for start in (m.start() for m in re.finditer(re.escape(struct.pack("<I", 2**20)), archive)):
        archive[start : start + 4] = struct.pack("<I", 1)
    return bytes(archive)


def locked_zip():
    archive = bytearray(zipped({"a.txt": b"one"}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        archive[archive.index(signature) + place] |= 1
    return bytes(archive)


OUTSIDE = "its member {!r} would lie outside of the folder"
SPECIAL = "its member 'l' is neither file nor folder"
TWICE = "its member {!r} is there twice"
NO_ZIP = "it is not a whole zip archive"
GOOD = zipped({"a.txt": b"one" * 99, "b.txt": b"two"})
LINK = {"type": tarfile.SYMTYPE}
HARD = {"type": tarfile.LNKTYPE}

REFUSED = {
    "up": (zipped({"a": b"1", "../evil.txt": b"evil"}), OUTSIDE.format("../evil.txt")),
    "up, inside": (zipped({"a/../../evil": b"evil"}), OUTSIDE.format("a/../../evil")),
    "up, Windows": (zipped({"..\\evil": b"evil"}), OUTSIDE.format("..\\evil")),
    "absolute": (zipped({"/tmp/evil": b"evil"}), OUTSIDE.format("/tmp/evil")),
    "drive": (zipped({"C:evil": b"evil"}), OUTSIDE.format("C:evil")),
    "share": (zipped({"\\\\host\\evil": b"evil"}), OUTSIDE.format("\\\\host\\evil")),
    "link": (zipped([(special("l", stat.S_IFLNK), b"/"), ("l/evil", b"evil")]), SPECIAL),
    "device": (zipped([(special("l", stat.S_IFBLK), b"")]), SPECIAL),
    "twice": (zipped([("a", b"1"), ("a", b"2")]), TWICE.format("a")),
    "twice for Windows": (zipped({"a.txt": b"1", "A.txt": b"2"}), TWICE.format("A.txt")),
    "file and folder": (
        zipped([("a", b"1"), ("a/b", b"2")]),
        "its names do not go together (Not a directory)",
    ),
    "long name": (zipped({"a" * 300: b"1"}), "its names do not go together (File name too long)"),
    "bomb": (
        zipped({"zeros": bytes(3 * 2**20)}),
        f"it would unpack {len(zipped({'zeros': bytes(3 * 2**20)}))} bytes to {3 * 2**20}",
    ),
    "bomb in parts": (
        zipped({str(number): bytes(2**18) for number in range(5)}),
        f"it would unpack {len(zipped({str(n): bytes(2**18) for n in range(5)}))} bytes to "
        f"{5 * 2**18}",
    ),
    "lie about its size": (lying_zip(), NO_ZIP),
    "password": (locked_zip(), NO_ZIP),
    "text": (b"<html>no such page</html>", NO_ZIP),
    "empty": (b"", NO_ZIP),
    "cut": (GOOD[:-30], NO_ZIP),
    "changed": (GOOD.replace(zlib.compress(b"two")[2:-4], zlib.compress(b"Two")[2:-4]), NO_ZIP),
    "tar": (tarred(("a", b"1", {})), NO_ZIP),
    "tar, up": (tarred(("../evil.txt", b"evil", {})), NO_ZIP),
    "tar, absolute": (tarred(("/tmp/evil", b"evil", {})), NO_ZIP),
    "tar, link": (tarred(("l", b"", LINK | {"linkname": "/"}), ("l/evil", b"evil", {})), NO_ZIP),
    "tar, hard link": (tarred(("l", b"", HARD | {"linkname": "../../3.archive"})), NO_ZIP),
    "tar, long links": (escaping_tar(), NO_ZIP),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_archive_that_is_not_what_it_should_be_leaves_nothing(kind, download, tmp_path):
    archive, problem = REFUSED[kind]
    (tmp_path / "beside.txt").write_text("mine")
    with pytest.raises(FddError) as error:
        download(archive)
    cache = tmp_path / "hub" / "datasets" / HANDLE
    assert str(error.value) == (
        f"archive {str(cache / '3.archive')!r}: {problem}; nothing of it was kept"
    )
    kept = [path for path in tmp_path.rglob("*") if path.is_symlink() or not path.is_dir()]
    assert sorted(kept) == [tmp_path / "beside.txt", cache / ".lock"]
    assert not any(os.path.lexists(path) for path in ("/tmp/evil", "/evil", "C:evil"))
    assert (download(GOOD) / "b.txt").read_text() == "two"


@pytest.mark.parametrize("kind", ["fine", "folders", "small"])
def test_an_archive_of_files_and_folders_is_unpacked(kind, download):
    files = {
        "fine": {"a b,c.png": b"1", "in/deep/..d": b"2", "...": b"3", "the:end": b"4"},
        "folders": {"in/": b"", "in/a": b"1", "empty/": b""},
        "small": {"zeros": bytes(2**20)},
    }[kind]
    folder = download(zipped(files))
    expected = {name.rstrip("/"): content for name, content in files.items()}
    found = {name: content or b"" for name, content in tree(folder).items()}
    assert expected.items() <= found.items()


def test_what_unpack_refuses_without_kagglehub(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(REFUSED["bomb"][0])
    with pytest.raises(FddError, match=r"^archive '.*a\.zip': it would unpack .* nothing of it"):
        unpack(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_the_target_is_replaced_and_a_link_is_not_followed(tmp_path):
    path, target = tmp_path / "a.zip", tmp_path / "out"
    path.write_bytes(GOOD)
    (tmp_path / "elsewhere").mkdir()
    target.mkdir()
    (target / "b.txt").symlink_to(tmp_path / "elsewhere" / "b.txt")
    unpack(path, target)
    assert tree(target) == {"a.txt": b"one" * 99, "b.txt": b"two"}
    unpack(path, target)
    target.rename(tmp_path / "old")
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FddError) as raised:
        unpack(path, target)
    assert str(raised.value) == f"folder {str(target)!r} is a symbolic link; remove it"
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert Path(path).read_bytes() == GOOD
