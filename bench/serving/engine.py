"""CPU time of the engine per event: a compiled plan beside bare function calls, storey and MLRun's flows.

Run: ``python -m bench.serving.engine [--peers] [--rounds N] [--events N] [--json FILE]``.

Every engine runs the same five steps ``body -> {"n": body["n"] + 1}``. The rows "of int" have steps that only add one
to a number: the least work a step can do, and so the highest share an engine can have. storey and MLRun run in the
environment of their own, in a process that is told round by round what to run, so that all take turns.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.serving import processes, venvs
from bench.serving.report import Report, arguments, finish, ratio
from ci_core.serving import Graph

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

_PEER = Path(__file__).parent / "peers" / "engine_mlrun.py"
PEER_CASES = ("storey, 1 in flight", "storey, 32 in flight", "MLRun sync flow", "MLRun async flow")
Times = dict[str, list[float]]
Body = dict[str, int]


def inc(body: Body) -> Body:
    return {"n": body["n"] + 1}


async def inc_async(body: Body) -> Body:
    return {"n": body["n"] + 1}


def total(bodies: Sequence[Body]) -> Body:
    return {"n": bodies[0]["n"] + bodies[1]["n"] + bodies[2]["n"]}


def one_more(number: int) -> int:
    return number + 1


def add(numbers: Sequence[int]) -> int:
    return numbers[0] + numbers[1] + numbers[2]


def chain_graph(steps: Sequence[Callable[[Any], Any]]) -> Graph:
    """Return a graph of steps one after the other."""
    graph = Graph("chain")
    end = graph.to(steps[0], name="s0")
    for index, step in enumerate(steps[1:], start=1):
        end = end.to(step, name=f"s{index}")
    end.respond()
    return graph


def fan_graph(step: Callable[[Any], Any], branch: Callable[[Any], Any], join: Callable[[Any], Any]) -> Graph:
    """Return a graph of one step, three beside each other, and one that gets the list of what the three return."""
    graph = Graph("fan")
    first = graph.to(step, name="first")
    graph.add_step(join, "join", after=[first.to(branch, name=f"b{index}") for index in range(3)]).respond()
    return graph


def own_cases() -> dict[str, Callable[[int], None]]:
    """Return what runs in this process: name → function that runs so many events."""
    chain, fan = chain_graph([inc] * 5).compile(), fan_graph(inc, inc, total).compile()
    chain_int, fan_int = chain_graph([one_more] * 5).compile(), fan_graph(one_more, one_more, add).compile()
    one_async = chain_graph([inc, inc, inc_async, inc, inc]).compile()
    all_async, fan_async = chain_graph([inc_async] * 5).compile(), fan_graph(inc, inc_async, total).compile()
    tested = chain_graph([inc] * 5)
    _check(chain=chain, fan=fan, one_async=one_async, all_async=all_async, fan_async=fan_async)
    return {
        "chain of 5, bare": _bare_chain,
        "chain of 5, plan": lambda events: _events(chain, events),
        "chain of 5, graph.test": lambda events: _events(tested.test, events),
        "chain of 5 of int, bare": _bare_chain_int,
        "chain of 5 of int, plan": lambda events: _ints(chain_int, events),
        "fan-out 1-3-1, bare": _bare_fan,
        "fan-out 1-3-1, plan": lambda events: _events(fan, events),
        "fan-out 1-3-1 of int, bare": _bare_fan_int,
        "fan-out 1-3-1 of int, plan": lambda events: _ints(fan_int, events),
        "chain of 5 async, bare": lambda events: asyncio.run(_bare_chain_async(events)),
        "chain of 5 async, plan": lambda events: asyncio.run(_await_events(all_async, events)),
        "chain of 5, 1 of them async, plan": lambda events: asyncio.run(_await_events(one_async, events)),
        "fan-out 1-3-1, async branches, plan": lambda events: asyncio.run(_await_events(fan_async, events)),
    }


def _check(**plans: Callable[[Body], Any]) -> None:
    async def answer(plan: Callable[[Body], Any]) -> Any:
        found = plan({"n": 0})
        return await found if asyncio.iscoroutine(found) else found

    for name, plan in plans.items():
        expected = {"n": 6} if name.startswith("fan") else {"n": 5}
        found = asyncio.run(answer(plan))
        assert found == expected, f"{name} answers {found}"


def _bare_chain(events: int) -> None:
    for _ in range(events):
        inc(inc(inc(inc(inc({"n": 0})))))


def _bare_chain_int(events: int) -> None:
    for _ in range(events):
        one_more(one_more(one_more(one_more(one_more(0)))))


def _bare_fan(events: int) -> None:
    for _ in range(events):
        body = inc({"n": 0})
        total([inc(body), inc(body), inc(body)])


def _bare_fan_int(events: int) -> None:
    for _ in range(events):
        number = one_more(0)
        add([one_more(number), one_more(number), one_more(number)])


async def _bare_chain_async(events: int) -> None:
    for _ in range(events):
        body = await inc_async(await inc_async({"n": 0}))
        await inc_async(await inc_async(await inc_async(body)))


def _events(plan: Callable[[Body], Any], events: int) -> None:
    for _ in range(events):
        plan({"n": 0})


def _ints(plan: Callable[[int], Any], events: int) -> None:
    for _ in range(events):
        plan(0)


async def _await_events(plan: Callable[[Body], Awaitable[Any]], events: int) -> None:
    for _ in range(events):
        await plan({"n": 0})


class Peer:
    """storey and MLRun, in a process of their environment that reads cases and writes times, one a line."""

    def __init__(self) -> None:
        python = venvs.binaries("mlrun") / "python"
        self._process = subprocess.Popen(
            [str(python), "-W", "ignore", str(_PEER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        )

    def run(self, case: str, events: int) -> float:
        """Run so many events and return the CPU microseconds of one."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"case": case, "events": events}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of storey and MLRun ended with {self._process.wait(10)} in `{case}`")
        return float(json.loads(line)["cpu_us"])

    def close(self) -> None:
        """End the process."""
        processes.end(self._process)


