"""graphship: continuous delivery for machine learning, run by the repository itself.

Nothing is imported here: ``graphship --help`` and a serving pod both start by importing this package.
"""

__version__ = "0.1.0"
