"""The stock Triton HTTP client, with its defaults, against a served graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

triton = pytest.importorskip("tritonclient.http", reason="Triton's client is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # gevent, inside the client
]


@pytest.fixture(scope="module")
def port(start_graph_server: Callable[[str, str], Any]) -> Iterator[int]:
    with start_graph_server("granian", "models") as server:
        yield server.port


@pytest.fixture
def client(port: int) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{port}", concurrency=4) as client:
        yield client


def tensor(name: str, values: Any, datatype: str, **options: Any) -> Any:
    array = np.asarray(values)
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, **options)
    return made


MATRIX = np.array([[1, 2, 3, 4], [0, 1, 0, 0], [0.5, 0, 0, 0]], dtype=np.float32)


def test_the_client_finds_the_server_and_its_models(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("linear")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("shout")
    assert [one["name"] for one in metadata["inputs"]] == ["text", "times"]


def test_a_matrix_goes_and_comes_as_bytes(client: Any) -> None:
    result = client.infer("linear", [tensor("X", MATRIX, "FP32")], request_id="7")

    assert result.get_response()["id"] == "7"
    assert result.as_numpy("sum").dtype == np.float64
    assert result.as_numpy("sum").tolist() == [5.5, -1.0, 0.25]
    assert result.as_numpy("is_large").tolist() == [True, False, False]


def test_several_tensors_one_a_column(client: Any) -> None:
    columns = [tensor(name, MATRIX[:, [index]], "FP32") for index, name in enumerate("abcd")]

    assert client.infer("linear", columns).as_numpy("sum").tolist() == [5.5, -1.0, 0.25]


@pytest.mark.parametrize("datatype", ["FP16", "FP64", "INT8", "INT64", "UINT16"])
def test_numbers_of_every_width(client: Any, datatype: str) -> None:
    dtype = {"FP16": "f2", "FP64": "f8", "INT8": "i1", "INT64": "i8", "UINT16": "u2"}[datatype]
    matrix = np.array([[1, 2, 3, 4]], dtype=dtype)

    assert client.infer("linear", [tensor("X", matrix, datatype)]).as_numpy("sum").tolist() == [5.5]


@pytest.mark.parametrize("is_binary", [True, False])
def test_text_goes_and_comes(client: Any, is_binary: bool) -> None:
    inputs = [
        tensor("text", np.array(["grün", "a"], dtype=np.object_), "BYTES", binary_data=is_binary),
        tensor("times", np.array([2, 3], dtype=np.int32), "INT32", binary_data=is_binary),
    ]
    outputs = [
        triton.InferRequestedOutput("length", binary_data=is_binary),
        triton.InferRequestedOutput("text", binary_data=is_binary),
    ]

    result = client.infer("shout", inputs, outputs=outputs)

    assert [one["name"] for one in result.get_response()["outputs"]] == ["length", "text"]
    texts = [one.decode() if isinstance(one, bytes) else one for one in result.as_numpy("text").tolist()]
    assert texts == ["GRÜNGRÜN", "AAA"]
    assert result.as_numpy("length").tolist() == [4, 1]


def test_json_in_and_bytes_out(client: Any) -> None:
    outputs = [triton.InferRequestedOutput("sum", binary_data=True)]

    result = client.infer("linear", [tensor("X", MATRIX, "FP32", binary_data=False)], outputs=outputs)

    assert result.as_numpy("sum").tolist() == [5.5, -1.0, 0.25]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request_is_understood_and_an_answer_need_not_be_compressed(client: Any, algorithm: str) -> None:
    result = client.infer(
        "linear",
        [tensor("X", MATRIX, "FP32")],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )

    assert result.as_numpy("sum").tolist() == [5.5, -1.0, 0.25]


def test_requests_side_by_side(client: Any) -> None:
    pending = [client.async_infer("linear", [tensor("X", MATRIX * n, "FP32")]) for n in range(8)]

    assert [one.get_result().as_numpy("sum")[0] for one in pending] == [5.5 * n for n in range(8)]


def test_a_large_matrix(client: Any) -> None:
    matrix = np.ones((10_000, 4), dtype=np.float32)

    assert client.infer("linear", [tensor("X", matrix, "FP32")]).as_numpy("sum").tolist() == [1.75] * 10_000


def test_our_text_reaches_the_client_as_its_exception(client: Any) -> None:
    cases = [
        ("none", tensor("X", MATRIX, "FP32"), "404", "there is no model `none`; models: `linear`, `shout`, `broken`"),
        ("linear", tensor("X", MATRIX[:, :3], "FP32"), "400", "tensor `X`: the model reads 4 columns, found 3"),
        ("broken", tensor("X", MATRIX[:, :1], "FP32"), "500", "the step `"),
    ]
    for model, given, status, text in cases:
        with pytest.raises(triton.InferenceServerException) as caught:
            client.infer(model, [given])

        assert caught.value.status() == status
        assert text in caught.value.message()
        assert "secret" not in caught.value.message()


def test_a_tensor_that_the_model_does_not_read_is_refused(client: Any) -> None:
    columns = [tensor(name, MATRIX[:, [index]], "FP32") for index, name in enumerate("abcd")]

    with pytest.raises(
        triton.InferenceServerException, match="the model `linear` has no input `e`; inputs: `a`, `b`, `c`, `d`"
    ):
        client.infer("linear", [*columns, tensor("e", MATRIX[:, 0], "FP32")])


def test_an_output_that_is_not_there_is_refused(client: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match="the model `linear` has no output `none`"):
        client.infer("linear", [tensor("X", MATRIX, "FP32")], outputs=[triton.InferRequestedOutput("none")])


def test_what_is_not_supported_is_a_404_with_our_text(client: Any) -> None:
    for ask in (
        client.get_model_repository_index,
        client.get_trace_settings,
        client.get_log_settings,
        client.get_system_shared_memory_status,
        client.get_inference_statistics,
    ):
        with pytest.raises(triton.InferenceServerException) as caught:
            ask()

        assert caught.value.status() == "404"
