"""Log bots in; see --help."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from core.commands.bots import main

if __name__ == "__main__":
    sys.exit(main())
