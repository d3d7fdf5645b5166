"""kernels/publish.py and the notebooks: what is wrong is said first, what arrived is compared."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from conftest import CHECKOUT
from kaggle_stub import KEY, TOKEN
from publishing import HANDLE, SOURCE, cells, contents, needs_publish

from fdd.releases.cards import KAGGLE_OWNER

pytest_plugins = ["publish_fixtures"]
pytestmark = needs_publish
SAVE = "kernels.KernelsApiService/SaveKernel"
UPLOAD = "blobs.BlobApiService/StartBlobUpload"
NOTEBOOKS = sorted(path.parent for path in CHECKOUT.glob("kernels/*/kernel-metadata.json"))


def test_notebooks_are_pushed_and_compared(kaggle, notebook, publish):
    folders = [notebook("a-tour"), notebook("to-train", enable_gpu=True, is_private=False)]
    code, output, errors = publish("kernels", "--go")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    for folder, name, gpu in zip(folders, ("a-tour", "to-train"), ("without", "with"), strict=True):
        handle = f"fractal-dream/{name}"
        assert f"notebook {handle}, {gpu} a GPU, on {SOURCE}" in lines
        ending = f"version 1 has the cells of {folder}; Kaggle runs it now"
        assert f"notebook {handle}: {ending}" in lines
        (request,) = kaggle.kernels[handle]
        assert cells(request["text"]) == [("markdown", "# A tour"), ("code", "import fdd")]
        assert request["enableGpu"] is (gpu == "with")
        assert request["enableInternet"] is False
        assert request["datasetDataSources"] == [SOURCE]


def test_all_is_the_data_set_and_then_the_notebooks(kaggle, folder, notebook, publish):
    notebook()
    assert publish("all", "--package", folder, "--go")[0] == 0
    methods = [method.split("/")[1] for method, _ in kaggle.calls]
    assert methods.index("CreateDataset") < methods.index("SaveKernel")
    assert kaggle.datasets[HANDLE][0]["contents"] == contents(folder)


METADATA = {
    "owner": ({"id": "me/a-tour"}, "id must be 'fractal-dream/a-tour', owner and title"),
    "slug": ({"title": "A tour!?"}, None),
    "title": (
        {"title": "Another tour"},
        "id must be 'fractal-dream/another-tour', owner and title",
    ),
    "short": (
        {"title": "Tour", "id": "fractal-dream/tour"},
        "title must have five letters or more",
    ),
    "sources": ({"dataset_sources": [HANDLE]}, f"dataset_sources must name {SOURCE}"),
    "internet": ({"enable_internet": True}, "enable_internet must be false"),
    "flag": (
        {"enable_gpu": "yes"},
        "is_private, enable_gpu, enable_tpu, enable_internet must be true or false",
    ),
    "missing": ({"code_file": "no.ipynb"}, "code_file='no.ipynb' must be a file beside it"),
    "outside": (
        {"code_file": "../a-tour/a-tour.ipynb"},
        "code_file='../a-tour/a-tour.ipynb' must be a file beside it",
    ),
}


@pytest.mark.parametrize("kind", METADATA)
def test_metadata_that_kaggle_would_take_otherwise_is_refused(
    kaggle, notebook, publish, failing, kind
):
    changes, rule = METADATA[kind]
    path = notebook(**changes) / "kernel-metadata.json"
    if rule is None:
        assert publish("kernels")[0] == 0
    else:
        failing(f"file '{path}': {rule}", "kernels", "--go")
    assert kaggle.calls == []


CELLS = {
    "large": (
        [("code", "#" * 10**6)],
        ": without outputs it must be smaller than 1000000 bytes",
    ),
    "key": ([("code", f"key = '{KEY[::-1]}'")], ": it holds what looks like a token; remove it"),
    "token": ([("markdown", f"Use {TOKEN}.")], ": it holds what looks like a token; remove it"),
    "hub": ([("code", "'hf_" + "aB3" * 9 + "'")], ": it holds what looks like a token; remove it"),
    "ours": ([("code", "print('hunter-2')")], ": it holds what looks like a token; remove it"),
    "no cells": ([("code", None)], " is not a notebook"),
}


@pytest.mark.parametrize("kind", CELLS)
def test_notebooks_that_must_not_be_published_are_refused(kaggle, notebook, failing, kind):
    written, complaint = CELLS[kind]
    path = notebook(cells=written) / "a-tour.ipynb"
    os.environ["KAGGLE_API_TOKEN"] = "hunter-2"
    failing(f"file '{path}'{complaint}", "kernels", "--go")
    assert kaggle.calls == []


def test_checksums_and_ids_are_no_secrets(notebook, publish):
    notebook(cells=[("code", f"assert digest == '{'0a' * 32}'  # mini-1, 0123456789abcdef")])
    assert publish("kernels")[0] == 0


def test_notebooks_without_a_kernel_or_json_are_refused(notebook, failing):
    path = notebook() / "a-tour.ipynb"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"metadata": {}}))
    failing(f"file '{path}': metadata.kernelspec.name must be given", "kernels")
    path.write_text("")
    failing(
        f"file '{path}' cannot be read as JSON: Expecting value: line 1 column 1 (char 0)",
        "kernels",
    )


PUSHED = {
    "error": ({"error": "No GPU hours left."}, "Kernel push error: No GPU hours left."),
    "sources": (
        {"invalidDatasetSources": [SOURCE], "versionNumber": 1, "url": "x"},
        "The following are not valid dataset sources and could not be added to the kernel: "
        f"['{SOURCE}']",
    ),
}


@pytest.mark.parametrize("kind", PUSHED)
def test_a_push_that_failed_with_exit_code_0_is_noticed(kaggle, notebook, failing, kind):
    answer, line = PUSHED[kind]
    notebook()
    kaggle.routes[SAVE] = lambda request: answer
    sentence = f"`kaggle kernels push` printed {line!r}; mend that and run this again"
    failing(sentence, "kernels", "--go")


ARRIVED = {
    "other cells": {"text": json.dumps({"cells": []})},
    "enable_gpu=True, not False": {"enableGpu": True},
    "is_private=False, not True": {"isPrivate": False},
    f"dataset_sources=[], not ['{SOURCE}']": {"datasetDataSources": []},
}


@pytest.mark.parametrize("difference", ARRIVED)
def test_a_notebook_that_arrived_otherwise_is_named(kaggle, notebook, failing, difference):
    notebook()
    kaggle.routes[SAVE] = lambda request: kaggle.save_kernel(request | ARRIVED[difference])
    failing(
        f"notebook fractal-dream/a-tour: version 1 has {difference}; run this again",
        "kernels",
        "--go",
    )


@pytest.mark.parametrize("folder", NOTEBOOKS, ids=lambda folder: folder.name)
def test_our_notebooks_can_be_published(script, folder):
    metadata = script.read_kernel(folder, KAGGLE_OWNER, SOURCE)
    assert metadata["id"].startswith(f"{KAGGLE_OWNER}/")


def test_without_the_client_it_names_the_extra(notebook, failing, monkeypatch):
    notebook()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    failing("this needs the package 'kaggle': pip install 'fdd[publish]'", "kernels", "--go")


def test_interrupted_it_says_so_and_goes_on(kaggle, folder, publish, client_environment):
    """Script and client start as in a terminal, without what hastens other tests."""
    names, reached, proceed = [], threading.Event(), threading.Event()

    def slow_upload(request):
        names.append(request["name"])
        if len(names) == 5:  # the second run asks for it again, and this wait is over
            reached.set()
            proceed.wait(600)
        return kaggle.start_upload(request)

    kaggle.routes[UPLOAD] = slow_upload
    script = [CHECKOUT / "kernels" / "publish.py", "data", "--package", folder, "--go"]
    process = subprocess.Popen(
        [sys.executable, *script],
        cwd=folder.parent,
        env=client_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as in a terminal, Ctrl-C reaches script and client
    )
    try:
        assert reached.wait(600)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=600)
    finally:
        proceed.set()
        process.kill()
    assert (process.returncode, errors) == (
        130,
        "publish: interrupted; run the same command again to go on\n",
    )
    assert kaggle.datasets == {}
    assert publish("data", "--package", folder, "--go")[0] == 0
    assert kaggle.datasets[HANDLE][0]["contents"] == contents(folder)
    first, again = names[:4], names[5:]
    assert sorted(first + again) == sorted(contents(folder))
