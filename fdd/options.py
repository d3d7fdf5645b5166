"""Options of commands: a dataclass declares them; here they are read and explained.

A field is an option: `batch_size: int = 16` is --batch-size, and the text below it in the source is
what --help says of it.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import pkgutil
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from fdd.commands import say
from fdd.errors import FddError, known, meant, shown

T = TypeVar("T")

METAVARS = {int: "N", float: "X", str: "TEXT"}
"""What stands for a value in the help; PATH for all other types."""
HELP = ("-h", "--help")


@dataclass(frozen=True)
class Arg:
    """What the type of a field does not say of its option; it goes into `Annotated`."""

    metavar: str | None = None
    default: str | None = None
    """What the help says in place of the default."""
    positional: bool = False
    each: bool = False
    """Of a tuple: the option is given once for each of its values."""


def one_of(names: Iterable[str]) -> Arg:
    """An option whose value is one of these names, for the help; who uses the value checks it."""
    return Arg(f"{{{','.join(names)}}}")


class Parser(argparse.ArgumentParser):
    """argparse, with the mistakes of users as all commands have them."""

    def error(self, message: str) -> NoReturn:
        raise FddError(message)


def parse(kind: type[T], argv: Sequence[str], prog: str) -> T:
    """The dataclass that the words of a command line give.

    FddError for what is unknown, missing or no value of its option; --help prints and leaves.
    """
    return kind(**given([kind], argv, prog, inspect.getdoc(kind) or ""))


def parse_one(kinds: Mapping[str, type], argv: Sequence[str], prog: str, about: str) -> Any:
    """The dataclass of the command that a command line begins with, as `choose` and `parse`."""
    name, others = choose(argv, first_lines(kinds), prog, about)
    return parse(kinds[name], others, f"{prog} {name}")


def first_lines(kinds: Mapping[str, type]) -> dict[str, str]:
    """The first line of the text of each dataclass."""
    return {name: (inspect.getdoc(kind) or "").partition("\n")[0] for name, kind in kinds.items()}


def given(kinds: Sequence[Any], argv: Sequence[str], prog: str, about: str) -> dict[str, Any]:
    """The options that were given, by the names of their fields, of one or several dataclasses.

    Of an instance the help shows the values as defaults. FddError and --help as in `parse`.
    """
    parser = parser_of(kinds, prog=prog, description=filled(about))
    found, others = parser.parse_known_args(list(map(_spelled, argv)))
    if others:
        word = next((one for one in others if one.startswith("-")), others[0]).strip()
        near = meant(word, [_option(field.name) for kind in kinds for field in fields(kind)])
        what = "option" if word.startswith("-") else "word"
        raise FddError(f"{what}={shown(word)} is not known{near}; {prog} --help lists what is")
    return _values(kinds, found)


def glance(kind: Any, argv: Sequence[str]) -> dict[str, Any]:
    """The options of a dataclass that were given, among others that are left alone."""
    found, _ = parser_of([kind], add_help=False).parse_known_args(list(map(_spelled, argv)))
    return _values([kind], found)


def parser_of(kinds: Sequence[Any], **settings: Any) -> Parser:
    """The parser of the options of dataclasses; what it finds are texts, and only those given."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(formatter_class=raw, argument_default=argparse.SUPPRESS, **settings)
    usage = ["%(prog)s [OPTIONS]"]
    for kind in kinds:
        hints, texts = _hints(kind), field_texts(kind)
        for field in fields(kind):
            name, told = field.name, _declared(kind, field, hints[field.name])
            arg = _arg(hints[name])
            text = f"{texts.get(name, '')} {_default(kind, field, arg)}".strip()
            option = name if arg.positional else _option(name)
            parser.add_argument(option, help=text.replace("%", "%%"), **told)
            if arg.positional:
                shape = {"*": "[{0} ...]", "?": "[{0}]"}.get(told.get("nargs", ""), "{0}")
                usage.append(shape.format(told["metavar"]))
    parser.usage = " ".join(usage)
    return parser


def field_texts(kind: Any) -> dict[str, str]:
    """The texts below the fields of a dataclass, by name; none where its source is not there."""
    texts = {}
    for base in reversed((kind if isinstance(kind, type) else type(kind)).__mro__):
        if not is_dataclass(base):
            continue
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError):
            continue
        for here, below in pairwise(getattr(tree, "body", [])):
            if isinstance(here, ast.AnnAssign) and isinstance(below, ast.Expr):
                texts[ast.unparse(here.target)] = " ".join(ast.literal_eval(below.value).split())
    return texts


def value_of(name: str, text: str, hint: Any) -> Any:
    """A text as a value of a type: bool, int, float, str, Path, Literal, any of them or None.

    FddError that names the option if it is none.
    """
    if get_origin(hint) is Annotated:
        return value_of(name, text, get_args(hint)[0])
    if type(None) in get_args(hint):
        (other,) = set(get_args(hint)) - {type(None)}
        return None if text == "None" else value_of(name, text, other)
    if hint is bool or get_origin(hint) is Literal:
        values = {"true": True, "false": False, "True": True, "False": False}
        named = values if hint is bool else {str(one): one for one in get_args(hint)}
        known(name, text, named)
        return named[text]
    try:
        return hint(text)
    except ValueError:
        number = "a whole number" if hint is int else "a number"
        raise FddError(f"{name}={shown(text)} must be {number}") from None


