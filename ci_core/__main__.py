"""``python -m ci_core``: the same as the ``graphship`` command."""

from ci_core.cli import main

if __name__ == "__main__":
    main()
