"""``python -m ci_core.behaviour``: answer requests with the graph of one commit, as ``side.py`` orders."""

import os
import sys

from ci_core.behaviour.worker import main

if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads that the graph left behind are not waited for
