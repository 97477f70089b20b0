"""What all samples of the flights story have in common: two commits and the two releases made of them."""

from __future__ import annotations

BASE = "c2a94f7713de08b6a5c41f29e8d07b36f1a2c3d4"
HEAD = "5d1c7e0b9a3f4e21c88d6f0a7b3c2e19d4f5a601"
OLD_RELEASE = "77ab20c49fd1e863" + "5b" * 24
"""Made of ``BASE``, and live."""
NEW_RELEASE = "8c1f0d2e6ab94750" + "3e" * 24
"""Made of ``HEAD``."""
