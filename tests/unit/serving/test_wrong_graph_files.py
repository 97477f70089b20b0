"""What authors of graphs write wrongly in files: each mistake is told with its line and with what to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci_core.errors import GraphFileError, GraphshipError, OutsideProjectError
from ci_core.serving import load_graph
from ci_core.serving.models import check_model_file

if TYPE_CHECKING:
    from pathlib import Path

IN_YAML = {
    "a `?` without quotes": (
        "inputs: {age: number?, city: string}\nsteps:\n  - step: Impute\n",
        'graph.yaml:2: `?` stands in braces without quotes (write `"number?"`, or one key a line)',
    ),
    "a type that there is not": (
        "inputs: {age: intt}\nsteps:\n  - step: Impute\n",
        (
            "graph.yaml:2, inputs.age: expected one of `number`, `integer`, `string`, `boolean`, `any`, "
            'found "intt" (did you mean `integer`?)'
        ),
    ),
    "a built-in in lower case": (
        "steps:\n  - step: impute\n",
        "graph.yaml:3, steps[0].step: `impute` is neither `module:name` nor a built-in step (did you mean `Impute`?)",
    ),
    "a built-in misspelt": (
        "steps:\n  - step: Imputer\n",
        "graph.yaml:3, steps[0].step: `Imputer` is neither `module:name` nor a built-in step (did you mean `Impute`?)",
    ),
    "a dot for a colon": (
        "steps:\n  - step: features.enrich\n",
        (
            "graph.yaml:3, steps[0].step: `features.enrich` is neither `module:name` nor a built-in step "
            "(did you mean `features:enrich`?)"
        ),
    ),
    "a path for the module of a router": (
        "steps:\n  - router: serving/routing.py:ByCountry\n    routes: {a: a.onnx}\n",
        (
            "graph.yaml:3, steps[0].router: `serving/routing.py:ByCountry` has a module that is written as a path "
            "(did you mean `serving.routing:ByCountry`?)"
        ),
    ),
    "a misspelt key": (
        "steps:\n  - step: Impute\n    retry: 3\n",
        "graph.yaml:4, steps[0].retry: unknown key `retry` (did you mean `retries`?)",
    ),
    "a misspelt word": (
        "steps:\n  - step: Impute\n    join: al\n",
        'graph.yaml:4, steps[0].join: expected one of `all`, `any`, `merge`, `key`, found "al" (did you mean `all`?)',
    ),
    "a key that is there twice": (
        "steps:\n  - step: Impute\n    with: {age: 1}\n    with: {age: 2}\n",
        "graph.yaml:5, steps[0].with: the key `with` is already given in line 4",
    ),
    "a text with a colon": (
        "steps:\n  - step: features: enrich\n",
        "graph.yaml:3: not valid YAML: mapping values are not allowed here: a text with `: ` in it has no quotes",
    ),
    "a data file elsewhere": (
        "files: [data/a.npz, ../../etc/passwd]\nsteps:\n  - step: Impute\n",
        (
            "graph.yaml:2, files[1]: `../../etc/passwd` lies outside the project "
            "(name a file in the project, relative to its folder)"
        ),
    ),
    "a model elsewhere": (
        "steps:\n  - router: single\n    routes:\n      a: /models/a.onnx\n",
        (
            "graph.yaml:5, steps[0].routes.a.model: `/models/a.onnx` lies outside the project "
            "(name a file in the project, relative to its folder)"
        ),
    ),
    "a list inside itself": (
        "steps: &a [*a]\n",
        "graph.yaml:2, steps[0]: an alias is used inside the value that it names",
    ),
    "a setting inside itself": (
        "steps:\n  - step: Impute\n    with: &a {b: *a}\n",
        "graph.yaml:4, steps[0].with.b: an alias is used inside the value that it names",
    ),
    "an input inside itself": (
        "inputs: &a {b: *a}\nsteps:\n  - step: Impute\n",
        "graph.yaml:2, inputs.b: an alias is used inside the value that it names",
    ),
    "lists in lists": (
        f"steps:\n  - step: Impute\n    with: {{a: {'[' * 3000}{']' * 3000}}}\n",
        "graph.yaml:4: is nested more than 100 levels deep",
    ),
    "graphs in graphs": (
        f"steps:\n  {'[{graph: {name: a, steps: ' * 3000}[]{'}}]' * 3000}\n",
        "graph.yaml:3: is nested more than 100 levels deep",
    ),
    "a name without end": (
        f"steps:\n  - name: {'n' * 200_000}\n    step: Impute\n",
        "graph.yaml:3, steps[0].name: expected a text of at most 1,000 characters, found 200,000",
    ),
    "a number without end": (
        f"timeout: {'9' * 5000}\nsteps:\n  - step: Impute\n",
        f"graph.yaml:2, timeout: `{'9' * 39}…` cannot be read as int",
    ),
    "a time longer than a life": (
        f"timeout: 1{'0' * 12}\nsteps:\n  - step: Impute\n",
        "graph.yaml:2, timeout: expected a number of seconds, found 1000000000000",
    ),
    "a count that no machine holds": (
        f"steps:\n  - step: Impute\n    retries: 1{'0' * 12}\n",
        ("graph.yaml:4, steps[0].retries: expected a whole number from 0 to 1,000,000,000, found 1000000000000"),
    ),
    "a tag that makes objects": (
        'inputs: {a: !!python/object/apply:os.system ["true"]}\nsteps:\n  - step: Impute\n',
        "graph.yaml:2, inputs.a: the tag `!!python/object/apply:os.system` is not allowed here (write a plain value)",
    ),
    "a character of no text": (
        'steps:\n  - step: "a\0b"\n',
        "graph.yaml:3: the character '\\x00' is not allowed in YAML",
    ),
    "a merge of no mapping": (
        "steps:\n  - <<: [1]\n    step: Impute\n",
        "graph.yaml:3, steps[0]: `<<` merges mappings only",
    ),
}


@pytest.mark.parametrize("case", IN_YAML)
def test_a_mistake_in_yaml_is_told_with_its_line_and_what_was_meant(case: str, tmp_path: Path) -> None:
    text, told = IN_YAML[case]
    (tmp_path / "graph.yaml").write_text(f"name: g\n{text}")

    with pytest.raises(GraphFileError) as caught:
        load_graph("graph.yaml", tmp_path)

    assert caught.value.known == (told,)


AS_BYTES = {
    "bytes that are not UTF-8": (
        b"name: g\nsteps: [\xff]\n",
        "graph.yaml:2: byte 0xff is not UTF-8 (save the file as UTF-8)",
    ),
    "ten megabytes": (
        b"name: g\n" + b"#" * 10_000_000,
        "graph.yaml: is longer than 262,144 bytes, which is what is read at most",
    ),
    "nothing": (b"", "graph.yaml:1: expected a mapping, found nothing"),
}


@pytest.mark.parametrize("case", AS_BYTES)
def test_a_file_that_is_no_text_or_too_long_is_refused_as_one_mistake(case: str, tmp_path: Path) -> None:
    data, told = AS_BYTES[case]
    (tmp_path / "graph.yaml").write_bytes(data)

    with pytest.raises(GraphFileError) as caught:
        load_graph("graph.yaml", tmp_path)

    assert caught.value.known[0] == told
    assert caught.value.exit_code == 2


def test_aliases_of_aliases_do_not_grow_without_bound(tmp_path: Path) -> None:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    text = "\n".join(f"      {level}" for level in levels)
    (tmp_path / "graph.yaml").write_text(f"name: g\nsteps:\n  - step: Impute\n    with:\n{text}\n")

    with pytest.raises(GraphFileError) as caught:
        load_graph("graph.yaml", tmp_path)

    assert caught.value.known == ("graph.yaml:5: grows to more than 20,000 values",)


def test_of_ten_thousand_mistakes_a_hundred_are_told(tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text("name: g\nsteps:\n" + "  - {stp: Impute}\n" * 5000)

    with pytest.raises(GraphFileError) as caught:
        load_graph("graph.yaml", tmp_path)

    assert len(caught.value.known) == 100
    assert caught.value.known[0] == "graph.yaml:3, steps[0].stp: unknown key `stp` (did you mean `step`?)"


def test_steps_may_share_what_an_anchor_names(tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text(
        "name: g\nsteps:\n"
        "  - &one {name: one, step: Impute, with: &ages {age: 1}, retries: 2}\n"
        "  - {<<: *one, name: two}\n"
        "  - {name: three, step: Impute, with: *ages}\n"
    )

    one, two, three = load_graph("graph.yaml", tmp_path).spec.steps

    assert (one.retries, two.retries, three.retries) == (2, 2, 0)
    assert one.arguments == two.arguments == three.arguments == {"age": 1}


def test_words_that_old_yaml_takes_for_truth_are_text(tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text(
        "name: g\nsteps:\n"
        "  - {name: land, choice: land, branches: {no: north, True: south, 1: west}}\n"
        "  - {name: north, step: Impute, after: land}\n"
        "  - {name: south, step: Impute, after: land}\n"
        "  - {name: west, step: Impute, after: land}\n"
    )

    assert load_graph("graph.yaml", tmp_path).spec.steps[0].branches == {"no": "north", "true": "south", "1": "west"}


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "data/../../passwd"])
def test_a_file_outside_the_project_is_refused_in_python_too(path: str, tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text(
        f"from ci_core.serving import Graph\ngraph = Graph('g', files=[{path!r}])\ngraph.to('builtins:str')\n"
    )

    with pytest.raises(OutsideProjectError) as caught:
        load_graph("graph.py:graph", tmp_path)

    assert caught.value.fact == f"graph `g` opens the data file `{path}`, which lies outside the project"


@pytest.mark.parametrize("path", ["../m.onnx", "/m.onnx", "a/../../m.onnx"])
def test_a_model_file_outside_of_the_folder_is_refused_though_it_is_there(path: str, tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "a").mkdir(parents=True)
    (tmp_path / "m.onnx").write_bytes(b"")

    with pytest.raises(OutsideProjectError, match="router `r` opens the model file"):
        check_model_file(path, "r", root)


def test_keys_of_like_paths_are_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text(
        'name: g\nsteps:\n  - step: MapValues\n    with: {values: {"a.b": {x: 1}, a: {b: 2}}}\n'
    )

    assert load_graph("graph.yaml", tmp_path).spec.steps[0].arguments["values"] == {"a.b": {"x": 1}, "a": {"b": 2}}


BETWEEN_STEPS = {
    "an unknown step": ("  - step: m:a\n  - step: m:b\n    after: aa\n", "graph.yaml:4", "unknown-step"),
    "an unknown setting": (
        "  - step: Impute\n  - step: Drop\n    with: {colums: [a]}\n",
        "graph.yaml:4",
        "invalid-step",
    ),
    "a class of no use": ("  - step: Impute\n  - step: features:Nothing\n", "graph.yaml:4", "invalid-step"),
    "a function of two": ("  - step: features:pair\n", "graph.yaml:3", "invalid-step"),
    "a model": ("  - step: features:Risk\n", "graph.yaml:3", "invalid-step"),
    "an argument of a function": ("  - step: features:same\n    with: {x: 1}\n", "graph.yaml:3", "invalid-step"),
    "a setting of a queue": ("  - queue: q\n    with: {max-delivery: 3}\n", "graph.yaml:3", "invalid-step"),
    "a rule that there is not": (
        "  - step: Impute\n  - step: Validate\n    name: v\n    with: {columns: {age: {typ: integer}}}\n",
        "graph.yaml:4",
        "invalid-step",
    ),
    "a pattern that is none": (
        "  - step: Validate\n    name: v\n    with: {columns: {age: {pattern: '('}}}\n",
        "graph.yaml:3",
        "invalid-step",
    ),
    "weights without names": (
        (
            "  - step: Impute\n  - router: weighted\n    with: {weights: [90, 10]}\n"
            "    routes: {a: features:Risk, b: features:Risk}\n"
        ),
        "graph.yaml:4",
        "invalid-step",
    ),
    "a setting of a router that is no switch": (
        (
            "  - step: Impute\n  - router: parallel\n    with: {extend: body}\n"
            "    routes: {a: features:Risk, b: features:Risk}\n"
        ),
        "graph.yaml:4",
        "invalid-step",
    ),
    "a setting of a step in a nested graph": (
        (
            "  - graph:\n      name: inner\n      steps:\n        - step: Impute\n"
            "        - {step: Remote, with: {url: nowhere}}\n"
        ),
        "graph.yaml:7",
        "invalid-step",
    ),
    "a router of the name of its model": (
        "  - step: Impute\n  - router: vote\n    name: a\n    routes: {a: features:Risk, b: features:Risk}\n",
        "graph.yaml:4",
        "invalid-step",
    ),
    "no step": ("  []\n", "graph.yaml", "empty-graph"),
}

FEATURES = """
from ci_core.serving import Model

