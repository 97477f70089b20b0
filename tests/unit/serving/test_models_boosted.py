"""XGBoost's and LightGBM's own answers are what is expected of their files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pytest
import xgboost

from ci_core.errors import BrokenModelError, MissingExtraError
from ci_core.serving import RequestError
from ci_core.serving.models import model_from_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ci_core.serving.models.tabular import TabularModel

NAMES = ["a", "b", "c"]
RNG = np.random.default_rng(3)
TABLE = RNG.normal(size=(120, 3))
BINARY = (TABLE[:, 0] + TABLE[:, 1] > 0).astype(int)
CLASSES = np.digitize(TABLE[:, 0], [-0.5, 0.5])
ROWS: list[dict[str, Any]] = [dict(zip(NAMES, row, strict=True)) for row in TABLE[:20].tolist()]
ROWS[3]["b"] = None
ASKED = TABLE[:20].copy()
ASKED[3, 1] = np.nan


def loaded(file: Path, columns: list[str] | None = None) -> TabularModel:
    model: Any = model_from_file(file.name, root=file.parent, columns=columns or ())
    model.load()
    return model  # type: ignore[no-any-return]


def xgb(
    file: Path, target: NDArray[Any], objective: str, names: list[str] | None = NAMES, **more: Any
) -> xgboost.Booster:
    data = xgboost.DMatrix(TABLE, target, feature_names=names, feature_types=more.pop("types", None))
    more |= {"num_class": 3} if objective.startswith("multi") else {}
    booster = xgboost.train({"objective": objective, "max_depth": 3, "nthread": 1, **more}, data, num_boost_round=6)
    booster.save_model(file)
    return booster


def lgb(file: Path, target: NDArray[Any], objective: str, names: Any = NAMES, **more: Any) -> lightgbm.Booster:
    more |= {"num_class": 3} if objective.startswith("multi") else {}
    parameters = {"objective": objective, "verbose": -1, "num_leaves": 5, "num_threads": 1, **more}
    booster = lightgbm.train(parameters, lightgbm.Dataset(TABLE, target, feature_name=names), num_boost_round=6)
    booster.save_model(file)
    return booster


def answers_of(model: TabularModel) -> tuple[list[Any], list[Any]]:
    answers: list[Any] = list(model.call(ROWS).answers)
    return [one["prediction"] for one in answers], [one.get("probability") for one in answers]


@pytest.mark.parametrize("suffix", ["ubj", "json"])
def test_a_binary_xgboost_classifier_answers_the_label_and_the_probability_of_class_one(
    suffix: str, tmp_path: Path
) -> None:
    booster = xgb(tmp_path / f"m.{suffix}", BINARY, "binary:logistic")

    model = loaded(tmp_path / f"m.{suffix}")
    labels, probabilities = answers_of(model)

    expected = booster.predict(xgboost.DMatrix(ASKED, feature_names=NAMES))
    assert model.input_columns == ("a", "b", "c")
    assert model.n_classes == 2
    assert probabilities == pytest.approx(expected.tolist(), abs=1e-6)
    assert labels == [1 if one > 0.5 else 0 for one in expected]
    assert 0 < sum(labels) < 20


def test_an_xgboost_classifier_of_log_odds_answers_probabilities_all_the_same(tmp_path: Path) -> None:
    booster = xgb(tmp_path / "m.ubj", BINARY, "binary:logitraw")

    labels, probabilities = answers_of(loaded(tmp_path / "m.ubj"))

    margins = booster.predict(xgboost.DMatrix(ASKED, feature_names=NAMES))
    assert labels == [1 if one > 0 else 0 for one in margins]
    assert probabilities == pytest.approx((1 / (1 + np.exp(-margins))).tolist(), abs=1e-6)


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
def test_an_xgboost_classifier_of_several_classes_answers_the_likeliest(objective: str, tmp_path: Path) -> None:
    xgb(tmp_path / "m.ubj", CLASSES, objective)
    reference = xgb(tmp_path / "other.ubj", CLASSES, "multi:softprob")

    labels, probabilities = answers_of(loaded(tmp_path / "m.ubj"))

    expected = reference.predict(xgboost.DMatrix(ASKED, feature_names=NAMES))
    assert labels == expected.argmax(axis=1).tolist()
    assert set(labels) == {0, 1, 2}
    if objective == "multi:softprob":
        assert probabilities == pytest.approx(expected.max(axis=1).tolist(), abs=1e-6)


def test_an_xgboost_regression_answers_its_value_and_scores_a_table(tmp_path: Path) -> None:
    booster = xgb(tmp_path / "m.ubj", TABLE[:, 0] * 3, "reg:squarederror")

    model = loaded(tmp_path / "m.ubj")
    labels, probabilities = answers_of(model)

    expected = booster.predict(xgboost.DMatrix(ASKED, feature_names=NAMES))
    assert labels == pytest.approx(expected.tolist(), abs=1e-6)
    assert set(probabilities) == {None}
    assert model.score(dict(zip(NAMES, ASKED.T, strict=True))) == pytest.approx(expected, abs=1e-6)


def test_an_xgboost_model_that_stopped_early_answers_without_the_trees_after_the_best(tmp_path: Path) -> None:
    train = xgboost.DMatrix(TABLE[:60], BINARY[:60], feature_names=NAMES)
    check = xgboost.DMatrix(TABLE[60:], 1 - BINARY[60:], feature_names=NAMES)  # only gets worse
    booster = xgboost.train(
        {"objective": "binary:logistic", "nthread": 1},
        train,
        num_boost_round=30,
        evals=[(check, "check")],
        early_stopping_rounds=3,
        verbose_eval=False,
    )
    booster.save_model(tmp_path / "m.ubj")

    _, probabilities = answers_of(loaded(tmp_path / "m.ubj"))

    asked = xgboost.DMatrix(ASKED, feature_names=NAMES)
    assert booster.best_iteration < booster.num_boosted_rounds() - 1
    assert probabilities == pytest.approx(
        booster.predict(asked, iteration_range=(0, booster.best_iteration + 1)).tolist(), abs=1e-6
    )


def test_a_binary_lightgbm_classifier_answers_the_label_and_the_probability_of_class_one(tmp_path: Path) -> None:
    booster = lgb(tmp_path / "m.txt", BINARY, "binary")

    model = loaded(tmp_path / "m.txt")
    labels, probabilities = answers_of(model)

    expected: Any = booster.predict(ASKED)
    assert model.input_columns == ("a", "b", "c")
    assert model.n_classes == 2
    assert probabilities == pytest.approx(expected.tolist())
    assert labels == [1 if one > 0.5 else 0 for one in expected]
    assert 0 < sum(labels) < 20


@pytest.mark.parametrize("objective", ["multiclass", "multiclassova"])
def test_a_lightgbm_classifier_of_several_classes_answers_the_likeliest(objective: str, tmp_path: Path) -> None:
    booster = lgb(tmp_path / "m.txt", CLASSES, objective)

    model = loaded(tmp_path / "m.txt")
    labels, probabilities = answers_of(model)

    expected: Any = booster.predict(ASKED)
    assert labels == expected.argmax(axis=1).tolist()
    assert probabilities == pytest.approx(expected.max(axis=1).tolist())
    assert model.n_classes == 3


def test_a_lightgbm_regression_answers_its_value(tmp_path: Path) -> None:
    booster = lgb(tmp_path / "m.txt", TABLE[:, 0] * 3, "regression")

    labels, probabilities = answers_of(loaded(tmp_path / "m.txt"))

    expected: Any = booster.predict(ASKED)
    assert labels == pytest.approx(expected.tolist())
    assert set(probabilities) == {None}


def test_columns_without_names_are_named_by_the_route(tmp_path: Path) -> None:
    xgb(tmp_path / "m.ubj", BINARY, "binary:logistic", names=None)
    lgb(tmp_path / "m.txt", BINARY, "binary", names="auto")

    for name in ("m.ubj", "m.txt"):
        with pytest.raises(BrokenModelError, match="it reads 3 columns, and 0 are named") as caught:
            loaded(tmp_path / name)
        assert caught.value.hint is not None
        assert "name them in the route" in caught.value.hint
        with pytest.raises(BrokenModelError, match="it reads 3 columns, and 2 are named"):
            loaded(tmp_path / name, ["a", "b"])
        assert loaded(tmp_path / name, ["x", "y", "z"]).input_columns == ("x", "y", "z")


@pytest.mark.parametrize("name", ["m.ubj", "m.json", "m.txt"])
@pytest.mark.parametrize("content", [b"", b"nope", b"{}", b"tree\nnope", b"\xff\xfe\x00", None])
def test_a_file_that_is_no_model_is_refused(
    name: str, content: bytes | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(BrokenModelError) as caught:
        loaded(tmp_path / name)

    assert "\n" not in str(caught.value)
    del capfd  # the libraries complain on standard error, too


def test_categories_of_xgboost_are_refused_because_nobody_says_what_they_are_called(tmp_path: Path) -> None:
    codes = np.abs(TABLE).round()
    data = xgboost.DMatrix(codes, BINARY, feature_names=NAMES, feature_types=["c", "q", "q"], enable_categorical=True)
    xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, num_boost_round=2).save_model(
        tmp_path / "m.ubj"
    )

    with pytest.raises(BrokenModelError, match="its column `a` is categorical"):
        loaded(tmp_path / "m.ubj")


def test_several_targets_are_refused(tmp_path: Path) -> None:
    xgb(tmp_path / "m.ubj", TABLE[:, :2], "reg:squarederror")

    with pytest.raises(BrokenModelError, match="it predicts several targets"):
        loaded(tmp_path / "m.ubj")


@pytest.mark.parametrize(("name", "extra"), [("m.ubj", "xgboost"), ("m.txt", "lightgbm")])
def test_a_missing_library_is_named_with_its_extra(
    name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"tree\n")
    monkeypatch.setitem(sys.modules, extra, None)

    with pytest.raises(MissingExtraError) as caught:
        loaded(tmp_path / name)

    assert f"[{extra}]" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["m.ubj", "m.txt"])
def test_numbers_beyond_all_bounds_are_answered_and_text_is_refused(name: str, tmp_path: Path) -> None:
    if name == "m.ubj":
        xgb(tmp_path / name, BINARY, "binary:logistic")
    else:
        lgb(tmp_path / name, BINARY, "binary")
    model = loaded(tmp_path / name)

    (answer,) = model.call([{"a": 1e300, "b": -1e300, "c": True}]).answers

    assert 0 <= answer["probability"] <= 1  # type: ignore[call-overload,index,operator]
    with pytest.raises(RequestError, match='row 0, column `b`: expected a number, found "x"'):
        model.call([{"a": 1, "b": "x", "c": 1}])


@pytest.mark.parametrize("name", ["m.ubj", "m.txt"])
def test_boosted_trees_load_after_the_fork_and_gain_from_batches(name: str, tmp_path: Path) -> None:
    model = model_from_file(name, root=tmp_path)

    assert model.loads_after_fork
    assert model.gains_from_batches
