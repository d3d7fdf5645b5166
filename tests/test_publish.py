"""kernels/publish.py and the data set: a dry run by default, what arrived is compared."""

import json
import os
import subprocess
import sys

import pytest
from conftest import tree
from kaggle_stub import KEY, TOKEN, Reply
from publishing import HANDLE, SOURCE, contents, needs_publish

from fdd.publishing.package import package

pytest_plugins = ["publish_fixtures"]
pytestmark = needs_publish
DATASETS = "datasets.DatasetApiService"
LOG_IN = (
    "Kaggle wants credentials that it accepts: run `kaggle auth login`, or set KAGGLE_API_TOKEN to "
    "a token from the settings of your account"
)


def test_without_go_it_says_what_it_would_do_and_sends_nothing(
    kaggle, folder, notebook, publish, tmp_path
):
    kernel = notebook(enable_gpu=True)
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        del os.environ[name]
    before = tree(tmp_path)
    code, output, errors = publish("all", "--package", folder)
    sizes = {name: len(content) for name, content in contents(folder).items()}
    lines = output.splitlines()
    assert (code, errors) == (0, "")
    assert lines[: len(sizes)] == [f"{size:>15,}  {name}" for name, size in sorted(sizes.items())]
    assert lines[len(sizes) :] == [
        f"{sum(sizes.values()):>15,}  bytes in {len(sizes)} files for the data set {HANDLE}",
        f"would run: kaggle datasets create -p {folder}",
        f"  or, if it exists: kaggle datasets version -p {folder} -m '0.2.0 - today: - More.'",
        f"notebook fractal-dream/a-tour, with a GPU, on {SOURCE}",
        f"would run: kaggle kernels push -p {kernel}",
        "nothing was sent; --go sends it",
    ]
    assert kaggle.calls == []
    assert tree(tmp_path) == before


def test_the_data_set_is_created_and_compared(kaggle, folder, publish):
    kaggle.page_size = 20
    kaggle.statuses[HANDLE] = ["BLOBS_RECEIVED"]
    code, output, errors = publish("data", "--package", folder, "--go")
    assert (code, errors) == (0, "")
    assert output.splitlines()[-1] == (
        f"data set {HANDLE}: version 1 is what {folder} holds (names, sizes and list of checksums "
        "compared)"
    )
    assert kaggle.statuses[HANDLE] == []
    assert kaggle.datasets[HANDLE][0]["contents"] == contents(folder)
    assert kaggle.datasets[HANDLE][0]["isPrivate"] is True
    assert KEY not in output


@pytest.fixture
def there(kaggle, folder):
    """The package is on Kaggle; gives what is stored, by file name."""
    stored = contents(folder)
    request = {"contents": stored, "licenseName": "CC-BY-4.0"}
    kaggle.datasets[HANDLE] = [request]
    return stored


def test_options_of_a_new_data_set(kaggle, folder, publish):
    """--public, trouble that the client overcomes."""
    kaggle.upload_faults = {"params.csv": [503]}
    busy = [Reply(429, (("Retry-After", "0"),))]

    def create(request):
        return busy.pop() if busy else kaggle.create_dataset(request)

    kaggle.routes[f"{DATASETS}/CreateDataset"] = create
    code, output, errors = publish("data", "--package", folder, "--go", "--public")
    assert (code, errors, busy) == (0, "", [])
    assert "Your public Dataset is being created." in output
    assert "isPrivate" not in kaggle.datasets[HANDLE][0]  # false is not sent
    assert kaggle.datasets[HANDLE][0]["contents"] == contents(folder)


def test_a_changed_package_becomes_a_version_with_notes_of_the_changelog(
    kaggle, folder, there, publish, tmp_path
):
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.3.0 - today\n\n- More\n  images.\n")
    there["sha256sums.txt"] = bytes(len(there["sha256sums.txt"]))  # of another package
    code, output, _ = publish("data", "--package", folder, "--go")
    assert (code, output.count(f": version 2 is what {folder} holds (")) == (0, 1)
    assert kaggle.datasets[HANDLE][1]["versionNotes"] == "0.3.0 - today: - More images."
    assert kaggle.datasets[HANDLE][1]["contents"] == contents(folder)


@pytest.mark.parametrize(
    ("changelog", "notes"),
    [
        ("# Changelog\n\n## 0.2.0\n\n- a\n- b\n\n## 0.1.0\n\n- c\n", "0.2.0: - a - b"),
        ("## Unreleased\n\n## 0.1.0\nFirst.", "0.1.0: First."),
        ("## 1\n" + 200 * "word " + "\n## 0\nold", "1: " + 98 * "word " + "..."),
    ],
)
def test_version_notes(script, changelog, notes):
    assert script.version_notes(changelog) == notes
    assert len(notes) <= 500


def test_a_changelog_without_text_has_no_notes(script):
    with pytest.raises(script.FddError) as error:
        script.version_notes("# Changelog\n\n## Unreleased\n")
    assert str(error.value) == "CHANGELOG.md must hold a section, '## VERSION', with text"


