"""What the ledger keeps comes back as it was."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from ci_core.monitoring.profile import ColumnCounts, Layout, NumericGrid, Profile, no_rows
from ci_core.monitoring.records import WindowRecord
from ci_core.monitoring.reference import Block, ReferenceProfile
from ci_core.monitoring.spec import ColumnVerdict, Verdict, Window
from ci_core.types import Digest, ReleaseId

LAYOUT = Layout(columns=MappingProxyType({"temp": NumericGrid(centre=32.0, scale=8.0)}))
START = datetime(2013, 6, 15, tzinfo=UTC)
DAY = Profile(rows=3, layout=LAYOUT.digest, columns={"temp": ColumnCounts(cells={2: 3}, minimum=70.0, maximum=71.5)})
COLUMN = ColumnVerdict(
    name="temp",
    kind="numeric",
    distance=0.99,
    bound=1.13,
    floor=0.02,
    shift=4.12,
    shift_bound=2.64,
    shift_floor=0.05,
    drifted=True,
    quality=("missing 0.0 % → 6.0 %",),
    importance=0.21,
    reference_summary="mean 35.6 (sd 9.3)",
    window_summary="mean 73.8 (sd 5.2)",
    smallest_visible=math.inf,
)


def test_a_window_record_survives_json() -> None:
    window = Window(start=START, end=START + timedelta(days=1))
    verdict = Verdict(
        state="broken-data", window=window, rows=3, reasons=("What.", "Why."), calibrated=True, columns=(COLUMN,)
    )
    record = WindowRecord(
        window=window,
        verdict=verdict,
        releases=(ReleaseId("4f"), ReleaseId("9a")),
        rows=3,
        profile=DAY,
        reference=Digest("sha256:1"),
    )

    text = json.dumps(record.to_dict(), allow_nan=False)

    assert WindowRecord.from_dict(json.loads(text)) == record


def test_a_reference_profile_survives_json() -> None:
    reference = ReferenceProfile(
        layout=LAYOUT, length=timedelta(days=1), blocks=(Block(start=START, profile=DAY),), rest=no_rows(LAYOUT)
    )

    restored = ReferenceProfile.from_dict(json.loads(json.dumps(reference.to_dict())))

    assert restored.digest == reference.digest
    assert restored.pooled.rows == 3
    assert restored.blocks == reference.blocks
