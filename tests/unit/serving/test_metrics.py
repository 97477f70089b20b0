from __future__ import annotations

import math
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.errors import InvalidMetricError
from ci_core.serving import Event, Graph, Model, RequestError, Router
from ci_core.serving.base import ModelCall
from ci_core.serving.metrics import CustomMetrics, Metrics
from ci_core.serving.metrics.registry import Registry
from ci_core.serving.routers import members
from ci_core.testing.prometheus_text import PrometheusTextError, parse, value


def call(n_rows: int = 1) -> ModelCall:
    return ModelCall(answers=[0.5] * n_rows, columns={}, outputs=[0.5] * n_rows)


def test_requests_are_counted_by_status_and_by_time() -> None:
    metrics = Metrics(release="r1")
    for status, seconds in ((200, 0.0005), (200, 0.0006), (404, 0.003), (200, 60.0)):
        metrics.count_request(status, seconds)

    text = metrics.text()

    assert value(text, "graphship_requests_total", **{"class": "2xx", "status": "200"}) == 3
    assert value(text, "graphship_requests_total", **{"class": "4xx", "status": "404"}) == 1
    assert value(text, "graphship_request_seconds_bucket", le="0.0005") == 1
    assert value(text, "graphship_request_seconds_bucket", le="0.001") == 2
    assert value(text, "graphship_request_seconds_bucket", le="10") == 3
    assert value(text, "graphship_request_seconds_bucket", le="+Inf") == 4
    assert value(text, "graphship_request_seconds_count") == 4
    assert value(text, "graphship_request_seconds_sum") == pytest.approx(60.0041)
    assert value(text, "graphship_release_info", release="r1") == 1


def test_models_are_counted_by_rows_time_and_whose_fault_an_error_was() -> None:
    metrics = Metrics()
    metrics.models.describe(["a", "b:2"])
    metrics.models.answered(Event({}), "a", call(3), 0.002)
    metrics.models.answered(Event({}), "a", call(1), 0.2)
    metrics.models.failed(Event({}), "a", RequestError("no"))
    metrics.models.failed(Event({}), "a", ZeroDivisionError())
    metrics.models.failed(Event({}), "a", ZeroDivisionError())

    text = metrics.text()

    assert value(text, "graphship_model_rows_total", model="a") == 4
    assert value(text, "graphship_model_seconds_count", model="a") == 2
    assert value(text, "graphship_model_seconds_bucket", model="a", le="0.0025") == 1
    assert value(text, "graphship_model_errors_total", model="a", fault="request") == 1
    assert value(text, "graphship_model_errors_total", model="a", fault="model") == 2
    assert value(text, "graphship_model_rows_total", model="b:2") == 0
    assert value(text, "graphship_model_seconds_count", model="b:2") == 0


def test_steps_of_one_event_in_eight_are_timed_beginning_with_the_first_and_all_events_are_counted() -> None:
    metrics = Metrics()
    metrics.steps.describe(["clean", "score"])
    asked = [metrics.steps.wants_times() for _ in range(17)]
    metrics.steps.took(0, 0.00002)
    metrics.steps.took(1, 0.02)
    metrics.steps.failed(1)

    text = metrics.text()

    assert [turn for turn, wanted in enumerate(asked) if wanted] == [0, 8, 16]
    assert value(text, "graphship_events_total") == 17
    assert value(text, "graphship_step_seconds_bucket", step="clean", le="0.0001") == 1
    assert value(text, "graphship_step_seconds_bucket", step="score", le="0.01") == 0
    assert value(text, "graphship_step_seconds_count", step="score") == 1
    assert value(text, "graphship_step_errors_total", step="clean") == 0
    assert value(text, "graphship_step_errors_total", step="score") == 1
    assert "one event in 8" in parse(text)["graphship_step_seconds"].help


def test_any_worker_tells_the_numbers_of_all() -> None:
    metrics = Metrics(n_workers=2)
    metrics.models.describe(["m"])
    for worker in (1, 2):
        metrics.bind(worker)
        metrics.count_request(200, 0.001)
        metrics.models.answered(Event({}), "m", call(worker), 0.001)

    text = metrics.text()

    assert value(text, "graphship_requests_total", **{"class": "2xx", "status": "200"}) == 2
    assert value(text, "graphship_model_rows_total", model="m") == 3


