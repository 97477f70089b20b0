"""Which model's scores a release's traffic is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.operations.release_reference import default_model
from ci_core.serving import Graph, Router

if TYPE_CHECKING:
    from ci_core.serving.routers import RouterDraft

ROUTES = {"m1": "models/m1.onnx", "m2:3": "models/m2.onnx"}


@pytest.mark.parametrize(
    ("router", "key"),
    [
        (Router.single(ROUTES), "m1"),
        (Router.single({"m2:3": "models/m2.onnx"}), "m2:3"),
        (Router.vote(ROUTES), "score"),
        (Router.shadow(ROUTES), "score"),
        (Router.weighted(ROUTES, {"m1": 1, "m2:3": 1}), "score"),
        (Router.custom("m:Mine", ROUTES), "score"),
    ],
)
def test_a_single_routers_first_route_answers_by_default_and_any_other_router_itself(
    router: RouterDraft, key: str
) -> None:
    graph = Graph("g")
    graph.to("m:clean").to(router, "score").to("m:tell")

    assert default_model(graph.spec) == key


def test_a_router_in_a_nested_graph_is_found_under_its_full_name() -> None:
    inner = Graph("inner")
    inner.to(Router.mean(ROUTES), "mean")
    graph = Graph("g")
    graph.to(inner, "nested")

    assert default_model(graph.spec) == "nested/mean"


def test_a_graph_without_a_router_has_no_model() -> None:
    graph = Graph("g")
    graph.to("m:clean")

    assert default_model(graph.spec) is None
