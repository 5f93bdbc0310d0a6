"""``python -m soleil_remediate``: the same as the installed program."""

import sys

from soleil_remediate.cli import main

if __name__ == "__main__":
    sys.exit(main())
