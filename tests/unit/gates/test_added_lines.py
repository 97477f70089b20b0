from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ci_core.gates.added_lines import AddedLine, added_lines

PATCH = b"""\
diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -2 +2,2 @@ def f():
-old
+new
+++ b/not a heading
@@ -9,2 +9,0 @@
--- a/neither
-this
@@ -20,0 +19 @@
+last
\\ No newline at end of file
diff --git "a/\\303\\274 \\"q\\".txt" "b/\\303\\274 \\"q\\".txt"
--- /dev/null
+++ "b/\\303\\274 \\"q\\".txt"
@@ -0,0 +1 @@
+x
diff --git a/with blank b/with blank
--- a/with blank\t
+++ b/with blank\t
@@ -1 +1 @@
-
+
"""


def test_added_lines_have_the_numbers_of_the_new_file() -> None:
    assert [(line.path, line.line, line.text) for line in added_lines(PATCH)] == [
        ("a.py", 2, b"new"),
        ("a.py", 3, b"++ b/not a heading"),
        ("a.py", 19, b"last"),
        ('ü "q".txt', 1, b"x"),
        ("with blank", 1, b""),
    ]


@given(st.lists(st.binary(max_size=30).filter(lambda text: b"\n" not in text), min_size=1, max_size=8))
def test_whatever_stands_in_a_file_it_is_not_taken_for_a_heading(texts: list[bytes]) -> None:
    hunk = b"\n".join(b"+" + text for text in texts)
    patch = b"--- a/f\n+++ b/f\n@@ -0,0 +1,%d @@\n%s\n" % (len(texts), hunk)

    assert list(added_lines(patch)) == [
        AddedLine(path="f", line=number, text=text) for number, text in enumerate(texts, start=1)
    ]


@given(st.binary())
def test_no_patch_makes_it_fail(patch: bytes) -> None:
    list(added_lines(patch))