def test_a_replaced_worker_goes_on_where_its_predecessor_stopped_and_counters_never_go_down() -> None:
    metrics = Metrics(n_workers=1)
    early = metrics.custom.counter("early", "Made before the fork.")
    metrics.bind(1)
    metrics.count_request(200, 0.001)
    metrics.count_request(429, 0.001)
    early.inc(5)
    metrics.custom.counter("late", "Made in the worker.").inc(7)
    in_flight = [3.0]
    metrics.follow_gauge("in_flight", "Now.", lambda: in_flight[0])
    metrics.follow_counter("rows", "Rows.", lambda: 40.0, result="written")
    metrics.text()

    # the second life of the worker begins as a copy of the parent, which knows nothing of what the first one made
    successor = Metrics(n_workers=1)
    early = successor.custom.counter("early", "Made before the fork.")
    successor._registry.cells = metrics._registry.cells
    successor.worker_ended(1)
    successor.bind(1)
    after_death = successor.text()
    successor.count_request(200, 0.001)
    early.inc()
    successor.custom.counter("other", "Made in the second life only.").inc(2)
    successor.custom.counter("late", "Made in the worker.").inc()
    successor.follow_counter("rows", "Rows.", lambda: 2.0, result="written")
    text = successor.text()

    assert value(after_death, "in_flight") == 0
    assert value(after_death, "late_total") == 7
    assert value(text, "graphship_requests_total", **{"class": "2xx", "status": "200"}) == 2
    assert value(text, "graphship_requests_total", **{"class": "4xx", "status": "429"}) == 1
    assert value(text, "early_total") == 6
    assert value(text, "late_total") == 8
    assert value(text, "other_total") == 2
    assert value(text, "rows", result="written") == 42


def test_what_is_read_now_and_then_is_exact_for_the_worker_that_is_asked() -> None:
    metrics = Metrics(n_workers=2)
    numbers = {1: 4.0, 2: 1.0}
    for worker in (1, 2):
        metrics.bind(worker)
        metrics.follow_gauge("waiting", "Waiting.", lambda worker=worker: numbers[worker])  # type: ignore[misc]
        metrics.publish()
    numbers.update({1: 100.0, 2: 2.0})

    assert value(metrics.text(), "waiting") == 6.0


def test_a_step_counts_what_it_likes_under_labels_it_likes() -> None:
    metrics = Metrics()
    custom = metrics.custom
    custom.counter("rows_clipped", "Rows clipped.", column="temp", side="low").inc(2)
    custom.counter("rows_clipped", "Rows clipped.", side="low", column="temp").inc()
    custom.counter("hits_total", "Hits.").inc()
    custom.gauge("level", "Level.").set(-1.5)
    sizes = custom.histogram("body_rows", "Rows of a body.", buckets=[1, 10, math.inf])
    for size in (1, 5, 50, math.nan):
        sizes.observe(size)

    text = metrics.text()

    assert value(text, "rows_clipped_total", column="temp", side="low") == 3
    assert value(text, "hits_total") == 1
    assert value(text, "level") == -1.5
    assert value(text, "body_rows_bucket", le="10") == 2
    assert value(text, "body_rows_sum") == 56
    assert (sizes.count, sizes.sum) == (3, 56.0)


def test_without_a_server_metrics_count_for_the_test_that_reads_them() -> None:
    custom = CustomMetrics()
    counter = custom.counter("clipped", "Clipped.")

    counter.inc()

    assert custom.counter("clipped", "Clipped.") is counter
    assert counter.value == 1


@pytest.mark.parametrize(
    ("name", "labels", "reason"),
    [
        ("rows clipped", {}, "has a name that is not made of letters, digits and `_`"),
        ("2rows", {}, "has a name that is not made of letters, digits and `_`"),
        ("graphship_rows", {}, "begins like the server's own metrics"),
        ("rows", {"le": "1"}, "has the label `le`, which Prometheus does not allow"),
        ("rows", {"__name": "1"}, "has the label `__name`, which Prometheus does not allow"),
        ("rows", {"side": 1}, "has the label `side` with the value 1, which is no text"),
    ],
)
def test_a_metric_that_prometheus_would_refuse_is_refused_when_it_is_made(
    name: str, labels: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidMetricError) as caught:
        CustomMetrics().gauge(name, "Help.", **labels)

    assert caught.value.fact == f"the metric `{name}` {reason}"


def test_one_name_is_one_kind_of_metric() -> None:
    custom = CustomMetrics()
    custom.gauge("level", "Level.")

    with pytest.raises(
        InvalidMetricError, match=r"the metric `level` exists already, as a gauge with the text “Level\.”"
    ):
        custom.histogram("level", "Level.")


