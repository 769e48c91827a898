"""Pictures show what they say: kept tokens clear, dropped ones dim, kinds framed, the cache as it was."""

from __future__ import annotations

import numpy as np
import pytest

from vtc_cli.report.inspection.pictures import COLOURS, attention_picture, held_picture, kept_picture, kinds_of
from vtc_cli.report.inspection.plots import binned, draw_layers, edges_of, held_by_course, held_by_moment, on_page
from vtc_cli.report.inspection.seen import CacheSeen, FrameSeen

KINDS = {"anchor": (0,), "register": (4, 5)}


def frame(**changes) -> FrameSeen:
    """Two rows of three tokens over a bright picture; three tokens are kept."""
    facts = {
        "time": 1.0, "unit": 0, "span": (1.0, 2.0), "grid": (2, 3), "image": np.full((40, 60, 3), 200, np.uint8),
        "kinds": KINDS, "attention": {3: np.asarray([0, 0, 0, 0, 0, 0.5], np.float32)},
        "held": np.asarray([[1, 0, 0, 0, 1, 1], [1, 0, 0, 0, 0.5, 0]]),
    }  # fmt: skip
    return FrameSeen(**(facts | changes))


def middle(picture, index: int) -> tuple[int, ...]:
    """The colour in the middle of a token of `frame()`, whose picture is enlarged to 480 x 720."""
    row, column = divmod(index, 3)
    return picture.getpixel((column * 240 + 120, row * 240 + 120))


def test_kept_tokens_are_clear_and_dropped_ones_dim():
    picture = kept_picture(frame(), kinds_of([frame()]))
    for index in range(6):
        expected = (200, 200, 200) if index in (0, 4, 5) else (63, 65, 67)
        assert np.allclose(middle(picture, index), expected, atol=2)


def test_kinds_have_frames_of_their_own_and_the_first_is_on_top():
    colours = kinds_of([frame(kinds={"kept": (0,)}), frame()])
    assert colours == {"anchor": COLOURS[0], "register": COLOURS[1]}
    picture = kept_picture(frame(kinds={"anchor": (1,), "register": (4,)}), colours)
    assert picture.getpixel((360, 0)) == COLOURS[0]
    assert picture.getpixel((360, 479)) == COLOURS[1]
    assert picture.getpixel((0, 100)) not in COLOURS


def test_one_kind_takes_no_frame():
    assert kinds_of([frame(kinds={"kept": (0, 1)})]) == {}


def test_attention_is_brightest_where_it_is_most():
    picture = attention_picture(frame(), 3)
    sums = [sum(middle(picture, index)) for index in range(6)]
    assert sums.index(max(sums)) == 5
    assert len(set(sums)) == 2
    assert attention_picture(frame(attention={3: np.zeros(6, np.float32)}), 3).size == picture.size


def test_what_the_cache_holds_is_as_clear_as_it_is_held():
    assert frame().thinned
    assert not frame(held=np.ones((2, 6))).thinned
    assert not frame(held=None).thinned
    picture = held_picture(frame())
    brightness = [middle(picture, index)[0] for index in range(6)]
    assert brightness[0] > brightness[4] > brightness[5] > brightness[1] == brightness[2] == brightness[3]


def cache(units: int = 4) -> CacheSeen:
    spans = [(2.0 * unit, 2.0 * unit + 1) for unit in range(units)]
    entries = np.arange(2 * units, dtype=float).reshape(2, units)
    return CacheSeen("window", spans, [10] * (units - 1) + [0], entries, [(1.0, np.asarray([5.0]))], 3)


def test_the_time_by_layer_table_is_entries_over_kept():
    table = held_by_moment(cache())
    assert np.allclose(table[:, :3], cache().entries[:, :3] / 10)
    assert np.isnan(table[:, 3]).all()
    course = held_by_course(cache())
    assert course[0, 0] == 0.5
    assert np.isnan(course[0, 1:]).all()
    assert edges_of(cache(), 4).tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize("units", [1, 300, 301, 1000])
def test_many_units_are_averaged_and_none_is_lost(units):
    values = np.random.default_rng(0).random((3, units))
    values[1] = np.nan
    found = binned(values)
    assert found.shape == (3, min(units, 300))
    assert np.isnan(found[1]).all()
    sizes = [len(group) for group in np.array_split(np.arange(units), found.shape[1])]
    assert np.allclose(found[0] @ sizes, values[0].sum())


def test_the_same_numbers_make_the_same_picture():
    first = on_page(draw_layers, "one", cache(), 2.0)
    assert on_page(draw_layers, "one", cache(), 2.0) == first
    assert "://" not in first
    assert "data:image/png" in first
