"""The pictures of accuracy against tokens and bytes: their points, their frontier, and files that stand alone."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.figures import Results
from benchmarks.pareto import Curve, Picture, frontier, pictures, save
from tests.results.invented import every_part


@pytest.fixture(scope="module")
def found() -> Results:
    return Results(every_part())


def test_every_method_is_a_curve_with_its_sizes(found):
    tokens, cached = pictures(found)
    curves = {curve.name: curve.points for curve in tokens.curves}
    assert {"hiprune", "hiprune++", "fastv", "dycoke"} <= set(curves)
    assert [round(cost, 3) for cost, *_ in curves["hiprune"]] == [0.056, 0.111, 0.222, 0.333]
    assert [round(cost, 3) for cost, *_ in curves["fastv"]] == [0.056, 0.111, 0.222, 0.333]  # of its later layers
    assert all(low <= share <= high for points in curves.values() for _, share, low, high in points)
    assert tokens.none[:2] == (1.0, 0.9)
    assert dict(tokens.levels) == {"over noise": 0.2}
    curves = {curve.name: curve for curve in cached.curves}
    assert len(curves["infinipot-v"].points) == 3
    assert len(curves["recent"].points) == 1
    assert curves["snapkv (n 1000)"].apart
    assert dict(cached.levels) == {"chance": 0.1}


def test_the_frontier_is_what_nothing_cheaper_equals():
    curves = (
        Curve("a", ((1.0, 0.5, 0, 1), (2.0, 0.4, 0, 1))),
        Curve("b", ((1.0, 0.6, 0, 1), (3.0, 0.8, 0, 1))),
        Curve("other questions", ((0.5, 0.9, 0, 1),), apart=True),
    )
    picture = Picture("x", "cost", curves, (9.0, 0.7, 0.6, 0.8), (), str)
    assert frontier(picture) == [(1.0, 0.6), (3.0, 0.8)]


def test_pictures_stand_alone_and_are_the_same_again(found, tmp_path):
    from PIL import Image

    first = {path.name: path.read_bytes() for path in save(found, tmp_path)}
    assert {path.name: path.read_bytes() for path in save(found, tmp_path)} == first
    for name, content in first.items():
        if name.endswith(".png"):
            drawn = Image.open(io.BytesIO(content)).convert("RGB")
            assert drawn.getpixel((2, 2)) == (255, 255, 255)  # legible on a dark page too
            assert len(drawn.getcolors(1 << 20)) > 20
            continue
        text = content.decode()
        root = ElementTree.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        words = "".join(root.itertext())
        assert "infinipot-v" in words or "hiprune++" in words
        assert "prefers-color-scheme:dark" in text
        assert "--c8:" in text
        assert "#a10" not in text
        assert "#a20" not in text  # no stand-in colour is left
        assert "http" not in text.replace("http://www.w3.org/", "")