def measure(rounds: int, events: int, peer: Peer | None) -> dict[str, float]:
    """Return the median CPU microseconds of one event for every case; rounds are interleaved."""
    cases = own_cases()
    times: Times = {}
    for number in range(rounds + 1):
        for name, run in cases.items():
            spent = _timed(run, events)
            if number:  # the first round warms up
                times.setdefault(name, []).append(spent)
        for name in PEER_CASES if peer is not None else ():
            assert peer is not None
            spent = peer.run(name, max(32, events // 20))
            if number:
                times.setdefault(name, []).append(spent)
    return {name: statistics.median(values) for name, values in times.items()}


def _timed(run: Callable[[int], None], events: int) -> float:
    gc.collect()
    started = time.process_time_ns()
    run(events)
    return (time.process_time_ns() - started) / events / 1e3


def report(times: dict[str, float], why_no_peer: str) -> Report:
    """Return the table, and the goals with what was measured."""
    result = Report("engine", ("case", "CPU us an event", "x of the plan"))
    plan = times["chain of 5, plan"]
    for name, spent in times.items():
        result.add(name, spent, spent / plan)
    for kind, bound in (("chain of 5", 2.0), ("fan-out 1-3-1", 1.5)):
        for steps in ("", " of int"):
            measured = ratio(times[f"{kind}{steps}, plan"], times[f"{kind}{steps}, bare"])
            result.at_most(f"{kind}{steps}, plan / bare", measured, bound)
    for name, bound in zip(PEER_CASES, (30.0, 10.0, 5.0), strict=False):
        result.at_least(f"{name} / plan", ratio(times.get(name), plan), bound, note=why_no_peer)
    return result


def main(arguments_given: Sequence[str] | None = None) -> Report:
    parser = arguments(__doc__, rounds=9)
    parser.add_argument("--events", type=int, default=20_000, help="a round, of ours; a twentieth of the peers'")
    parser.add_argument("--peers", action="store_true", help="measure storey and MLRun, too")
    options = parser.parse_args(arguments_given)
    return finish(_run(options), options)


def _run(options: argparse.Namespace) -> Report:
    peer, why = None, "" if options.peers else "without --peers"
    try:
        peer = Peer() if options.peers else None
    except venvs.PeerMissingError as error:
        why = str(error)
    try:
        return report(measure(options.rounds, options.events, peer), why)
    finally:
        if peer is not None:
            peer.close()


if __name__ == "__main__":
    main()
