"""`python -m dff`: the command line."""

import sys

from dff.cli import main

if __name__ == "__main__":
    sys.exit(main())
