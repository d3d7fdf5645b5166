"""README and the pages of docs/: short, true to the code, linked, in the site."""

import ast
import re
from pathlib import Path

import pytest

import fdd
from baselines import BASELINES
from fdd import cli

CHECKOUT = Path(__file__).resolve().parent.parent
README = CHECKOUT / "README.md"
PAGES = [README, CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]


def python(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_readme_can_be_read_in_five_minutes():
    assert len(README.read_text("utf-8").split()) <= 1000


def test_the_python_of_the_readme_runs():
    (block,) = python(README)
    seen = {}
    exec(block, seen)
    shapes = [seen[name].shape for name in ("vector", "image", "images", "vectors")]
    assert shapes == [(6,), (128, 128, 3), (32, 128, 128, 3), (32, 6)]


def test_the_readme_cites_as_the_citation_file_does():
    (entry,) = re.findall(
        r"^```bibtex\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    cited = dict(re.findall(r"^  (\w+) = \{+(.*?)\}+,?$", entry, re.MULTILINE))
    told = (CHECKOUT / "CITATION.cff").read_text("utf-8")
    assert cited == {
        "title": re.search(r'^title: "(.*)"$', told, re.MULTILINE)[1],
        "author": re.search(r"^  - name: (.*)$", told, re.MULTILINE)[1],
        "year": re.search(r'^date-released: "(\d{4})', told, re.MULTILINE)[1],
        "version": fdd.__version__,
        "license": re.search(r"^license: (.*)$", told, re.MULTILINE)[1],
    }


def test_the_page_of_models_has_every_baseline():
    page = (CHECKOUT / "docs" / "models.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(BASELINES)


def test_every_link_leads_to_a_file_that_is_there():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_python_of_a_page_uses_what_is_public():
    for page in PAGES:
        for block in python(page):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "fdd":
                    assert node.attr in fdd.__all__, f"{page}: fdd.{node.attr}"


def test_every_module_that_a_page_runs_is_there():
    for page in PAGES:
        for name in re.findall(
            r"-m ((?:baselines|benchmarks|tests)[\w.]*)", page.read_text("utf-8")
        ):
            module = CHECKOUT / name.replace(".", "/")
            assert module.is_dir() or module.with_suffix(".py").exists(), f"{page}: {name}"


def test_every_command_that_a_page_runs_is_there(capsys):
    used = {
        name
        for page in PAGES
        for name in re.findall(r"^ {4}(?:\$ )?fdd (\w+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert used >= {"preview", "generate", "verify", "package"}
    for name in used:
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        assert ended.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: fdd {name}")
