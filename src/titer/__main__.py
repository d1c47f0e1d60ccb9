"""`python -m titer`, the same as the command `titer`."""

import sys

from titer.cli import main

sys.exit(main())
