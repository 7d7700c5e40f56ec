#!/usr/bin/env python3
"""Look at the fleet without changing anything; see --help."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from core.commands.monitor import main

if __name__ == "__main__":
    sys.exit(main())
