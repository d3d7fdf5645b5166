"""Kaggle's real client uploads packages and pushes notebooks to a Kaggle on 127.0.0.1, whole."""

import hashlib
import json
import subprocess
import sys

import pytest
from conftest import CHECKOUT
from publishing import HANDLE, cells, contents, needs_publish

pytest_plugins = ["publish_fixtures"]
pytestmark = needs_publish
NOTEBOOKS = sorted(path.parent for path in CHECKOUT.glob("kernels/*/kernel-metadata.json"))


@pytest.fixture
def client(client_environment, quick, tmp_path):
    """client(*arguments) runs the client and gives (exit code, output, errors)."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "kaggle", *map(str, arguments)],
            cwd=tmp_path,
            env=client_environment | quick,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def digests(ours):
    return {name: hashlib.sha256(content).hexdigest() for name, content in ours.items()}


def described(kaggle, request):
    """What was said of each uploaded file: its description and its columns, in order."""
    return {
        kaggle.uploads[file["token"]]["name"]: (
            file["description"],
            [(column["name"], column["description"]) for column in file.get("columns", [])],
        )
        for file in request["files"]
    }


def expected_descriptions(metadata):
    return {
        one["path"]: (
            one["description"],
            [(f["name"], f["description"]) for f in one.get("schema", {}).get("fields", [])],
        )
        for one in metadata["resources"]
    }


def test_a_package_becomes_a_data_set_with_every_byte_and_word(kaggle, client, folder):
    code, output, _ = client("datasets", "create", "-p", folder)
    metadata = json.loads((folder / "dataset-metadata.json").read_text())
    assert code == 0
    assert output.endswith(
        "Your private Dataset is being created. Please check progress at "
        f"http://localhost/datasets/{HANDLE}\n"
    )
    (request,) = kaggle.datasets[HANDLE]
    ours = contents(folder)
    assert digests(request["contents"]) == digests(ours)
    listed = (folder / "sha256sums.txt").read_text().splitlines()
    sums = digests(request["contents"])
    assert [f"{sums[line.split('  ')[1]]}  {line.split('  ')[1]}" for line in listed] == listed
    assert len(listed) == len(ours) - 1
    assert request["title"] == metadata["title"]
    assert f"{request['ownerSlug']}/{request['slug']}" == metadata["id"] == HANDLE
    assert request["licenseName"] == metadata["licenses"][0]["name"]
    assert request["subtitle"] == metadata["subtitle"]
    assert request["description"] == metadata["description"]
    assert request["categoryIds"] == metadata["keywords"]
    assert request["isPrivate"] is True
    assert described(kaggle, request) == expected_descriptions(metadata)
    assert {upload["type"] for upload in kaggle.uploads.values()} == {"DATASET"}


def test_a_new_version_has_its_notes_and_every_byte(kaggle, client, folder):
    assert client("datasets", "create", "-p", folder, "--public")[0] == 0
    code, output, _ = client("datasets", "version", "-p", folder, "-m", "0.2.0: more of it")
    assert code == 0
    assert output.endswith(
        "Dataset version is being created. Please check progress at "
        f"http://localhost/datasets/{HANDLE}\n"
    )
    first, second = kaggle.datasets[HANDLE]
    assert "isPrivate" not in first  # false is not sent
    assert second["versionNotes"] == "0.2.0: more of it"
    assert "deleteOldVersions" not in second
    assert digests(second["contents"]) == digests(contents(folder))
    assert described(kaggle, second) == described(kaggle, first)


def test_an_upload_that_breaks_off_goes_on_where_it_was(kaggle, client, folder):
    kaggle.upload_faults = {"params.csv": [503], "preview.png": [503]}
    code, output, _ = client("datasets", "create", "-p", folder)
    assert code == 0
    for name in ("params.csv", "preview.png"):
        half = (folder / name).stat().st_size // 2
        assert f"Already uploaded {half - 1} bytes. Will resume upload at {half}." in output
    assert digests(kaggle.datasets[HANDLE][0]["contents"]) == digests(contents(folder))


def test_status_files_and_downloads_say_what_is_there(kaggle, client, folder, tmp_path):
    code, output, errors = client("datasets", "status", HANDLE)
    assert (code, output, errors.splitlines()[0]) == (1, "", "Not Found")
    client("datasets", "create", "-p", folder)
    kaggle.page_size = 20
    kaggle.statuses[HANDLE] = ["BLOBS_RECEIVED"]
    assert client("datasets", "status", HANDLE) == (0, "blobs_received", "")
    assert client("datasets", "status", HANDLE, "--format", "json") == (
        0,
        '{"status": "ready", "current_version_number": 1}',
        "",
    )
    _, first, _ = client("datasets", "files", f"{HANDLE}/1", "--csv", "--page-size", "200")
    _, second, _ = client("datasets", "files", f"{HANDLE}/1", "--csv", "--page-token", "20")
    lines = first.splitlines()
    assert lines[:2] == ["Next Page Token = 20", "name,size,creationDate"]
    rows = [line.split(",") for line in lines[2:] + second.splitlines()[1:]]
    ours = contents(folder)
    assert {row[0]: int(row[1]) for row in rows} == {k: len(v) for k, v in ours.items()}
    client("datasets", "download", f"{HANDLE}/1", "-p", tmp_path / "all", "--unzip", "-q")
    assert digests(contents(tmp_path / "all")) == digests(ours)


def test_an_upload_that_fails_makes_no_data_set(kaggle, client, folder):
    kaggle.upload_faults = {"params.csv": [400]}
    code, _, errors = client("datasets", "create", "-p", folder)
    assert (code, errors.splitlines()[-1]) == (1, "Upload unsuccessful: params.csv")
    assert kaggle.datasets == {}


def test_the_client_says_nothing_of_these_failures_by_its_exit_code(kaggle, client, folder):
    client("datasets", "create", "-p", folder)
    code, output, _ = client("datasets", "create", "-p", folder)
    assert (code, output.partition(": ")[0]) == (0, "Dataset creation error")
    refusal = {"status": "error", "error": "no such licence"}
    kaggle.routes["datasets.DatasetApiService/CreateDatasetVersion"] = lambda request: refusal
    code, output, _ = client("datasets", "version", "-p", folder, "-m", "notes")
    assert code == 0
    assert output.endswith("\nDataset version creation error: no such licence\n")


@pytest.mark.parametrize(
    "folder", [None, *NOTEBOOKS], ids=lambda folder: folder.name if folder else "small"
)
def test_a_notebook_arrives_as_it_is_without_its_outputs(
    kaggle, client, notebook, folder, tmp_path
):
    folder = folder or notebook(enable_gpu=True, is_private=False)
    metadata = json.loads((folder / "kernel-metadata.json").read_text())
    handle = metadata["id"]
    assert client("kernels", "push", "-p", folder) == (
        0,
        "Kernel version 1 successfully pushed.  Please check progress at "
        f"http://localhost/code/{handle}\n",
        "",
    )
    ((slug, (request,)),) = kaggle.kernels.items()
    assert slug == handle
    assert request["newTitle"] == metadata["title"]
    assert (request["language"], request["kernelType"]) == ("python", "notebook")
    assert request["datasetDataSources"] == metadata["dataset_sources"]
    assert request["categoryIds"] == metadata["keywords"]
    names = {"isPrivate": "is_private", "enableGpu": "enable_gpu", "enableTpu": "enable_tpu"}
    assert {name: request[name] for name in names} == {k: metadata[v] for k, v in names.items()}
    assert request["enableInternet"] is metadata["enable_internet"] is False
    written = (folder / metadata["code_file"]).read_text()
    assert cells(request["text"]) == cells(written)
    assert not any(cell.get("outputs") for cell in json.loads(request["text"])["cells"])
    assert client("kernels", "status", handle)[:2] == (
        0,
        f'{handle} has status "KernelWorkerStatus.RUNNING"\n',
    )
    assert client("kernels", "pull", f"{handle}/1", "-p", tmp_path / "pulled", "-m")[0] == 0
    pulled = json.loads((tmp_path / "pulled" / "kernel-metadata.json").read_text())
    assert cells((tmp_path / "pulled" / pulled["code_file"]).read_text()) == cells(written)
    kept = (*names.values(), "enable_internet", "dataset_sources", "id", "title")
    assert {name: pulled[name] for name in kept} == {name: metadata[name] for name in kept}


def test_a_push_that_kaggle_refuses_ends_with_0_too(kaggle, client, notebook):
    refusal = {"error": "You have no GPU hours left."}
    kaggle.routes["kernels.KernelsApiService/SaveKernel"] = lambda request: refusal
    assert client("kernels", "push", "-p", notebook()) == (
        0,
        "Kernel push error: You have no GPU hours left.\n",
        "",
    )
