"""Graphs of all shapes, for whatever draws graphs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ci_core.serving import Graph, GraphSpec, Route, Router, steps

if TYPE_CHECKING:
    from collections.abc import Callable

ATTACKS = (
    "<script>alert(1)</script>",
    '"] --> y[<img src=x>`end\nclick',
    "</svg></style>",
    "&lt;\\N\\",
    "a\x00\u202eb",
)


def chain() -> GraphSpec:
    graph = Graph("chain")
    graph.to("m:a", "a").to("m:b", "b").to("m:c", "c").to("m:d", "d").to("m:e", "e")
    return graph.spec


def fan_out() -> GraphSpec:
    graph = Graph("fan-out")
    start = graph.to("m:read", "read")
    graph.add_step("m:join", "join", after=[start.to(f"m:{name}", name) for name in "abc"], join="merge")
    return graph.spec


def choice() -> GraphSpec:
    graph = Graph("pay", inputs={"kind": "string", "amount": "number?"}, timeout=2)
    fork = graph.choose("kind", {"card": "by-card", "debit": "by-card", "cash": "in-cash"}, otherwise="refuse")
    card = fork.to("m:charge", "by-card", retries=2, retry_wait=0.2, timeout=1.5)
    graph.add_step("m:total", "total", after=[card, fork.to("m:count", "in-cash"), fork.to("m:tell", "refuse")])
    return graph.spec


def ensemble() -> GraphSpec:
    graph = Graph("credit", inputs={"age": "number?", "income": "number"})
    linear = Route("models/linear.skops", columns=["age"])
    router = Router.vote({"linear": linear, "forest": "models/forest.skops"}, weights={"linear": 1, "forest": 2})
    graph.to(steps.Impute(age=40)).to(router, "ensemble").to("m:decide")
    return graph.spec


def canary() -> GraphSpec:
    graph = Graph("canary")
    models = {"m:1": "models/m1.onnx", "m:2": "models/m2.onnx"}
    graph.to(steps.MapValues(values={"sex": {"M": 0, "F": 1}})).to(
        Router.weighted(models, weights={"m:1": 45, "m:2": 5}, key="user.id"), "canary"
    ).to(Router.shadow({"now": "models/now.onnx", "next": Route("models/next.onnx", load="first-use")}), "watch")
    return graph.spec


def nested() -> GraphSpec:
    inner = Graph("inner")
    inner.to("m:x", "x").to("m:y", "y")
    clean = Graph("clean")
    clean.to(steps.Impute(age=40)).error_handler("m:raw", "raw", back_to="late").to(inner).to("m:late", "late")
    graph = Graph("score")
    graph.add_step("m:both", "both", after=[graph.to(clean), graph.to("m:lookup", "lookup", blocking=True)])
    return graph.spec


def queue() -> GraphSpec:
    graph = Graph("orders")
    stream = graph.to("m:price", "price").respond().queue("scored", max_deliveries=5)
    graph.add_step("m:audit", "audit", after=[stream.to("m:store", "store"), stream.to("m:notify", "notify")])
    return graph.spec


def handlers() -> GraphSpec:
    graph = Graph("safe")
    read = graph.to("m:read", "read").error_handler("m:cached", "cached", back_to="merge")
    divide = read.to("m:divide", "divide").error_handler("m:zero", "zero", back_to="double")
    divide.to("m:double", "double").error_handler("m:give_up", "give-up").to("m:merge", "merge")
    graph.error_handler("m:tell", "tell")
    return graph.spec


def shared_handler() -> GraphSpec:
    graph = Graph("shared")
    graph.to("m:a", "a").error_handler("m:rescue", "rescue", back_to="d").to("m:b", "b").to("m:c", "c").to("m:d", "d")
    spec = graph.spec
    return replace(spec, steps=tuple(replace(one, on_error="rescue") if one.name == "b" else one for one in spec.steps))


def functions() -> GraphSpec:
    graph = Graph("pictures")
    graph.to("m:resize", "resize", function="gpu").to("m:detect", "detect", function="gpu").to(
        steps.Remote("http://features:8080", path="/v1/{user.id}", method="GET"), "features", result_path="facts"
    ).to("m:Score", "last", handler="score", full_event=True)
    return graph.spec


def thirty_steps() -> GraphSpec:
    graph = Graph("thirty")
    end = graph.to("m:s", "s")
    for index in range(9):
        end = end.to("m:s", f"s{index}")
    parts = [end.to("m:p", f"p{index}").to("m:q", f"q{index}") for index in range(5)]
    end = graph.add_step("m:j", "join", after=parts)
    for index in range(9):
        end = end.to("m:t", f"t{index}")
    return graph.spec


def mesh() -> GraphSpec:
    graph = Graph("mesh")
    first = [graph.to("m:a", f"a{index}") for index in range(4)]
    second = [graph.add_step("m:b", f"b{index}", after=[first[index], first[(index + 1) % 4]]) for index in range(4)]
    third = [
        graph.add_step("m:c", f"c{index}", after=[second[index], first[(index + 2) % 4], "request"])
        for index in range(3)
    ]
    graph.add_step("m:end", "end", after=[*second, *third])
    return graph.spec


def attack() -> GraphSpec:
    graph = Graph(ATTACKS[0], inputs={ATTACKS[0]: "number"})
    fork = graph.choose(ATTACKS[1], {ATTACKS[0]: ATTACKS[1]}, otherwise=ATTACKS[0], name=ATTACKS[2])
    ends = [fork.to(f"m:{name}", name) for name in ATTACKS[:2]]
    join = graph.add_step("m:f", ATTACKS[3], after=ends, arguments={ATTACKS[0]: ATTACKS[1]}, function=ATTACKS[2])
    join.to(Router.single({f"{ATTACKS[0]}:{ATTACKS[1]}": ATTACKS[2].strip("/")}), ATTACKS[4])
    return graph.spec


SHAPES: tuple[Callable[[], GraphSpec], ...] = (
    chain,
    fan_out,
    choice,
    ensemble,
    canary,
    nested,
    queue,
    handlers,
    shared_handler,
    functions,
    thirty_steps,
    mesh,
    attack,
)
