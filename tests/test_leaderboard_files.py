"""Files that are no results, or that cannot stand in one table, are refused in one sentence."""

import copy
import doctest
import json

import pytest
from test_leaderboard import refused, result, write

from benchmarks.leaderboard import leaderboard
from benchmarks.reporting import results
from fdd import FddError


def test_examples_in_docstrings():
    found = doctest.testmod(results)
    assert found.failed == 0 < found.attempted


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": "mine"}, "protocol='mine' and {} 'correspondence-2'"),
        ({"data_version": "fdd-1"}, "data_version='fdd-1' and {} 'mini-1'"),
        ({"settings": {"seed": 0, "draws": 99}}, "settings.draws=99 and {} 999"),
        ({"settings": {"seed": 0}}, "settings.draws=None and {} 999"),
        ({"settings": {"seed": 0, "draws": 999, "x": 1}}, "settings.x=1 and {} None"),
        ({"image_size": 16}, "image_size=16 and {} None"),
        ({"oracle": {"origin": "mine", "sha256": "ab"}}, "oracle='ab' and {} None"),
        ({"deviations": ["draws is 9, not 999"]}, "deviations=['draws is 9, not 999'] and {} []"),
    ],
)
def test_files_that_were_not_made_in_the_same_way_are_refused(tmp_path, changes, reason):
    first, second, third = write(tmp_path, a=result(), b=result("aae"), c=result("vae", **changes))
    refused(
        f"'{third}' has {reason.format(repr(str(first)))}: they cannot stand in one table",
        [first, second, third],
    )


def test_the_same_result_twice_is_refused(tmp_path):
    one, other = write(tmp_path, a=result(), b=result(score=0.6))
    again = (
        f"'{other}' and '{one}' are results of the same model: name='lsd', weights_sha256='lsd0'"
    )
    refused(again, [one, other])
    refused(f"'{one}' is given twice", [one, one])
    link = tmp_path / "link.json"
    link.symlink_to(one)
    refused(f"'{link}' is given twice", [one, link])
    write(tmp_path, b=result(weights_sha256="w"))
    refused(
        f"'{other}' and '{one}' have the same name='lsd', config and seed=0, but other weights: "
        "name them apart",
        [one, other],
    )
    alone = result(config=None, weights_sha256="")
    write(tmp_path, a=alone, b=alone)
    refused(again.replace("'lsd0'", "''"), [one, other])
    write(tmp_path, b=alone | {"scores": result(score=0.1)["scores"]})
    assert len(leaderboard([one, other]).lines) == 2


def broken(*keys, value=None):
    """A result with another value, or with nothing, at that place."""
    content = copy.deepcopy(result())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return content


MCC = "score 'mcc/canonical'"
RAW = ("scores", "mcc", "canonical")
NAME = "name of at most 80 printable characters that begins with a letter or a digit"
PLAIN = f"must have a {NAME}, without '/'"
CELLS = "must be an object of cells, with 'score' in each"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", " is no strict JSON: Expecting property name enclosed in double quotes: line 1"),
        ("[]", " is no result file: it holds no JSON object"),
        ("[" * 200_000, " is no strict JSON: "),
        ('{"a": NaN}', " is no strict JSON: Out of range float values"),
        ('{"a": 1e999}', " is no strict JSON: Out of range float values"),
        ('{"a": "\\ud800"}', " is no strict JSON: 'utf-8' codec can't encode"),
        *((broken(key), f" is no result file: it lacks '{key}'") for key in results.KEYS),
        (result(scores={}), " is no result file: it has no scores"),
        (broken("settings", value=[]), " is no result file: settings=[]"),
        (broken("config", value=3), " is no result file: config=3"),
        (broken("deviations", value=[1]), " is no result file: 1 is no printable text"),
        (
            broken("protocol", value="\x1b[2J"),
            r" is no result file: '\x1b[2J' is no printable text",
        ),
        *(
            (broken("name", value=name), f": name={name!r:.40} must be a {NAME}")
            for name in ("-", "=1+1", "a\nb", "a\u202eb", "x" * 81)
        ),
        (broken(*RAW, value={}), f": {MCC} {CELLS}"),
        (broken(*RAW, value=[1]), f": {MCC} {CELLS}"),
        (broken(*RAW, value={"p": 1}), f": score 'mcc/canonical/p' {CELLS}"),
        (broken(*RAW, value={"a": {"b": {"score": 1}}}), f": score 'mcc/canonical/a' {CELLS}"),
        (broken("scores", "mcc", value=0.5), f": score 'mcc' {CELLS}"),
        (broken("scores", "=x", value={"s": {"score": 1}}), f": score '=x' {PLAIN}"),
        (broken("scores", "mcc", "a/b", value={"score": 1}), f": score 'mcc/a/b' {PLAIN}"),
        (broken(*RAW, "score", value="1"), f": {MCC} has score='1': it must be a number"),
        (broken(*RAW, "score", value=True), f": {MCC} has score=True: it must be a number"),
        (broken(*RAW, "low", value=[]), f": {MCC} has low=[]: it must be a number"),
        (broken(*RAW, "p", value=1e101), f": {MCC} has p=1e+101: at most 1e100 in size is allowed"),
        (broken(*RAW, "score", value=-(10**400)), f": {MCC} has score=-1000"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, content, reason):
    good, bad = write(tmp_path, good=result("aae"), bad=content)
    with pytest.raises(FddError) as caught:
        leaderboard([good, bad])
    assert str(caught.value).startswith(f"'{bad}'{reason}")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_is_refused(tmp_path):
    refused("files is empty: give at least one result file", [])
    none = tmp_path / "none.json"
    refused(f"'{none}' cannot be read: No such file or directory", [none])
    refused(f"'{tmp_path}' cannot be read: Is a directory", [tmp_path])
    (large,) = write(tmp_path, large=json.dumps(result()) + " " * 20_000_000)
    refused(f"'{large}' has more than 20 MB: that is no result file", [large])
