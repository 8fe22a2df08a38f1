"""``python -m schedule_explorer`` is the command ``schedule-explorer``."""

import sys

from schedule_explorer.cli import main

if __name__ == "__main__":
    sys.exit(main())
