from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ci_core.yaml_source import MAX_BYTES, MAX_NODES, Document, parse_yaml


def parse(text: str) -> Document:
    return parse_yaml(text.encode(), file="f.yaml")


def facts(document: Document) -> list[tuple[int | None, str]]:
    return [(problem.location.line, problem.fact) for problem in document.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # YAML 1.2.2, section 10.3.2 (examples of the core schema), and what YAML 1.1 would have made of them
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("0o14", 12),
        ("0x3A", 58),
        ("-19", -19),
        ("014", 14),
        ("1e3", 1000.0),
        ("-2E+05", -200000.0),
        ("0.", 0.0),
        (".5", 0.5),
        ("12:30", "12:30"),
        ("2013-01-01", "2013-01-01"),
        ("1_000", "1_000"),
        ("=", "="),
        ("'12'", "12"),
        ("!!str 12", "12"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    document = parse(f"key: {text}")

    assert document.value == {"key": value}
    assert document.problems == ()


def test_infinities_and_not_a_number_are_numbers() -> None:
    document = parse("[.inf, -.INF, .nan]")

    assert isinstance(document.value, list)
    assert document.value[:2] == [math.inf, -math.inf]
    assert math.isnan(float(str(document.value[2])))


def test_the_key_on_is_text() -> None:
    assert parse("retrain: {on: drift}").value == {"retrain": {"on": "drift"}}


def test_every_key_path_has_its_line() -> None:
    document = parse("name: a\ngates:\n  m.json:auc:\n    min: 1\nmonitor:\n  ignore:\n    - x\n    - y\n")

    assert document.lines == {
        "name": 1,
        "gates": 2,
        "gates.m.json:auc": 3,
        "gates.m.json:auc.min": 4,
        "monitor": 5,
        "monitor.ignore": 6,
        "monitor.ignore.0": 7,
        "monitor.ignore.1": 8,
    }


def test_every_line_indented_with_a_tab_is_named() -> None:
    document = parse("name: a\npipeline:\n\tengine: dvc\n\tcommit-lock: true\n")

    assert document.value is None
    assert facts(document) == [
        (3, "the line is indented with a tab, which YAML does not allow"),
        (4, "the line is indented with a tab, which YAML does not allow"),
    ]


def test_a_key_given_twice_names_both_lines_and_the_first_stays() -> None:
    document = parse("a: 1\nb: 2\na: 3\n")

    assert document.value == {"a": 1, "b": 2}
    assert facts(document) == [(3, "the key `a` is already given in line 1")]


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "!!python/tuple [1]",
        "!!set {a}",
        "!!binary aGk=",
        "!own {a: 1}",
        "!!timestamp 2013-01-01",
    ],
)
def test_tags_that_make_objects_are_refused(text: str) -> None:
    document = parse(f"first: 1\nkey: {text}\n")

    assert document.value == {"first": 1, "key": None}
    assert [(line, fact.split("`")[0]) for line, fact in facts(document)] == [(2, "the tag ")]


def test_nested_aliases_may_not_grow_without_bound() -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]

    document = parse("\n".join(levels))

    assert facts(document) == [(1, "grows to more than 20,000 values")]


def test_an_alias_inside_its_own_anchor_is_a_mistake() -> None:
    document = parse("a: &a\n  b: *a\n")

    assert [fact for _line, fact in facts(document)] == ["an alias is used inside the value that it names"]


def test_a_merge_key_fills_in_what_is_not_given() -> None:
    document = parse("base: &base {port: 1, workers: 2}\nstaging: {<<: *base, port: 3}\n")

    assert document.value == {"base": {"port": 1, "workers": 2}, "staging": {"port": 3, "workers": 2}}
    assert document.problems == ()


