#!/usr/bin/env python3
"""Put unused Telethon session files right; see --help."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from core.commands.cleanup import main

if __name__ == "__main__":
    sys.exit(main())
