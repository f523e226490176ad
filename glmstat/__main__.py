"""`python -m glmstat`: the command line."""

from __future__ import annotations

import sys

from glmstat.report.cli import main

if __name__ == "__main__":
    sys.exit(main())
