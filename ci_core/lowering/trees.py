"""Trees and forests of scikit-learn as one ONNX node, which sums what the leaves hold.

The node compares float64 numbers, as scikit-learn's trees do, so no row falls to the other side of a threshold; the
sums are float32. Sums are taken of the leaves as they are and divided afterwards, in float64: a vote of 50 against 50
trees stays a draw. (The converter of the skl2onnx project divides the leaves first, and of an even number of trees
with pure leaves it turned 3 % of the labels; of gradient boosting by histograms it could convert none.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ci_core.errors import MissingExtraError
from ci_core.lowering.document import number, number_list
from ci_core.lowering.preparation import class_name
from ci_core.lowering.spec import NAME_DIGITS, NotLowerableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SINGLE = frozenset({"DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor"})
_FORESTS = frozenset({
    "ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor",
})  # fmt: skip
_BOOSTED = frozenset({"GradientBoostingClassifier", "GradientBoostingRegressor"})
_BY_HISTOGRAM = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
TREES = _SINGLE | _FORESTS | _BOOSTED | _BY_HISTOGRAM
_MOST_NODES = 2_000_000
"""A million take a gigabyte while the file is written."""
_OPSET, _IR_VERSION = 3, 9
"""Of ai.onnx.ml, the first with float64 thresholds; of the file. Both are read by every onnxruntime from 1.15."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """The nodes of one tree; every field has one entry a node."""

    feature: NDArray[Any]
    threshold: NDArray[Any]
    left: NDArray[Any]
    """-1 for a leaf."""
    right: NDArray[Any]
    missing_goes_left: NDArray[Any]
    values: NDArray[Any]
    """What a leaf adds to each score, ``(n_nodes, n_scores)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ensemble:
    trees: Sequence[_Tree]
    scale: float
    """What the sums are multiplied with."""
    link: str
    is_single: bool = True
    """Whether features are rounded to float32 before they are compared."""
    is_additive: bool = False
    """Whether there are offsets, to be found by asking the estimator."""


def tree_model(estimator: Any, n_features: int) -> tuple[dict[str, Any], bytes]:
    """Return score and link of a fitted estimator of trees, and the ONNX file they need.

    Raises:
        NotLowerableError: it predicts several targets, or splits by categories.
        MissingExtraError: ``onnx`` is not installed.
    """
    ensemble = _ensemble(estimator)
    n_scores = ensemble.trees[0].values.shape[1]
    content = _onnx_file(ensemble.trees, n_features, n_scores)
    offsets = _offsets(estimator, ensemble, n_features) if ensemble.is_additive else np.zeros(n_scores)
    digest = hashlib.sha256(content).hexdigest()
    score = {
        "trees": f"{digest[:NAME_DIGITS]}.onnx",
        "digest": f"sha256:{digest}",
        "as": "float32" if ensemble.is_single else "float64",
        "scale": number(ensemble.scale),
        "offsets": number_list(offsets),
    }
    return {"score": score, "link": ensemble.link, "accepts": _accepts(estimator, n_features)}, content


def _accepts(estimator: Any, n_features: int) -> str:
    """Find out by asking which features the estimator refuses."""
    rows = np.zeros((2, n_features))
    for value, accepts in ((np.inf, "any"), (np.nan, "nan")):
        rows[0, 0] = value
        try:
            estimator.predict(rows)
        except ValueError:
            continue
        return accepts
    return "finite"


def _ensemble(estimator: Any) -> _Ensemble:
    name = class_name(estimator)
    if getattr(estimator, "n_outputs_", 1) != 1:
        raise NotLowerableError("predicts several targets")
    is_classifier = hasattr(estimator, "classes_")
    if name in _SINGLE or name in _FORESTS:
        parts = [estimator] if name in _SINGLE else estimator.estimators_
        trees = [
            _tree(part.tree_, _shares(part.tree_.value[:, 0, :]) if is_classifier else part.tree_.value[:, 0, :])
            for part in parts
        ]
        return _Ensemble(trees=trees, scale=1.0 / len(trees), link="share" if is_classifier else "value")
    if name in _BOOSTED:
        return _boosted(estimator, is_classifier=is_classifier)
    return _by_histogram(estimator, is_classifier=is_classifier)


def _shares(values: NDArray[Any]) -> NDArray[Any]:
    """Return each node's classes as shares; scikit-learn before 1.3 has counts."""
    sums = values.sum(axis=1, keepdims=True)
    is_whole = np.isclose(sums, 1.0, rtol=0.0, atol=1e-9)
    return np.where(is_whole, values, values / np.where(sums == 0.0, 1.0, sums))


def _tree(tree: Any, values: NDArray[Any]) -> _Tree:
    missing = getattr(tree, "missing_go_to_left", None)
    return _Tree(
        feature=tree.feature,
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_goes_left=np.zeros(tree.node_count, dtype=np.int64) if missing is None else missing,
        values=values,
    )


def _boosted(estimator: Any, *, is_classifier: bool) -> _Ensemble:
    if estimator.init_ != "zero" and class_name(estimator.init_) not in {"DummyClassifier", "DummyRegressor"}:
        raise NotLowerableError("begins with another estimator (`init`)")
    n_scores = estimator.estimators_.shape[1]
    trees = [
        _tree(part.tree_, _at(part.tree_.value[:, 0, 0] * estimator.learning_rate, index, n_scores))
        for stage in estimator.estimators_
        for index, part in enumerate(stage)
    ]
    scale = 2.0 if is_classifier and estimator.loss == "exponential" else 1.0
    return _Ensemble(
        trees=trees, scale=scale, link=_boosted_link(n_scores, is_classifier=is_classifier), is_additive=True
    )


