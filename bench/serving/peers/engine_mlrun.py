"""Five trivial steps in storey and in MLRun's mock server; told by lines of JSON what to run, answers with lines."""

import asyncio
import gc
import json
import os
import sys
import time

os.environ.setdefault("MLRUN_LOG_LEVEL", "ERROR")
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the libraries print must not mix with the answers

import mlrun  # noqa: E402
import storey  # noqa: E402

STEPS = 5


def inc(body):
    return {"n": body["n"] + 1}


def storey_flow(events, in_flight):
    async def client(flow, count):
        for _ in range(count):
            answer = await flow.emit({"n": 0})
            assert answer == {"n": STEPS}, answer

    async def run():
        steps = [storey.Map(inc) for _ in range(STEPS)]
        flow = storey.build_flow([storey.AsyncEmitSource(), *steps, storey.Complete()]).run()
        await client(flow, 1)
        started = time.process_time_ns()
        await asyncio.gather(*[client(flow, events // in_flight) for _ in range(in_flight)])
        spent = time.process_time_ns() - started
        await flow.terminate()
        await flow.await_termination()
        return spent / (events // in_flight * in_flight)

    return asyncio.run(run())


servers = {}


def mlrun_flow(events, engine):
    if engine not in servers:
        function = mlrun.new_function("bench", kind="serving", image="none")
        step = function.set_topology("flow", engine=engine)
        for index in range(STEPS):
            step = step.to(name=f"s{index}", handler="inc")
        if engine == "async":
            step.respond()
        servers[engine] = function.to_mock_server(namespace=globals())
    test = servers[engine].test
    answer = test("/", body={"n": 0})
    assert answer == {"n": STEPS}, answer
    started = time.process_time_ns()
    for _ in range(events):
        test("/", body={"n": 0})
    return (time.process_time_ns() - started) / events


CASES = {
    "storey, 1 in flight": lambda events: storey_flow(events, 1),
    "storey, 32 in flight": lambda events: storey_flow(events, 32),
    "MLRun sync flow": lambda events: mlrun_flow(events, "sync"),
    "MLRun async flow": lambda events: mlrun_flow(events, "async"),
}

for line in sys.stdin:
    asked = json.loads(line)
    gc.collect()
    spent_ns = CASES[asked["case"]](asked["events"])
    answers.write(json.dumps({"cpu_us": spent_ns / 1e3}) + "\n")
    answers.flush()
