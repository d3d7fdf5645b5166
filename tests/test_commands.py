"""How every command ends: exit status and what it says, whatever goes wrong."""

import importlib
import os
import subprocess
import sys

import pytest

from fdd import FddError
from fdd.commands import command

MODULES = [
    "fdd.cli",
    "baselines.__main__",
    "baselines.aae",
    "baselines.dcgan",
    "baselines.lsd",
    "baselines.interpolate",
    "baselines.recipes",
    "baselines.sweep",
    "baselines.train",
    "benchmarks.__main__",
    "benchmarks.correspondence",
    "benchmarks.leaderboard",
    "benchmarks.mini",
    "benchmarks.reader",
    "benchmarks.recipes",
    "benchmarks.references",
    "benchmarks.report",
]


@pytest.mark.parametrize(
    ("ending", "status", "said"),
    [
        (FddError("size=1 must be a whole number from 2 to 4096"), 2, "error: size=1 must be "),
        (PermissionError(13, "Permission denied", "/no"), 2, "error: [Errno 13] Permission denied"),
        (KeyboardInterrupt(), 130, "stopped; run the same command again to go on\n"),
        (BrokenPipeError(), 1, ""),
    ],
)
def test_a_command_ends_with_one_line_and_a_status(ending, status, said):
    program = (
        "import sys\nfrom fdd.commands import command\nfrom fdd import FddError\n"
        "@command(stopped='stopped; run the same command again to go on')\n"
        f"def main():\n    raise {ending!r}\nsys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == bool(said)


def test_what_is_no_mistake_of_the_user_keeps_its_traceback():
    @command()
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main()


def test_a_command_returns_its_own_status_and_keeps_its_name():
    @command()
    def main(status: int) -> int:
        """Does it."""
        return status

    assert (main(0), main(1), main.__name__, main.__doc__) == (0, 1, "main", "Does it.")


def test_a_reader_that_has_gone_ends_a_command_quietly():
    """As in `fdd info | head -0`."""
    read, write = os.pipe()
    os.close(read)
    program = (
        "import sys\nfrom fdd.commands import command\n"
        "@command()\ndef main():\n    print('x')\n    return 0\nsys.exit(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.parametrize("module", MODULES)
def test_every_command_ends_so(module):
    main = importlib.import_module(module).main
    assert main.__wrapped__.__name__ == "main"
