"""What a report says of changed answers."""

from __future__ import annotations

import pytest

from ci_core.reports.behaviour_section import behaviour_sentence
from ci_core.reports.report import (
    AnswerChange,
    Behaviour,
    BehaviourSide,
    FieldChange,
    Interval,
    ValueChange,
)
from ci_core.testing.sample_reports import sample_report
from tests.unit.reports.shown import lines, words

P = FieldChange(place="p", kind="number", answers=1, median=0.25, largest=0.25)

NEW = FieldChange(place="q", kind="new", answers=4, values=(ValueChange(old="", new="true", answers=4),))


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (Behaviour(source="s", requests=200), "All 200 requests are answered as before."),
        (Behaviour(source="s", requests=1), "The 1 request is answered as before."),
        (
            Behaviour(source="s", requests=6, changed=4, added=2, added_changed=1, fields=(P,)),
            "3 of 4 requests (75 %) are answered otherwise, as is 1 of 2 that the change adds: p by up to 0.25.",
        ),
        (
            Behaviour(source="s", requests=6, changed=2, added=2, added_changed=2, fields=(P,)),
            "0 of 4 requests (0 %) are answered otherwise, as are 2 of 2 that the change adds: p by up to 0.25.",
        ),
        (
            Behaviour(source="s", requests=200, changed=1, fields=(P,)),
            "1 of 200 requests (0.5 %) is answered otherwise: p by up to 0.25.",
        ),
        (
            Behaviour(source="s", requests=4, changed=4, gained=1, fields=(NEW, P)),
            """All 4 requests are answered otherwise: p by up to 0.25, and 1 new field
            (1 answer only gained fields).""",
        ),
        (
            Behaviour(source="s", requests=4, changed=4, gained=4, fields=(NEW,)),
            "All 4 requests are answered otherwise: 1 new field and nothing else.",
        ),
        (
            Behaviour(
                source="s",
                requests=9,
                changed=9,
                fields=(
                    FieldChange(place="", kind="status", answers=2),
                    FieldChange(place="id", kind="gone", answers=1),
                    FieldChange(place="at", kind="gone", answers=1),
                    FieldChange(place="label", kind="other", answers=3),
                    P,
                    P,
                ),
                more_fields=4,
            ),
            """All 9 requests are answered otherwise: 2 with another status, label in 3, p by up to 0.25,
            2 fields gone, and 5 other fields.""",
        ),
        (
            Behaviour(source="s", requests=4, changed=2, fields=(FieldChange(place="", kind="other", answers=2),)),
            "2 of 4 requests (50 %) are answered otherwise: the whole answer in 2.",
        ),
        (
            Behaviour(
                source="s",
                requests=4,
                base=BehaviourSide(failed=1),
                head=BehaviourSide(failed=3),
                latency_ratio=Interval(value=0.5, low=0.45, high=0.55),
                memory_ratio=1.3,
            ),
            """All 4 requests are answered as before; the head fails 2 requests more than the base;
            answering takes 0.5 × the time (95 %: 0.45 to 0.55), and 1.3 × the memory.""",
        ),
        (
            Behaviour(
                source="s", requests=4, latency_ratio=Interval(value=1.02, low=0.98, high=1.06), memory_ratio=1.01
            ),
            "All 4 requests are answered as before; answering takes as long as before (1.02 ×, 95 %: 0.98 to 1.06).",
        ),
        (
            Behaviour(source="s", requests=60, is_identical=True),
            """Nothing changed in what answers the 60 recorded requests: neither code nor models nor data files, so none
            was sent.""",
        ),
        (
            Behaviour(source="s", problem="the base's graph cannot be loaded"),
            "The answers of base and head were not compared: the base's graph cannot be loaded",
        ),
    ],
)
def test_behaviour_is_one_sentence(behaviour: Behaviour, sentence: str) -> None:
    assert words(behaviour_sentence(behaviour)).split() == sentence.split()


def test_each_field_that_changed_has_a_line_above_the_largest_changes() -> None:
    label = FieldChange(
        place="rows[].label",
        kind="other",
        answers=3,
        values=(ValueChange(old='"a"', new='"b"', answers=2), ValueChange(old="number", new="null", answers=1)),
        more_values=4,
    )
    moved = FieldChange(place="p", kind="number", answers=4, median=0.012, largest=0.25, share=0.5)
    behaviour = Behaviour(
        source="s",
        requests=9,
        changed=4,
        fields=(NEW, label, moved),
        more_fields=6,
        largest=(AnswerChange(request="{}", where="p", size=0.25),),
    )

    told = [" ".join(line.split()) for line in lines(sample_report().model_copy(update={"behaviour": behaviour}))]

    start = told.index("field change answers median move largest move of base's range values")
    assert told[start + 1 : start + 7] == [
        "q new 4 4 × true",
        'rows[].label changed 3 2 × "a" → "b", 1 × number → null, …',
        "p changed 4 0.012 0.25 50 %",
        "… and 6 more",
        "",
        "request before after moved by where",
    ]


def test_places_that_differ_by_themselves_are_named() -> None:
    behaviour = Behaviour(source="s", requests=9, unsteady=4, unsteady_places=("", *"abcde"))

    told = lines(sample_report().model_copy(update={"behaviour": behaviour}))

    assert (
        "- 4 requests are answered otherwise by the base itself when it is asked again, and not compared there: the"
        " whole answer, a, b, c, d, …" in told
    )
