from __future__ import annotations

import threading

import pytest

from ci_core.pipelines.heartbeat import Heartbeat, facts
from ci_core.pipelines.spec import Activity


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def heartbeat(clock: Clock) -> Heartbeat:
    return Heartbeat(lambda _line: None, every_s=30, clock=clock)


def test_nothing_is_due_before_half_a_minute_of_silence() -> None:
    clock = Clock()
    beat = heartbeat(clock)
    beat.on_activity(Activity(what="train: python train.py"))

    clock.now = 29.9

    assert beat.due() is None


def test_after_half_a_minute_it_says_what_goes_on_and_for_how_long_once() -> None:
    clock = Clock()
    beat = heartbeat(clock)
    clock.now = 5
    beat.on_activity(Activity(what="train: python train.py"))

    clock.now = 35

    assert beat.due() == "train: python train.py: 30 s so far"
    assert beat.due() is None


def test_it_speaks_again_after_another_half_minute() -> None:
    clock = Clock()
    beat = heartbeat(clock)
    beat.on_activity(Activity(what="train: python train.py"))
    clock.now = 30
    beat.due()

    clock.now = 60

    assert beat.due() == "train: python train.py: 1 min so far"


def test_a_line_that_somebody_else_says_puts_it_off() -> None:
    clock = Clock()
    beat = heartbeat(clock)
    beat.on_activity(Activity(what="train: python train.py"))
    clock.now = 20
    beat.spoken()

    clock.now = 49

    assert beat.due() is None


def test_progress_of_the_same_activity_does_not_begin_it_anew() -> None:
    clock = Clock()
    beat = heartbeat(clock)
    beat.on_activity(Activity(what="sending the data"))
    clock.now = 29
    beat.on_activity(Activity(what="sending the data", files_done=3, files_total=12_000, bytes_done=4_500_000))

    clock.now = 30

    assert beat.due() == "sending the data: 30 s so far, 3 of 12,000 files, 4.5 MB"


def test_before_anything_began_there_is_nothing_to_say() -> None:
    clock = Clock()
    beat = heartbeat(clock)

    clock.now = 100

    assert beat.due() is None


def test_it_speaks_from_a_thread_of_its_own_until_it_is_left() -> None:
    said = threading.Event()

    with Heartbeat(lambda _line: said.set(), every_s=0.001) as beat:
        beat.on_activity(Activity(what="train"))
        spoke = said.wait(60)

    assert spoke
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        (Activity(what="x"), []),
        (Activity(what="x", files_total=1), ["0 of 1 file"]),
        (Activity(what="x", shows=" 45 % ###"), ["shows `45 % ###`"]),
        (Activity(what="x", shows="." * 200), [f"shows `{'.' * 80}`"]),
    ],
)
def test_only_what_is_known_is_told(activity: Activity, expected: list[str]) -> None:
    assert facts(activity) == expected