def test_without_credentials_it_refuses_before_it_asks_anything(kaggle, folder, failing):
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        del os.environ[name]
    failing(LOG_IN, "all", "--package", folder, "--go")
    assert kaggle.calls == []


def test_credentials_that_kaggle_refuses_are_not_repeated(kaggle, folder, failing):
    os.environ["KAGGLE_KEY"] = "not the key"
    assert "not the key" not in failing(LOG_IN, "data", "--package", folder, "--go")
    assert kaggle.datasets == {}


def test_a_token_is_never_printed_written_or_an_argument(
    kaggle, folder, there, notebook, publish, monkeypatch, tmp_path
):
    started, popen = [], subprocess.Popen

    def recording(command, **options):
        started.append(command)
        return popen(command, **options)

    notebook()
    monkeypatch.setattr(subprocess, "Popen", recording)
    os.environ["VERBOSE"] = "1"  # makes the client print the headers of its requests
    os.environ["KAGGLE_API_TOKEN"] = TOKEN
    del os.environ["KAGGLE_KEY"]
    code, output, errors = publish("all", "--package", folder, "--go")
    assert (code, errors) == (0, "")
    assert len(started) == 5
    written = b"".join(content or b"" for content in tree(tmp_path).values()).decode("latin-1")
    for secret in (TOKEN, "Authorization"):
        assert secret not in output + repr(started) + written


def refuse(route, answer):
    def change(kaggle):
        kaggle.routes[route] = lambda request: answer

    return change


def reject_tags(kaggle):
    create = kaggle.create_dataset
    tags = {"invalidTags": ["gan"]}
    kaggle.routes[f"{DATASETS}/CreateDataset"] = lambda request: create(request) | tags


SILENT = {
    "refused": (
        refuse(f"{DATASETS}/CreateDataset", {"status": "error", "error": "No such licence"}),
        "Dataset creation error: No such licence",
    ),
    "tags": (
        reject_tags,
        "The following are not valid tags and could not be added to the dataset: ['gan']",
    ),
}


@pytest.mark.parametrize("kind", SILENT)
def test_what_the_client_fails_at_with_exit_code_0_is_noticed(kaggle, folder, failing, kind):
    spoil, line = SILENT[kind]
    spoil(kaggle)
    sentence = f"`kaggle datasets create` printed {line!r}; mend that and run this again"
    failing(sentence, "data", "--package", folder, "--go")


def test_an_upload_that_fails(kaggle, folder, failing):
    kaggle.upload_faults = {"params.csv": [400]}
    sentence = "`kaggle datasets create` failed: Upload unsuccessful: params.csv"
    failing(sentence, "data", "--package", folder, "--go")
    assert kaggle.datasets == {}


OTHER_CLIENT = """
from pathlib import Path

said = Path(__file__).with_name("said.txt")
now, _, later = said.read_text().partition("\\f")
said.write_text(later)
print(now)
raise SystemExit("Not Found" in now)
"""


@pytest.fixture
def other_client(monkeypatch, tmp_path):
    """other_client(*texts) puts a client that prints one text a call; gives the file of the others.

    With "Not Found" it fails.
    """

    def put(*texts):
        package = tmp_path / "client" / "kaggle"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(OTHER_CLIENT)
        (package / "said.txt").write_text("\f".join(texts))
        monkeypatch.setenv("PYTHONPATH", str(package.parent))
        return package / "said.txt"

    return put


PRINTED = {
    "file dropped": (
        ["Upload unsuccessful: params.csv", "Dataset version is being created. {}"],
        "printed 'Upload unsuccessful: params.csv'; mend that and run this again",
    ),
    "cancelled": (
        ["Starting upload for file params.csv", "User cancelled operation"],
        "printed 'User cancelled operation'; mend that and run this again",
    ),
    "nothing": (
        ["Upload successful: params.csv (9KB)", "100%|###| 9.0k/9.0k [00:00<00:00, 1.2MB/s]"],
        "reported no success; run this again",
    ),
}


@pytest.mark.parametrize("kind", PRINTED)
def test_what_other_versions_of_the_client_print_is_no_success(script, other_client, kind):
    lines, complaint = PRINTED[kind]
    client = sys.modules["kaggle_client"]
    other_client("\n".join(lines).format("Please check progress at http://localhost"))
    with pytest.raises(script.FddError) as error:
        client.report("datasets", "version", "-p", "x", expected=client.UPLOADED)
    assert str(error.value) == f"`kaggle datasets version` {complaint}"


def swap(arrived):
    arrived["params.csv.gz"] = arrived.pop("params.csv")


def cut(arrived):
    arrived["params.csv"] = b"s"
    arrived["README.md"] = b""


def flip(name):
    def change(arrived):
        arrived[name] = arrived[name][:-2] + b"?\n"

    return change


ARRIVED = {
    "all": (lambda arrived: None, []),
    "renamed": (swap, ["'params.csv' is missing", "'params.csv.gz' is not ours"]),
    "cut": (
        cut,
        ["'README.md' has 0 bytes, not {README_md}", "'params.csv' has 1 bytes, not {params_csv}"],
    ),
    "other list": (flip("sha256sums.txt"), ["'sha256sums.txt' has other bytes"]),
    "other bytes": (flip("params.csv"), ["'params.csv' has other bytes"]),
}


