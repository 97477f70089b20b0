from __future__ import annotations

import pytest

from ci_core.operations.pipeline import sent_text
from ci_core.versioning.dvc import Transfer


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        (0, "there is nothing to send to storage (s3://bucket)"),
        (1, "1 object is in storage (s3://bucket)"),
        (12, "12 objects are in storage (s3://bucket)"),
    ],
)
def test_a_push_is_told_by_how_many_objects_were_seen_in_the_remote(objects: int, text: str) -> None:
    assert sent_text(Transfer(remote="storage (s3://bucket)", transferred=0, verified=objects)) == text