def _by_histogram(estimator: Any, *, is_classifier: bool) -> _Ensemble:
    stages = estimator._predictors  # noqa: SLF001 - nothing public has the trees
    if any(tree.nodes["is_categorical"].any() for stage in stages for tree in stage):
        raise NotLowerableError("splits by categories (`categorical_features`)")
    if getattr(estimator, "_preprocessor", None) is not None:
        raise NotLowerableError("encodes categories by itself (`categorical_features`)")
    n_scores = len(stages[0])
    trees = [
        _Tree(
            feature=tree.nodes["feature_idx"],
            threshold=tree.nodes["num_threshold"],
            left=np.where(tree.nodes["is_leaf"], -1, tree.nodes["left"].astype(np.int64)),
            right=tree.nodes["right"],
            missing_goes_left=tree.nodes["missing_go_to_left"],
            values=_at(tree.nodes["value"], index, n_scores),
        )
        for stage in stages
        for index, tree in enumerate(stage)
    ]
    link = _boosted_link(n_scores, is_classifier=is_classifier)
    if not is_classifier and estimator.loss in {"gamma", "poisson"}:
        link = "exponential"
    return _Ensemble(trees=trees, scale=1.0, link=link, is_single=False, is_additive=True)


def _boosted_link(n_scores: int, *, is_classifier: bool) -> str:
    if not is_classifier:
        return "value"
    return "logistic" if n_scores == 1 else "softmax"


def _at(values: NDArray[Any], index: int, n_scores: int) -> NDArray[Any]:
    """Return leaves that add to one of the scores."""
    placed = np.zeros((len(values), n_scores))
    placed[:, index] = values
    return placed


def _offsets(estimator: Any, ensemble: _Ensemble, n_features: int) -> NDArray[Any]:
    """Return what the trees' sums are added to: what the estimator says of one row, less the sums of that row."""
    row = np.zeros((1, n_features))
    if hasattr(estimator, "decision_function"):
        said = np.asarray(estimator.decision_function(row), dtype=np.float64).ravel() * ensemble.scale
    else:
        said = np.asarray(estimator.predict(row), dtype=np.float64).ravel()
        said = np.log(said) if ensemble.link == "exponential" else said
    sums = np.sum([tree.values[_leaf_of_zeros(tree)] for tree in ensemble.trees], axis=0) * ensemble.scale
    return np.asarray(said - sums)


def _leaf_of_zeros(tree: _Tree) -> int:
    """Return the leaf that a row of zeros falls into."""
    node = 0
    while tree.left[node] >= 0:
        node = int(tree.left[node] if tree.threshold[node] >= 0.0 else tree.right[node])
    return node


def _onnx_file(trees: Sequence[_Tree], n_features: int, n_scores: int) -> bytes:
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError(extra="lower", module="onnx") from error
    n_nodes = sum(len(tree.left) for tree in trees)
    if n_nodes > _MOST_NODES:
        raise NotLowerableError(f"has {n_nodes:,} nodes, and {_MOST_NODES:,} are lowered at most")
    attributes, thresholds, weights = _attributes(trees)
    tensors: dict[str, Any] = {
        "nodes_values_as_tensor": numpy_helper.from_array(thresholds, "thresholds"),
        "target_weights_as_tensor": numpy_helper.from_array(weights, "weights"),
        **attributes,
    }
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        n_targets=n_scores,
        aggregate_function="SUM",
        post_transform="NONE",
        **tensors,
    )
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, n_features])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, n_scores])],
    )
    opsets = [helper.make_opsetid("ai.onnx.ml", _OPSET), helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="graphship")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _attributes(trees: Sequence[_Tree]) -> tuple[dict[str, list[Any]], NDArray[Any], NDArray[Any]]:
    """Return the lists that the node wants, thresholds, and the weights of the leaves."""
    attributes: dict[str, list[Any]] = {name: [] for name in _ATTRIBUTES}
    thresholds, weights = [], []
    for number_of_tree, tree in enumerate(trees):
        is_leaf = np.asarray(tree.left) < 0
        count = len(is_leaf)
        thresholds.append(np.where(is_leaf, 0.0, tree.threshold))
        attributes["nodes_treeids"] += [number_of_tree] * count
        attributes["nodes_nodeids"] += range(count)
        attributes["nodes_featureids"] += np.where(is_leaf, 0, tree.feature).tolist()
        attributes["nodes_modes"] += np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist()
        attributes["nodes_truenodeids"] += np.where(is_leaf, 0, tree.left).tolist()
        attributes["nodes_falsenodeids"] += np.where(is_leaf, 0, tree.right).tolist()
        attributes["nodes_missing_value_tracks_true"] += np.where(is_leaf, 0, tree.missing_goes_left).tolist()
        counts = is_leaf[:, None] & (tree.values != 0.0)
        counts[:, 0] |= is_leaf  # a leaf that adds nothing still is one
        leaves, scores = np.nonzero(counts)
        attributes["target_treeids"] += [number_of_tree] * len(leaves)
        attributes["target_nodeids"] += leaves.tolist()
        attributes["target_ids"] += scores.tolist()
        weights.append(tree.values[leaves, scores])
    return attributes, np.concatenate(thresholds).astype(np.float64), np.concatenate(weights).astype(np.float64)


_ATTRIBUTES = (
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_modes",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_missing_value_tracks_true",
    "target_treeids",
    "target_nodeids",
    "target_ids",
)
