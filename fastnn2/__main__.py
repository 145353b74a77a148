"""``python -m fastnn2`` runs the command ``fastnn2``."""

import sys

from fastnn2.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
