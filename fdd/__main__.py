"""`python -m fdd`: the command line."""

from fdd.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