@pytest.mark.parametrize("buckets", [[], [2, 1], [1, 1], [math.nan], [1, math.nan]])
def test_buckets_that_do_not_ascend_are_refused(buckets: list[float]) -> None:
    with pytest.raises(InvalidMetricError, match="the metric `size` has buckets that do not ascend"):
        CustomMetrics().histogram("size", "Size.", buckets=buckets)


def test_a_label_with_a_value_for_each_customer_is_refused_when_there_are_too_many() -> None:
    custom = CustomMetrics()
    for number in range(1000):
        custom.counter("served", "Served.", customer=str(number))

    with pytest.raises(InvalidMetricError, match="would be metric number 1001 of this graph, and 1000 is the limit"):
        custom.counter("served", "Served.", customer="1000")

    custom.counter("served", "Served.", customer="7").inc()


@pytest.mark.parametrize("amount", [-1.0, math.nan])
def test_a_counter_does_not_go_down(amount: float) -> None:
    with pytest.raises(ValueError, match="cannot grow by"):
        CustomMetrics().counter("hits", "Hits.").inc(amount)


@given(
    st.dictionaries(st.from_regex(r"[a-d]", fullmatch=True), st.text(), max_size=3),
    st.text(min_size=1),
    st.floats(),
)
def test_whatever_labels_texts_and_numbers_are_the_text_is_valid_and_says_them(
    labels: dict[str, str], words: str, number: float
) -> None:
    metrics = Metrics()
    metrics.custom.gauge("level", words, **labels).set(number)

    text = metrics.text().encode().decode()

    found = value(text, "level", **{name: _in_utf8(label) for name, label in labels.items()})
    assert found == number or (found is not None and math.isnan(found) and math.isnan(number))


def _in_utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.integers(0, 9)), max_size=30))
def test_the_sum_over_rows_is_what_all_of_them_counted(steps: list[tuple[int, str, int]]) -> None:
    registry = Registry(3)

    for row, name, amount in steps:
        registry.bind(row)
        registry.counter(name, "Help.").inc(amount)

    shown = {family.name: series[""][0] for family, series in registry.read()}
    expected = {name: sum(amount for _row, other, amount in steps if other == name) for _row, name, _ in steps}
    assert {name: shown[name] for name in expected} == expected


def test_threads_lose_no_count() -> None:
    metrics = Metrics()
    counter = metrics.custom.counter("hits", "Hits.")

    def work() -> None:
        for number in range(20_000):
            counter.inc()
            metrics.custom.counter("made", "Made in threads.", number=str(number % 50)).inc()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counter.value == 80_000
    made = [number for (name, _), number in parse(metrics.text())["made_total"].samples.items() if name == "made_total"]
    assert made == [1600.0] * 50


def test_the_process_says_what_it_uses_under_the_names_that_everybody_knows() -> None:
    families = parse(Metrics(n_workers=2).text())

    assert families["process_cpu_seconds_total"].samples["process_cpu_seconds_total", ()] > 0
    assert families["process_resident_memory_bytes"].samples["process_resident_memory_bytes", ()] > 1_000_000
    assert families["graphship_processes"].samples["graphship_processes", ()] == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("# HELP a A\n# TYPE a counter\na 1", "must end with a line feed"),
        ("a 1\n", "no TYPE line"),
        ("# HELP a A\n# TYPE a counter\na 1\na 2\n", "twice"),
        ('# HELP a A\n# TYPE a counter\na{b="c} 1\n', "no sample"),
        (
            '# HELP a A\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
            "cumulative",
        ),
    ],
)
def test_the_reader_of_these_tests_is_strict(text: str, fault: str) -> None:
    with pytest.raises(PrometheusTextError, match=fault):
        parse(text)


def test_a_call_of_more_than_a_second_is_told_with_all_of_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0

    class Slow(Model):
        def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
            nonlocal now
            now += 1.2
            return [1] * len(rows)

    monkeypatch.setattr(members, "perf_counter", lambda: now)
    metrics = Metrics()
    graph = Graph("g")
    graph.to(Router.single({"slow": Slow}))

    graph.compile(observe=metrics.models)({"x": 1})

    text = metrics.text()
    assert value(text, "graphship_model_seconds_sum", model="slow") == pytest.approx(1.2)
    assert value(text, "graphship_model_seconds_bucket", model="slow", le="1") == 0
    assert value(text, "graphship_model_seconds_bucket", model="slow", le="10") == 1
