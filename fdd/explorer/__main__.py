"""`python -m fdd.explorer`."""

import sys

from fdd.explorer.command import main

if __name__ == "__main__":
    sys.exit(main())