def choose(
    argv: Sequence[str], choices: Mapping[str, str], prog: str, about: str, what: str = "command"
) -> tuple[str, list[str]]:
    """The first word of a command line, one of the choices, and the words after it.

    --help in its place lists the choices, each with its line, and leaves. FddError for another.
    """
    if not argv:
        raise FddError(f"{prog} needs a {what}: {', '.join(choices)}")
    first, *others = argv
    if first in HELP:
        usage = f"usage: {prog} {what.upper()} [OPTIONS]"
        end = f"{prog} {what.upper()} --help explains one."
        say("\n\n".join([usage, filled(about), listing(choices), end]))
        raise SystemExit(0)
    known(what, first, choices)
    return first, others


def catalogue(package: str, argv: Sequence[str]) -> str:
    """What `python -m PACKAGE` says: the commands of a package, each with a line about it.

    FddError for any word besides --help.
    """
    lines = summaries(package)
    for word in argv:
        if word not in HELP:
            near = meant(word, lines)
            raise FddError(f"write python -m {package}.NAME; {shown(word)} is not known here{near}")
    prog = f"python -m {package}.NAME"
    return f"usage: {prog} [OPTIONS]\n\n{listing(lines)}\n\n{prog} --help explains one."


def listing(lines: Mapping[str, str]) -> str:
    """Names, each with a line about it that is broken where the terminal ends."""
    column = max(map(len, lines)) + 4
    return "\n".join(
        textwrap.fill(f"  {name:{column - 2}}{line}", _width(), subsequent_indent=" " * column)
        for name, line in lines.items()
    )


def summaries(package: str) -> dict[str, str]:
    """The modules of a package that are commands, by name, each with the first line of its text.

    They are read, not imported. Without its source a module is not told from others, and is left
    out.
    """
    found = {}
    for _, name, _ in pkgutil.iter_modules(import_module(package).__path__):
        loader: Any = getattr(find_spec(f"{package}.{name}"), "loader", None)
        source = loader.get_source(f"{package}.{name}") or ""
        if name != "__main__" and 'if __name__ == "__main__":' in source:
            found[name] = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    return found


def filled(text: str) -> str:
    """Paragraphs, broken where the terminal ends."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(textwrap.fill(paragraph, _width()) for paragraph in paragraphs)


def _width() -> int:
    return shutil.get_terminal_size().columns - 2


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _spelled(word: str) -> str:
    """A word as argparse takes it: --batch_size with a hyphen, -1e-3 after a blank, as a value."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name.replace("_", "-") + equals + value
    return f" {word}" if word.startswith("-") and _numbers(word) else word


def _numbers(word: str) -> bool:
    """Whether a word is a number, or several with commas between them."""
    try:
        return bool([float(one) for one in word.split(",") if one])
    except ValueError:
        return False


def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind if isinstance(kind, type) else type(kind), include_extras=True)


def _arg(hint: Any) -> Arg:
    return next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Arg)), Arg())


def _bare(hint: Any) -> Any:
    """A type without what `Annotated` adds and without None."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if type(None) in get_args(hint):
        return _bare(next(one for one in get_args(hint) if one is not type(None)))
    return hint


def _declared(kind: Any, field: Field[Any], hint: Any) -> dict[str, Any]:
    """What argparse is told of a field, besides its name and its help."""
    arg, bare = _arg(hint), _bare(hint)
    if bare is bool:
        return {"action": argparse.BooleanOptionalAction}
    told: dict[str, Any] = {}
    if get_origin(bare) is tuple:
        bare, told = _bare(get_args(bare)[0]), {"action": "append"} if arg.each else {"nargs": "*"}
    if get_origin(bare) is tuple:
        bare, told["nargs"] = _bare(get_args(bare)[0]), "+"
    is_missing = isinstance(kind, type) and field.default is MISSING
    if arg.positional and not told and not is_missing:
        told["nargs"] = "?"
    if not arg.positional and is_missing:
        told["required"] = True
    choices = f"{{{','.join(map(str, get_args(bare)))}}}" if get_origin(bare) is Literal else None
    return told | {"metavar": arg.metavar or choices or METAVARS.get(bare, "PATH")}


def _default(kind: Any, field: Field[Any], arg: Arg) -> str:
    value = field.default if isinstance(kind, type) else getattr(kind, field.name)
    if arg.default is not None:
        return f"(default: {arg.default})"
    if value is MISSING or value is None or value == ():
        return ""
    if isinstance(value, bool):
        value = "on" if value else "off"
    return f"(default: {' '.join(map(str, value)) if isinstance(value, tuple) else value})"


def _values(kinds: Sequence[Any], found: argparse.Namespace) -> dict[str, Any]:
    """What the parser found, by name, as values of the fields' types."""
    hints = {name: hint for kind in kinds for name, hint in _hints(kind).items()}
    return {name: _value(name, given, hints[name]) for name, given in vars(found).items()}


def _value(name: str, given: Any, hint: Any) -> Any:
    bare = _bare(hint)
    if isinstance(given, bool):
        return given
    if get_origin(bare) is not tuple:
        return value_of(name, given.lstrip() if _numbers(given) else given, hint)
    one = get_args(bare)[0]
    if _bare(one) in (int, float):
        given = [word for word in re.split(r"[,\s]+", " ".join(given)) if word]
    return tuple(_value(name, each, one) for each in given)
