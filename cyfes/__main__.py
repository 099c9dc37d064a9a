"""``python -m cyfes``."""

import sys

from cyfes.cli import main

sys.exit(main())
