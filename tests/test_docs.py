"""README and the pages of docs/: short, true to the code, linked, in the site."""

import ast
import importlib
import re
import shlex
import textwrap
from pathlib import Path

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


COMMAND = re.compile(
    r"^ {4}(?:\$ )?(?:fdd|python3? -m (?P<module>(?:baselines|benchmarks)\.\w+)) (?P<words>.*)$",
    re.MULTILINE,
)


def commands(page):
    """The `main` and the words of each line that runs a command of ours, without comments."""
    text = re.sub(r"\\\n\s*", "", page.read_text("utf-8"))  # a line that goes on
    for found in COMMAND.finditer(text):
        words, module = shlex.split(found["words"], comments=True), found["module"] or "fdd.cli"
        if module.removeprefix("baselines.") in BASELINES:
            words[:0], module = ["train", module.removeprefix("baselines.")], "fdd.cli"
        yield importlib.import_module(module).main, words


def test_every_command_and_option_of_a_page_is_there(capsys):
    """Asked for one option more, a command complains of the first that it does not know."""
    seen = set()
    for page in PAGES:
        for main, words in commands(page):
            assert main([*words, "--one-more"]) == 2
            told = capsys.readouterr().err
            assert told.startswith("error: option='--one-more' is not known"), f"{page}: {words}"
            seen.update(words[:1])
    assert seen >= {"preview", "generate", "verify", "package", "train", "score", "recipes"}


def sessions(page):
    """Each `$ fdd ...` of a page and the lines that it shows below."""
    text = page.read_text("utf-8")
    for block in re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE):
        for session in re.split(r"^ {4}\$ fdd ", block, flags=re.MULTILINE)[1:]:
            words, _, shown = session.partition("\n")
            yield shlex.split(words), textwrap.dedent(shown)


def test_what_is_shown_of_a_command_is_what_it_says(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pages = [CHECKOUT / "docs" / name for name in ("commands.md", "start.md")]
    shown = [session for page in pages for session in sessions(page)]
    assert [words[0] for words, _ in shown] == ["preview", "generate", "verify", "preview"]
    for words, said in shown:
        assert cli.main(words) == 0
        assert capsys.readouterr().out == said.replace("/tmp", str(tmp_path))


def test_every_target_of_make_that_a_page_names_is_there():
    makefile = (CHECKOUT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    targets = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:^ {4}|`)make (\w+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert {"demo", "release", "test"} <= named <= targets
