"""Fixtures of the tests that publish: a Kaggle, a small package, notebooks, the script."""

import importlib
import json
import os
import shutil

import kaggle_stub
import pytest
import warm
from conftest import CHECKOUT
from publishing import SOURCE, WHEEL

from fdd.publishing.package import package


@pytest.fixture
def kaggle():
    """Kaggle, on a free port of 127.0.0.1."""
    with kaggle_stub.serving() as running:
        yield running


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """Variables with which Kaggle's client starts at once."""
    with warm.client(tmp_path_factory.mktemp("warm")) as environment:
        yield environment


@pytest.fixture
def client_environment(kaggle, tmp_path):
    """In it Kaggle's client talks to the fixture `kaggle`, with throw-away credentials."""
    return kaggle.environment(tmp_path)


@pytest.fixture(scope="session")
def packaged(tmp_path_factory):
    """A package of 60 images that carries what passes for a wheel."""
    wheels = tmp_path_factory.mktemp("wheels")
    (wheels / WHEEL).write_bytes(b"PK, as far as Kaggle is concerned")
    out = tmp_path_factory.mktemp("packages") / "package"
    package(out, version="mini-1", images=20, wheels=wheels)
    return out


@pytest.fixture
def folder(packaged, tmp_path):
    """A copy of the package for one test."""
    return shutil.copytree(packaged, tmp_path / "package")


@pytest.fixture
def notebook(tmp_path):
    """notebook(name, cells, **changes of its metadata) writes kernels/NAME below tmp_path."""

    def write(name="a-tour", cells=(("markdown", "# A tour"), ("code", "import fdd")), **changes):
        target = tmp_path / "kernels" / name
        target.mkdir(parents=True)
        output = {"output_type": "stream", "name": "stdout", "text": "drawn\n"}
        written = {
            "cells": [
                {"cell_type": kind, "source": source, "metadata": {}}
                | ({"outputs": [output]} if kind == "code" else {})
                for kind, source in cells
            ],
            "metadata": {"kernelspec": {"name": "python3"}},
        }
        metadata = {
            "id": f"fractal-dream/{name}",
            "title": name.replace("-", " ").capitalize(),
            "code_file": f"{name}.ipynb",
            "language": "python",
            "kernel_type": "notebook",
            "is_private": True,
            "enable_gpu": False,
            "enable_tpu": False,
            "enable_internet": False,
            "dataset_sources": [SOURCE],
            "keywords": ["gan"],
        }
        (target / f"{name}.ipynb").write_text(json.dumps(written))
        (target / "kernel-metadata.json").write_text(json.dumps(metadata | changes))
        return target

    return write


@pytest.fixture
def script(monkeypatch):
    """The module kernels/publish.py."""
    monkeypatch.syspath_prepend(CHECKOUT / "kernels")
    return importlib.import_module("publish")


@pytest.fixture
def publish(script, client_environment, quick, monkeypatch, tmp_path, capfd):
    """publish(*arguments) gives (exit code, output, errors) of the script in tmp_path."""
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0 - today\n\n- More.\n")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.clear()
    os.environ.update(client_environment | quick)

    def run(*arguments):
        code = script.main(["--interval", "0", *map(str, arguments)], tmp_path)
        return (code, *capfd.readouterr())

    return run


@pytest.fixture
def failing(publish):
    """failing(sentence, *arguments): the script says that one sentence and ends with 1."""

    def run(sentence, *arguments):
        code, output, errors = publish(*arguments)
        assert (code, errors) == (1, f"publish: {sentence}\n")
        return output

    return run
