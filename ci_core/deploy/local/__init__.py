"""The local target: a supervisor on this machine that owns a port and switches server processes behind it."""

from ci_core.deploy.local.options import LocalOptions
from ci_core.deploy.local.target import LocalTarget

__all__ = ["LocalOptions", "LocalTarget"]
