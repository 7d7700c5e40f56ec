"""`python -m core` as a program that cannot leave this machine."""

import sys

from core.commands.bots import main
from tests.telegram.loopback import stay_on_loopback

if __name__ == "__main__":
    stay_on_loopback()
    sys.exit(main())
