"""From a request to the probability that the flight arrives late.

Try it without a server:

    >>> from serving.graph import graph
    >>> graph.test({"carrier": "UA", "origin": "EWR", "dest": "ORD", "distance": 719,
    ...             "sched_hour": 17, "weekday": 4, "time_hour": "2013-02-14T22:00:00Z"})
"""

from ci_core.serving import Graph, Router

graph = Graph("flights", files=["data/weather.npz"])
graph.to("serving.features:clean").to("serving.features:Weather", "enrich", table="data/weather.npz").to(
    Router.single({"late": "models/late.onnx"})
).to("serving.features:reply").respond()
