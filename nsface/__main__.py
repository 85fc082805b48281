"""`nsface`, and `python -m nsface`: the command line as a program of its own."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # until ours is there: no traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from nsface.cli import main

if __name__ == "__main__":
    main()