class Nothing: ...

class Risk(Model):
    def predict(self, rows):
        return rows

def pair(a, b):
    return a

def same(body):
    return body
"""


@pytest.mark.parametrize("case", BETWEEN_STEPS)
def test_a_graph_that_makes_no_sense_is_told_with_the_line_of_the_step(case: str, tmp_path: Path) -> None:
    steps, place, slug = BETWEEN_STEPS[case]
    (tmp_path / "graph.yaml").write_text(f"name: g\nsteps:\n{steps}")
    (tmp_path / "features.py").write_text(FEATURES)

    with pytest.raises(GraphshipError) as caught:
        load_graph("graph.yaml", tmp_path)

    assert (caught.value.slug, caught.value.where) == (slug, (place,))


def test_a_wrong_setting_of_a_built_in_is_told_by_the_name_of_its_step(tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text(
        "name: g\nsteps:\n  - step: Validate\n    name: v\n    with: {columns: {age: {typ: integer}}}\n"
    )

    with pytest.raises(GraphshipError, match="step `v` has the rule `typ` of `age`"):
        load_graph("graph.yaml", tmp_path)


@pytest.mark.parametrize("null", ["null", '"null"', "~"])
def test_the_rule_null_needs_no_quotes_in_yaml(null: str, tmp_path: Path) -> None:
    (tmp_path / "graph.yaml").write_text(
        f"name: g\nsteps:\n  - step: Validate\n    with: {{columns: {{age: {{type: integer, {null}: true}}}}}}\n"
    )

    graph = load_graph("graph.yaml", tmp_path)

    assert graph.test({"age": None}) == {"age": None}
    assert graph.spec.steps[0].arguments == {"columns": {"age": {"type": "integer", "null": True}}}


def test_a_mistake_in_python_is_told_with_the_authors_line_and_its_own_slug(tmp_path: Path) -> None:
    (tmp_path / "graph.py").write_text(
        'from ci_core.serving import Graph\n\n\ngraph = Graph("g", inputs={"age": "intt"})\n'
    )

    with pytest.raises(GraphshipError) as caught:
        load_graph("graph.py:graph", tmp_path)

    assert caught.value.slug == "unknown-input-type"
    assert caught.value.where == ("graph.py:4",)
    assert caught.value.hint == "did you mean `integer`?"
    assert "types: `number`, `integer`, `string`, `boolean`, `any`; with `?`" in caught.value.known[0]


def test_lines_of_packages_that_are_installed_below_the_project_are_not_the_authors(tmp_path: Path) -> None:
    package = tmp_path / ".venv/lib/site-packages/helpers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def fail():\n    raise ValueError('no')\n")
    (tmp_path / "graph.py").write_text(
        f"import sys\nsys.path.insert(0, {str(package.parent)!r})\nimport helpers\nhelpers.fail()\n"
    )

    with pytest.raises(GraphshipError) as caught:
        load_graph("graph.py:graph", tmp_path)

    assert caught.value.where == ("graph.py:4",)
