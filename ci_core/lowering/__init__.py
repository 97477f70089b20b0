"""Turn scikit-learn estimators into equal, cheaper forms that need no scikit-learn, when a release is made.

Linear models become a file that numpy runs, trees an ONNX file; scalers, imputers and encoders before them numpy. A
replay of rows decides whether both forms say the same. Called by the operations that make releases; what runs in the
pod is ``ci_core.serving.models.lowered``.
"""

from __future__ import annotations

from ci_core.lowering.decide import lower_graph
from ci_core.lowering.spec import Decision, LoweredGraph, ReplayRows

__all__ = ["Decision", "LoweredGraph", "ReplayRows", "lower_graph"]
