"""``python -m durabletest`` is the command ``durabletest``."""

import sys

from durabletest.parity import main

if __name__ == "__main__":
    sys.exit(main())