@pytest.mark.parametrize("kind", ARRIVED)
def test_what_is_on_kaggle_and_is_not_ours_is_named(folder, there, script, publish, kind):
    spoil, complaints = ARRIVED[kind]
    names = sorted(there)
    sizes = {name.replace(".", "_"): len(there[name]) for name in ("README.md", "params.csv")}
    spoil(there)
    fetched = names if kind == "other bytes" else ["sha256sums.txt"]
    wrong = script.differences(f"{HANDLE}/1", folder, names, fetched)
    assert wrong == [complaint.format(**sizes) for complaint in complaints]


def test_a_version_that_is_not_what_was_sent(kaggle, folder, failing):
    def create(request):
        answer = kaggle.create_dataset(request)
        swap(kaggle.datasets[HANDLE][0]["contents"])
        return answer

    kaggle.routes[f"{DATASETS}/CreateDataset"] = create
    failing(
        f"data set {HANDLE}: version 1 is not '{folder}': 'params.csv' is missing and 1 more; run "
        "this again",
        "data",
        "--package",
        folder,
        "--go",
    )


def test_a_version_that_kaggle_cannot_process(kaggle, folder, there, failing):
    there["stray.txt"] = b""
    kaggle.statuses[HANDLE] = ["READY", "FAILED"]
    sentence = f"data set {HANDLE}: Kaggle says 'failed' of what was uploaded"
    failing(sentence, "data", "--package", folder, "--go")
    assert len(kaggle.datasets[HANDLE]) == 2


def test_what_kaggle_still_works_on_is_waited_for_and_not_sent_again(
    kaggle, folder, there, publish, failing
):
    kaggle.statuses[HANDLE] = ["BLOBS_RECEIVED", "BLOBS_DECOMPRESSED"]
    sentence = (
        f"data set {HANDLE}: after 0 seconds Kaggle still says 'blobs_received' and holds "
        "version 1; run this again to go on"
    )
    failing(sentence, "data", "--package", folder, "--go", "--timeout", "0")
    code, output, errors = publish("data", "--package", folder, "--go", "--verify-bytes")
    assert (code, errors, len(kaggle.datasets[HANDLE])) == (0, "", 1)
    assert output.splitlines()[-1] == (
        f"data set {HANDLE}: version 1 is what {folder} holds (every byte compared)"
    )


WAITS = [
    (-1, ["absent 0"], "absent 0"),
    (-1, ["blobs_received 0", "ready 1"], "ready 1"),
    (-1, ["failed 3"], "failed 3"),
    (0, ["absent 0", "blobs_received 0", "ready 1"], "ready 1"),
    (2, ["ready 2", "blobs_received 2", "ready 2", "ready 3"], "ready 3"),
    (2, ["ready 2", "deleted 2"], "deleted 2"),
]


@pytest.mark.parametrize(("before", "states", "end"), WAITS, ids=str)
def test_a_version_before_the_new_one_is_not_taken_for_it(
    script, other_client, before, states, end
):
    answers = []
    for state, version in map(str.split, states):
        there = {"status": state, "current_version_number": int(version)}
        answers.append("Not Found" if state == "absent" else json.dumps(there))
    later = other_client(*answers)
    state, version = script.settled(HANDLE, before, 0, 60)
    assert (f"{state} {version}", later.read_text()) == (end, "")


def test_a_kaggle_that_cannot_be_reached(kaggle, folder, publish):
    os.environ.update(dict.fromkeys(("http_proxy", "HTTP_PROXY"), "http://127.0.0.1:9"))
    code, _, errors = publish("data", "--package", folder, "--go")
    assert code == 1
    assert errors.startswith("publish: `kaggle datasets status` failed: HTTPConnectionPool(host=")
    assert errors.count("\n") == 1


def test_packages_that_are_not_ready_to_be_published(kaggle, folder, failing):
    failing("--package must name the folder that `fdd package` wrote", "data", "--go")
    failing(
        f"package '{folder}' is made for '{HANDLE}', not 'somebody/fractal-dream-mini-1'; make it "
        "again with --owner somebody",
        "data",
        "--package",
        folder,
        "--owner",
        "somebody",
        "--go",
    )
    (folder / "kaggle.json").write_text(KEY)
    sentence = f"package '{folder}': kaggle.json: it is not listed in sha256sums.txt"
    failing(sentence, "data", "--package", folder, "--go")
    (folder / "kaggle.json").unlink()
    (folder / "README.md").write_text("changed")
    sentence = f"package '{folder}': README.md: it is not what its checksum says"
    failing(sentence, "data", "--package", folder, "--go")
    assert kaggle.calls == []


def test_a_package_without_a_wheel_is_refused(kaggle, failing, tmp_path):
    package(tmp_path / "bare", version="mini-1", images=5)
    failing(
        f"package '{tmp_path / 'bare'}' carries no wheel of fdd, which notebooks without internet "
        "install; make it again with --wheels",
        "data",
        "--package",
        tmp_path / "bare",
        "--go",
    )
    assert kaggle.calls == []
