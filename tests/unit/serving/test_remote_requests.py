"""What a remote step sends: path, query, body and headers, as its words and the event's body make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_core.serving.event import Event
from ci_core.serving.problems import RequestError
from ci_core.serving.remote.failures import WordError
from ci_core.serving.remote.headers import header_line, header_lines
from ci_core.serving.remote.mapping import PathTemplate, read_body, read_query
from ci_core.serving.remote.origin import parse_origin
from ci_core.serving.remote.request import RequestTemplate, read_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci_core.types import JsonValue

NO_SECRETS: Mapping[str, str] = {}


def template(**words: Any) -> RequestTemplate:
    given_words: dict[str, Any] = {
        "path": "",
        "method": "POST",
        "query": None,
        "body": None,
        "headers": None,
        "forward_headers": (),
        "secret": {"TOKEN": "s3cr3t"}.__getitem__,
    }
    return read_request(**{**given_words, **words})


def headers_of(lines: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in lines.decode("latin-1").split("\r\n") if line)


# path


def test_a_field_of_the_body_fills_its_place_in_the_path() -> None:
    path = PathTemplate.parse("/v1/users/{user.id}/orders/{order}")

    assert path.fill({"user": {"id": "ada"}, "order": 7}) == "/v1/users/ada/orders/7"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a/b", "/users/a%2Fb"),
        ("a?x=1", "/users/a%3Fx%3D1"),
        ("a#b", "/users/a%23b"),
        ("a b", "/users/a%20b"),
        ("%2e%2e", "/users/%252e%252e"),
        ("é", "/users/%C3%A9"),
        ("a\r\nhost: evil", "/users/a%0D%0Ahost%3A%20evil"),
        ("...", "/users/..."),
        (True, "/users/true"),
        (1.5, "/users/1.5"),
    ],
)
def test_a_value_is_percent_encoded_where_it_stands_in_a_path(value: object, expected: str) -> None:
    assert PathTemplate.parse("/users/{id}").fill({"id": value}) == expected


@pytest.mark.parametrize("value", ["", ".", "..", "../admin", "a/../../admin", "a/.", "..\\admin", "a\\..", "./a"])
def test_a_value_that_could_lead_elsewhere_is_refused(value: str) -> None:
    with pytest.raises(RequestError, match="`id` cannot stand in a path"):
        PathTemplate.parse("/users/{id}").fill({"id": value})


def test_two_harmless_values_that_make_dots_together_are_refused() -> None:
    with pytest.raises(RequestError, match="`a`, `b` cannot stand in a path"):
        PathTemplate.parse("/users/{a}{b}").fill({"a": ".", "b": "."})


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "null"), ([1], "list"), ({"a": 1}, "dict"), (float("nan"), "float")]
)
def test_a_value_that_is_no_scalar_is_refused_in_a_path(value: object, kind: str) -> None:
    with pytest.raises(RequestError, match=f"`id` is {kind}, which cannot stand in a path"):
        PathTemplate.parse("/users/{id}").fill({"id": value})


@pytest.mark.parametrize("body", [{}, {"user": {}}, {"user": 3}, {"user": []}, None, "text"])
def test_a_missing_field_is_refused_by_its_name(body: object) -> None:
    with pytest.raises(RequestError, match=r"the body has no `user\.id`") as caught:
        PathTemplate.parse("/{user.id}").fill(body)

    assert caught.value.status == 400


def test_half_a_surrogate_pair_is_the_clients_mistake() -> None:
    with pytest.raises(RequestError, match="no valid text"):
        PathTemplate.parse("/{id}").fill({"id": "\ud800"})


@given(st.text())
def test_no_value_adds_or_removes_a_part_of_the_path_or_begins_a_query(value: str) -> None:
    template = PathTemplate.parse("/v1/users/{id}/orders")

    try:
        path = template.fill({"id": value})
    except RequestError:
        return

    parts = urlsplit(f"http://host{path}")
    assert parts.query == parts.fragment == ""
    assert path.isascii()
    assert path.isprintable()
    first, second, third, filled, last = path.split("/")
    assert (first, second, third, last) == ("", "v1", "users", "orders")
    assert unquote(filled) == value
    assert not {".", ".."} & set(unquote(filled).replace("\\", "/").split("/"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("v1", "does not begin with `/`"),
        ("/{a", "brace without its other half"),
        ("/a}", "brace without its other half"),
        ("/{}", "field without a name"),
        ("/{a..b}", "field without a name"),
        ("/{a/b}", "with a slash"),
        ("/a?b=c", "a query is written as `query`"),
        ("/a b", "percent-encoded"),
        ("/%zz", "percent-encoded"),
        ("/a#b", "percent-encoded"),
        ("/a/../b", r"a part `\.`"),
        ("/a\r\n", "percent-encoded"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused_when_the_graph_is_built(text: str, reason: str) -> None:
    with pytest.raises(WordError, match=reason):
        PathTemplate.parse(text)


# query


def test_a_query_is_made_of_fields_constants_and_lists() -> None:
    query = read_query({"id": "user.id", "tag": "tags", "format": {"value": "short"}})

    assert query.fill({"user": {"id": "a&b=c"}, "tags": ["x", "y z"]}) == "?id=a%26b%3Dc&tag=x&tag=y%20z&format=short"


def test_an_empty_query_has_no_question_mark() -> None:
    assert read_query({}).fill({}) == ""
    assert read_query({"tag": "tags"}).fill({"tags": []}) == ""


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_what_a_service_reads_in_a_query_is_what_the_body_said(values: dict[str, str]) -> None:
    query = read_query({name: {"value": value} for name, value in values.items()})

    text = query.fill({}).removeprefix("?") if _is_encodable(values) else ""

    expected = list(values.items()) if _is_encodable(values) else []
    assert parse_qsl(text, keep_blank_values=True) == expected


def _is_encodable(values: dict[str, str]) -> bool:
    try:
        "".join([*values, *values.values()]).encode()
    except UnicodeEncodeError:
        return False
    return True


def test_null_cannot_stand_in_a_query() -> None:
    with pytest.raises(RequestError, match="`id` is null, which cannot stand in a query"):
        read_query({"id": "id"}).fill({"id": None})


@pytest.mark.parametrize("source", [3, "", "a..b", ["a"], {"value": 1, "x": 2}, {"env": "TOKEN"}])
def test_a_query_from_nowhere_is_refused_when_the_graph_is_built(source: JsonValue) -> None:
    with pytest.raises(WordError, match="of `id`, it is neither a field of the body"):
        read_query({"id": source})


# body

BODY = {"a": {"b": 1}, "c": [2]}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (None, BODY),
        (True, BODY),
        ("a", {"b": 1}),
        ("a.b", 1),
        ({"x": "a.b", "y": "c", "z": {"value": None}}, {"x": 1, "y": [2], "z": None}),
        ({}, {}),
    ],
)
def test_the_body_is_the_whole_a_part_or_an_object_of_parts(word: JsonValue, expected: object) -> None:
    source = read_body(word, has_body_by_default=True)

    assert source is not None
    assert source(BODY) == expected


def test_false_sends_no_body_and_none_leaves_it_to_the_method() -> None:
    assert read_body(False, has_body_by_default=True) is None
    assert read_body(None, has_body_by_default=False) is None
    assert template(method="GET").body is None
    assert template(method="PUT").body is not None


@pytest.mark.parametrize("word", [3, ["a"], "", {"x": 3}])
def test_a_body_from_nowhere_is_refused_when_the_graph_is_built(word: JsonValue) -> None:
    with pytest.raises(WordError, match="has a wrong `body`"):
        template(body=word)


def test_text_in_a_graph_is_never_evaluated() -> None:
    source = read_body("__class__", has_body_by_default=True)

    assert source is not None
    with pytest.raises(RequestError, match="the body has no `__class__`"):
        source({"a": 1})


# headers


def test_fixed_secret_and_forwarded_headers_are_sent_beside_id_and_trace() -> None:
    event = Event({}, id="e-1", headers={"traceparent": "00-ab-cd-01", "x-user": "ada", "cookie": "c"})
    words = template(
        headers={"X-Team": "ml", "Authorization": {"env": "TOKEN", "prefix": "Bearer "}},
        forward_headers=["X-User", "x-absent"],
    )

    _, lines = words.head({}, event)

    assert headers_of(lines) == {
        "x-team": "ml",
        "authorization": "Bearer s3cr3t",
        "x-event-id": "e-1",
        "traceparent": "00-ab-cd-01",
        "x-user": "ada",
    }


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\0b", "ü\u20ac"])
def test_a_forwarded_header_cannot_become_two(value: str) -> None:
    event = Event({}, headers={"x-user": value})

    with pytest.raises(RequestError, match="header `x-user` has a character"):
        template(forward_headers=["x-user"]).head({}, event)


@pytest.mark.parametrize("event_id", ["1\r\nx-evil: 1", "注文-1", "ü-1", "\ud800", "a\x7f"])
def test_an_event_id_that_no_header_can_hold_is_not_sent_and_the_call_is_made(event_id: str) -> None:
    _, lines = template().head({}, Event({}, id=event_id, headers={"traceparent": "00-ab-cd-01"}))

    assert headers_of(lines) == {"traceparent": "00-ab-cd-01"}


def test_an_event_id_of_all_letters_that_can_be_seen_is_sent_as_it_is() -> None:
    seen = "".join(map(chr, range(0x20, 0x7F))).strip()

    _, lines = template().head({}, Event({}, id=seen))

    assert headers_of(lines) == {"x-event-id": seen}


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"authorization": "Bearer abc"}, 'in the graph; write {"env": "VARIABLE"}'),
        ({"Cookie": "abc"}, "has the secret of the header `Cookie` in the graph"),
        ({"x-api-key": "abc"}, "has the secret of the header `x-api-key` in the graph"),
        ({"content-length": "3"}, "is set for every call"),
        ({"Transfer-Encoding": "chunked"}, "is set for every call"),
        ({"traceparent": "x"}, "is set for every call"),
        ({"Host": "elsewhere"}, "is set for every call"),
        ({"a b": "x"}, "is no name of a header"),
        ({"x": "a\r\nb"}, "has a character that no header may have"),
        ({"x": 3}, "whose value is no text"),
        ({"x": {"env": 3}}, "neither a text nor"),
        ({"x": {"env": "TOKEN", "suffix": "a"}}, "neither a text nor"),
        ({"x": "1", "X": "2"}, "has the header `x` twice"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused_without_showing_its_value(
    headers: dict[str, JsonValue], reason: str
) -> None:
    with pytest.raises(WordError, match=reason) as caught:
        template(headers=headers)

    assert "abc" not in str(caught.value)


def test_a_client_cannot_choose_the_host_that_a_service_believes_to_be() -> None:
    with pytest.raises(WordError, match="`host`"):
        template(forward_headers=["host"])


def test_a_header_is_fixed_or_forwarded_but_not_both() -> None:
    with pytest.raises(WordError, match="has the header `x-user` twice"):
        template(headers={"x-user": "graph"}, forward_headers=["X-User"])


def test_a_secret_with_a_line_end_is_refused_without_showing_it() -> None:
    with pytest.raises(WordError, match="has a character that no header may have") as caught:
        template(headers={"authorization": {"env": "TOKEN"}}, secret={"TOKEN": "s3cr3t\n"}.__getitem__)

    assert "s3cr3t" not in str(caught.value)


def test_the_picture_of_a_template_shows_no_header() -> None:
    assert "s3cr3t" not in repr(template(headers={"authorization": {"env": "TOKEN"}}))


@given(st.text(), st.text())
def test_a_header_line_is_one_line_whatever_it_is_made_of(name: str, value: str) -> None:
    try:
        line = header_line(name, value)
    except ValueError:
        return

    assert line.endswith(b"\r\n")
    assert not {0, 10, 13} & set(line[:-2])
    assert line.decode("latin-1") == f"{name}: {value}\r\n"


def test_lines_of_headers_are_joined_in_their_order() -> None:
    assert header_lines({"a": "1", "b": "2"}) == b"a: 1\r\nb: 2\r\n"


def test_a_method_that_nobody_knows_is_refused() -> None:
    with pytest.raises(WordError, match="has the method `get`; methods are DELETE, GET"):
        template(method="get")


# origin


@pytest.mark.parametrize(
    ("url", "label", "host_header", "base_path"),
    [
        ("http://features:8080", "features:8080", "features:8080", ""),
        ("http://features", "features:80", "features", ""),
        ("https://features/api/", "features:443", "features", "/api"),
        ("https://features:80", "features:80", "features:80", ""),
        ("http://[::1]:9/x", "[::1]:9", "[::1]:9", "/x"),
        ("unix:/run/f.sock", "unix:/run/f.sock", "localhost", ""),
    ],
)
def test_an_origin_is_read_from_its_url(url: str, label: str, host_header: str, base_path: str) -> None:
    origin = parse_origin(url)

    assert (origin.label, origin.host_header, origin.base_path) == (label, host_header, base_path)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://ada:s3cr3t@features", "a user or a password"),
        ("http://s3cr3t@features", "a user or a password"),
        ("ftp://features", "neither with http:// nor"),
        ("features:8080", "neither with http:// nor"),
        ("file:///etc/passwd", "neither with http:// nor"),
        ("http://", "names no host"),
        ("http://features?s3cr3t", "a query or a fragment"),
        ("http://features/#s3cr3t", "a query or a fragment"),
        ("http://features:99999", "is no URL"),
        ("http://features:0", "the port 0"),
        ("http://fea tures", "a blank"),
        ("http://features\r\nx:y", "a blank"),
        ("http://features/a/../b", "with `.` or `..`"),
        ("http://features/{id}", "percent-encoded"),
        ("unix:relative.sock", "no absolute path"),
        ("unix://host/x", "no absolute path"),
        ("unix:/" + "x" * 200, "more than 103 bytes"),
    ],
)
def test_a_url_that_is_no_service_is_refused_without_showing_it(url: str, reason: str) -> None:
    with pytest.raises(WordError) as caught:
        parse_origin(url)

    assert reason in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
