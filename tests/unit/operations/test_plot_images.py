"""Plots that are images."""

from __future__ import annotations

import pytest

from ci_core.operations.plot_data import plot_parts
from ci_core.operations.plot_images import LARGEST_IMAGE_BYTES, LARGEST_IMAGES_BYTES
from ci_core.versioning.plots import Plot, PlotSource
from tests.unit.operations.declared_plots import drawn

PNG = b"\x89PNG\r\n\x1a\n"


class TestImages:
    def test_a_picture_is_told_by_its_first_bytes_and_embedded(self) -> None:
        plot = drawn(Plot(id="a.png", sources=(PlotSource(path="a.png", image=PNG + b"x"),)))

        (image,) = plot.images
        assert (plot.kind, image.media_type, image.size_bytes, image.data) == (
            "image",
            "image/png",
            9,
            "iVBORw0KGgp4",
        )

    @pytest.mark.parametrize(
        ("content", "media_type"),
        [
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0AVI ", None),
            (b"<html>", None),
        ],
    )
    def test_only_the_first_bytes_say_what_a_picture_is(self, content: bytes, media_type: str | None) -> None:
        plot = drawn(Plot(id="a.png", sources=(PlotSource(path="a.png", image=content),)))

        assert plot.images[0].media_type == media_type
        assert bool(plot.images[0].data) == (media_type is not None)

    @pytest.mark.parametrize(
        ("content", "note"),
        [
            (b"<?xml version='1.0'?><SVG onload='x'/>", "SVG files can hold scripts"),
            (b"<html>", "it is not PNG, JPEG, GIF or WebP"),
            (b"", "it is empty"),
            (PNG + bytes(LARGEST_IMAGE_BYTES), "it is larger than 150 kB"),
        ],
        ids=["svg", "html", "empty", "large"],
    )
    def test_a_picture_that_is_not_shown_says_why_and_keeps_its_size(self, content: bytes, note: str) -> None:
        plot = drawn(Plot(id="a.png", sources=(PlotSource(path="a.png", image=content),)))

        assert plot.notes == (f"head: `a.png` is not shown: {note}",)
        assert (plot.images[0].data, plot.images[0].size_bytes) == ("", len(content))

    def test_pictures_of_both_sides_are_kept_once_when_they_are_equal(self) -> None:
        base = Plot(id="a.png", properties={"title": "old"}, sources=(PlotSource(path="a.png", image=PNG),))
        head = Plot(id="a.png", sources=(PlotSource(path="a.png", image=PNG),))

        plot = drawn(head, base)

        assert [(image.side, bool(image.data)) for image in plot.images] == [("base", False), ("head", True)]
        assert plot.images[0].digest == plot.images[1].digest

    def test_pictures_of_a_report_have_one_bound_together(self) -> None:
        plots = [
            Plot(id=f"{index}.png", sources=(PlotSource(path=f"{index}.png", image=PNG + bytes(140_000)),))
            for index in range(5)
        ]

        parts = plot_parts(None, plots)

        assert [bool(part.images[0].data) for part in parts] == [True, True, True, False, False]
        assert sum(part.images[0].size_bytes for part in parts[:3]) <= LARGEST_IMAGES_BYTES
        assert parts[3].notes == (
            "head: `3.png` is not shown: the pictures before it took the 450 kB that a report has",
        )
