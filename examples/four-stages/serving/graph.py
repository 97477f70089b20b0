"""From a parcel to the probability that it arrives late."""

from ci_core.serving import Graph, Router

graph = Graph("parcels", files=["models/features.json"])
graph.to("serving.features:Columns", "columns", recipe="models/features.json").to(
    Router.single({"late": "models/late.onnx"})
).to("serving.features:reply").respond()