@pytest.mark.parametrize(
    ("data", "line", "fact"),
    [
        (b"name: a\nx: \xff\n", 2, "byte 0xff is not UTF-8"),
        (b"name: a\nx: \x07\n", 2, "the character '\\x07' is not allowed in YAML"),
        (
            b"name: [a\n",
            2,
            "not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'",
        ),
        (
            b"a: 1\n---\nb: 2\n",
            2,
            "not valid YAML: expected a single document in the stream, but found another document",
        ),
        (b"? [a]\n: 1\n", 1, "a key must be text, not a list or a mapping"),
        (b"a: !!int x\n", 1, "`x` cannot be read as int"),
        (b"<<: 3\n", 1, "`<<` merges mappings only"),
        (b"a:\n  " + b"[" * 5000, 2, "is nested more than 100 levels deep"),
        (b"- " * 5000, 1, "is nested more than 100 levels deep"),
        (b'a: 1\nb: "\\UFFFFFFFF"', 2, "not valid YAML: Python int too large to convert to C int"),
        (b'a: 1\nb: "\\uD800"', 2, "`\\ud800` holds half a character"),
        (b'a: 1\n"\\uD800": 2', 2, "`\\ud800` holds half a character"),
        (b"!!python/name:os.system a: 1", 1, "the tag `!!python/name:os.system` is not allowed here"),
        (b"%TAG ! " + b"x" * 200 + b"\n---\n!a b", 3, "a tag is longer than 100 characters"),
    ],
)
def test_text_that_is_no_yaml_is_refused_with_its_line(data: bytes, line: int | None, fact: str) -> None:
    assert facts(parse_yaml(data, file="f.yaml")) == [(line, fact)]


def test_a_huge_file_is_refused_unread() -> None:
    document = parse_yaml(b"#" * (MAX_BYTES + 1), file="f.yaml")

    assert facts(document) == [(None, "is longer than 262,144 bytes, which is what is read at most")]


def test_more_values_than_are_read_are_refused_where_they_begin() -> None:
    document = parse("- x\n" * (2 * MAX_NODES + 1))

    assert facts(document) == [(40_000, "holds more than 20,000 values")]


def test_aliases_may_not_nest_deeper_than_lists_may() -> None:
    document = parse(f"a: &a {'[' * 60}{']' * 60}\nb:\n  {'[' * 60}*a{']' * 60}\n")

    assert facts(document) == [(1, "is nested more than 100 levels deep")]


def test_key_paths_do_not_grow_with_long_keys_in_one_another() -> None:
    document = parse(f"? {'k' * 600}\n: {{? {'l' * 600} : 1, m: 2}}\n")

    assert document.value == {"k" * 600: {"m": 2}}
    assert facts(document) == [(2, f"the key `{'l' * 39}…` makes a key path of more than 1,000 characters")]


def test_a_hundred_mistakes_are_told_and_no_more() -> None:
    document = parse("- !own x\n" * 101)

    assert len(document.problems) == 100


def test_a_mistake_is_told_in_a_short_line_however_long_its_text_is() -> None:
    document = parse(f"a: !!int {'x' * 100_000}\n? {'k' * 900}\n: 1\n? {'k' * 900}\n: 2\n")

    assert facts(document) == [
        (1, f"`{'x' * 39}…` cannot be read as int"),
        (4, f"the key `{'k' * 199}…` is already given in line 2"),
    ]
    assert document.problems[1].location.key == f"{'k' * 199}…"


def test_keys_have_the_text_that_json_has_for_them() -> None:
    document = parse('{True: 1, "True": 2, ~: 3, 2024: 4, no: 5, 1.50: 6}')

    assert document.value == {"true": 1, "True": 2, "null": 3, "2024": 4, "no": 5, "1.50": 6}


def test_items_of_lists_may_stand_in_brackets() -> None:
    document = parse_yaml(b"a:\n  - b: 1\n  - [2]\n", file="f.yaml", brackets=True)

    assert document.lines == {"a": 1, "a[0]": 2, "a[0].b": 2, "a[1]": 3, "a[1][0]": 3}


def test_of_several_merged_mappings_the_first_wins_and_the_order_is_theirs() -> None:
    document = parse("x: {<<: [{b: 1, a: 1}, {a: 2, c: 2}], d: 3}\n")

    assert document.value == {"x": {"b": 1, "a": 1, "c": 2, "d": 3}}
    assert isinstance(document.value["x"], dict)
    assert list(document.value["x"]) == ["b", "a", "c", "d"]


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse_yaml(b"\xef\xbb\xbfname: a\n", file="f.yaml").value == {"name": "a"}


def test_an_empty_file_is_nothing() -> None:
    assert parse("# only a comment\n") == Document(value=None)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), plain, max_size=4))
def test_what_pyyaml_writes_quoted_is_read_back(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, default_style='"', allow_unicode=True)

    assert parse(text).value == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_problem_and_never_an_exception(data: bytes) -> None:
    document = parse_yaml(data, file="f.yaml")

    assert all((problem.location.line or 1) >= 1 and problem.fact for problem in document.problems)
