"""`python -m core` as a program that trusts one more server: the loopback Telegram, by its key in TELEGRAM_KEY."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

if __name__ == "__main__":
    from telethon.crypto import rsa

    from core.commands.bots import main
    from tests.telegram.loopback import stay_on_loopback

    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # tests that run in a shell's background inherit it ignored
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as those under nohup do
    stay_on_loopback()
    rsa.add_key(os.environ["TELEGRAM_KEY"], old=False)
    sys.exit(main())
