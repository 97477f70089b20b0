"""A strict reader of the Prometheus text format 0.0.4, for tests of what a server counts.

https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
_KINDS = {"counter", "gauge", "histogram"}


class PrometheusTextError(Exception):
    """A text is not of the format."""


@dataclass(slots=True)
class Family:
    """Samples of one name; a sample is known by its full name and its labels."""

    kind: str
    help: str
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    """Return the families of a text.

    Raises:
        PrometheusTextError: it breaks a rule of the format; the message says which and where.
    """
    _must(text.endswith("\n"), "the last line must end with a line feed")
    families: dict[str, Family] = {}
    helps: dict[str, str] = {}
    current = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _hash, _help, name, words = line.split(" ", 3)
            _must(name not in helps, f"two HELP lines of {name}")
            helps[name] = words
        elif line.startswith("# TYPE "):
            _hash, _type, current, kind = line.split(" ")
            _must(kind in _KINDS, line)
            _must(current not in families, f"two TYPE lines of {current}")
            _must(current in helps, f"no HELP line before the TYPE of {current}")
            families[current] = Family(kind, helps[current])
        else:
            name, labels, value = _sample(line)
            _must(current in families, f"no TYPE line before: {line}")
            family = families[current]
            suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
            _must(name in {current + suffix for suffix in suffixes}, f"{name} is not of {current}")
            _must((name, labels) not in family.samples, f"twice: {line}")
            family.samples[name, labels] = value
    for name, family in families.items():
        if family.kind == "histogram":
            _check_histogram(name, family)
    return families


def _sample(line: str) -> tuple[str, tuple[tuple[str, str], ...], float]:
    found = _SAMPLE.fullmatch(line)
    if found is None:
        raise PrometheusTextError(f"no sample: {line!r}")
    labels = tuple((name, _unescape(value)) for name, value in re.findall(_LABEL, found[2] or ""))
    _must(len({name for name, _value in labels}) == len(labels), line)
    return found[1], labels, float(found[found.re.groups])


def _unescape(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), value)


def _must(holds: object, otherwise: str) -> None:
    if not holds:
        raise PrometheusTextError(otherwise)


def _check_histogram(name: str, family: Family) -> None:
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for (sample, labels), value in family.samples.items():
        if sample == f"{name}_bucket":
            rest = tuple(label for label in labels if label[0] != "le")
            buckets.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for labels, counts in buckets.items():
        edges, numbers = zip(*counts, strict=True)
        _must(edges == tuple(sorted(set(edges))), f"buckets of {name} are not in order")
        _must(numbers == tuple(sorted(numbers)), f"buckets of {name} are not cumulative")
        _must(counts[-1][0] == float("inf"), f"{name} lacks the bucket +Inf")
        _must(counts[-1][1] == family.samples[f"{name}_count", labels], f"{name}_count is not the last bucket")
        _must((f"{name}_sum", labels) in family.samples, f"{name} lacks its sum")


def value(text: str, sample: str, **labels: str) -> float | None:
    """Return one sample of a text, or None; the order of the labels does not matter."""
    for family in parse(text).values():
        for (name, found), number in family.samples.items():
            if name == sample and dict(found) == labels:
                return number
    return None
