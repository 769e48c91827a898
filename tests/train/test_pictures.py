"""What the truth says is what the pictures show."""

import numpy as np
import pytest

from vtc_cli.train.world import Caption, Film, Scene, Thing, frame_at, label_map, make_film, write_mp4
from vtc_cli.train.world.background import draw_background
from vtc_cli.train.world.drawing import paint
from vtc_cli.train.world.film import Camera, Light, Post
from vtc_cli.train.world.font import TALL, bitmap, width
from vtc_cli.train.world.labels import CHANNELS, IGNORE, unit_at
from vtc_cli.train.world.palette import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, WORDS
from vtc_cli.train.world.render import shown_at

SIZE = (128, 128)
FAMILIES = sorted({family for families in BACKGROUNDS.values() for family in families})
TEXTS = [*map(str, range(10)), *WORDS]


def still(shape="star", colour="red", centre=(0.5, 0.5), radius=0.17, **rest):
    return Thing(shape, colour, "still", centre, (0.0, 0.0), radius, 0.1, 1.0, **rest)


def one_scene(*things, light=None, family="clouds", **rest):
    scene = Scene(0.0, 8.0, family, 3, tuple(things), **rest)
    return Film((0, 1), "train", 8.0, 1.0, 0.0, light or Light(), (scene,))


def test_colours_are_where_the_labels_say():
    """The most vivid pixel of a cell labelled with a colour is nearest to that colour's own."""
    names = list(COLOURS)
    table = np.array([COLOURS[name] for name in names], float)
    right = total = 0
    for seed in range(60):
        film = make_film(seed, "validation", duration=4.0)
        labels = label_map(film, (1.0, 1.0), SIZE, 16)
        picture = frame_at(film, 1.0, SIZE).astype(float)
        for row, column in zip(*np.nonzero(labels[..., 1] > 0), strict=True):
            cell = picture[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16].reshape(-1, 3)
            distance = np.linalg.norm(cell[:, None] - table[None], axis=-1).min(0)
            right += distance[labels[row, column, 1] - 1] <= np.sort(distance)[1]
            total += 1
    assert total > 300
    assert right / total > 0.9


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("texture", ["flat", "striped", "dotted", "shaded"])
def test_a_thing_is_drawn_and_labelled_where_it_is(shape, texture):
    thing = still(shape, "green", (0.44, 0.6), 0.2, texture=texture)
    film, bare = one_scene(thing), one_scene()
    changed = np.abs(frame_at(film, 1.0, SIZE).astype(int) - frame_at(bare, 1.0, SIZE)).max(-1) > 4
    rows, columns = np.nonzero(changed)
    reach = np.hypot((columns + 0.5) / 128 - 0.44, (rows + 0.5) / 128 - 0.6)
    assert 0.16 < reach.max() < 0.2 * 1.2
    assert abs(columns.mean() / 128 - 0.44) < 0.02
    assert abs(rows.mean() / 128 - 0.6) < 0.04
    labels = label_map(film, (1.0, 2.0), SIZE, 16)
    wanted = (SHAPES.index(shape) + 1, list(COLOURS).index("green") + 1, list(MOTIONS).index("still") + 1, 0, 0)
    share = changed.reshape(8, 16, 8, 16).mean((1, 3))
    assert (labels[share > 0.3] == wanted).all()
    assert (labels[share == 0] == 0).all()


def test_labels_say_the_motion_of_moving_things():
    thing = Thing("circle", "blue", "right", (0.2, 0.5), (0.1, 0.0), 0.15, 0.0, 1.0)
    film = one_scene(thing)
    for time, column in ((0.0, 1), (4.0, 4)):
        cell = label_map(film, (time, time), SIZE, 16)[4, column]
        assert cell[2] == list(MOTIONS).index("right") + 1
        assert label_map(film, (time, time), SIZE, 16)[4, 7, 0] == 0


def test_labels_come_with_the_frames():
    film = make_film(3, duration=4.0)
    frames, labels = unit_at(film, (1.0, 2.0), (96, 160), 16)
    assert np.array_equal(frames, np.stack([frame_at(film, time, (96, 160)) for time in (1.0, 2.0)]))
    assert labels.shape == (6, 10, len(CHANNELS))
    assert np.array_equal(labels, label_map(film, (1.0, 2.0), (96, 160), 16))
    for seed in range(20):
        values = label_map(make_film(seed, duration=4.0), (1.0, 2.0), SIZE, 16)
        for channel, classes in enumerate(CHANNELS.values()):
            assert all(value == IGNORE or 0 <= value < classes for value in np.unique(values[..., channel]))


def test_a_post_hides_what_is_behind_it_and_leaves_no_label():
    post = Post(True, 0.5, 0.14, 60.0)
    film = one_scene(still(radius=0.19), post=post)
    left, right = round((0.5 - 0.07) * 128), round((0.5 + 0.07) * 128)
    picture = frame_at(film, 1.0, SIZE)
    assert (picture[:, left:right] == 60).all()
    assert not (picture[:, left - 1] == 60).all()
    shown = [item.what for item in shown_at(film, 1.0, SIZE)]
    assert shown.index(post) == 1  # in front of the thing


def test_the_camera_pans_over_the_background_and_things_keep_their_place():
    thing = still(radius=0.15)
    film = one_scene(thing, family="noise", camera=Camera((4 / 128, -2 / 128)))
    first, second = (frame_at(film, time, SIZE).astype(int) for time in (3.0, 4.0))
    bare = one_scene(family="noise", camera=Camera((4 / 128, -2 / 128)))
    before, after = (frame_at(bare, time, SIZE).astype(int) for time in (3.0, 4.0))
    assert not np.array_equal(before, after)
    assert np.array_equal(before[:-2, 4:], after[2:, :-4])
    inside = np.s_[60:68, 60:68]
    assert np.array_equal(first[inside], second[inside])


def test_the_camera_zooms_into_the_background():
    film = one_scene(family="clouds", camera=Camera(zoom=0.03))
    wide, close = (frame_at(film, time, SIZE).astype(float) for time in (1.0, 7.0))
    at = 64 + (np.arange(128) + 0.5 - 64) / (1.09 / 0.91)
    scaled = wide[at.astype(int)[:, None], at.astype(int)[None]]
    assert np.abs(scaled - close).mean() < 0.3 * np.abs(wide - close).mean()


def test_light_swings():
    film = one_scene(still(), family="plain", light=Light(0.1, 8.0, 0.0))
    dark, usual, bright = (frame_at(film, time, SIZE)[2, 2].astype(float) for time in (6.0, 0.0, 2.0))
    assert bright / usual == pytest.approx(1.1, abs=0.05)
    assert dark / usual == pytest.approx(0.9, abs=0.05)


def _read(picture, caption, scale):
    """What the caption says, from the light at the middle of each cell of its letters."""
    centre, height = np.multiply(caption.centre, scale), caption.height * scale
    best = {}
    for text in TEXTS:
        cells = bitmap(text.upper())
        step = height / TALL
        columns = centre[0] + (np.arange(cells.shape[1]) + 0.5 - cells.shape[1] / 2) * step
        rows = centre[1] + (np.arange(TALL) + 0.5 - TALL / 2) * step
        if min(columns[0], rows[0]) < 0 or max(columns[-1] - picture.shape[1], rows[-1] - picture.shape[0]) >= 0:
            continue
        light = picture[rows.astype(int)[:, None], columns.astype(int)[None]].mean(-1) > 128
        best[text] = float((light != caption.inverted).astype(float).__eq__(cells).mean())
    return max(best, key=best.get), max(best.values())


@pytest.mark.parametrize("aspect", [1.0, 16 / 9])
def test_captions_can_be_read(aspect):
    read = set()
    for seed in range(150):
        film = make_film(seed, "test", 6.0, aspect=aspect)
        for caption in film.captions:
            picture = frame_at(film, (caption.start + caption.end) / 2, (128, round(128 * aspect)))
            text, share = _read(picture, caption, 128)
            assert text == caption.text
            assert share > 0.97
            read.add(text)
    assert len(read) >= len(TEXTS) - 2


@pytest.mark.parametrize("text", TEXTS)
def test_the_width_of_a_text_is_its_bitmaps(text):
    assert width(text.upper(), 0.7) == pytest.approx(bitmap(text.upper()).shape[1] * 0.1)


def test_captions_are_labelled_with_what_they_say():
    film = one_scene(caption=Caption("stop", 0.0, 8.0, (0.5, 0.5), 0.2))
    labels = label_map(film, (1.0, 1.0), SIZE, 16)
    assert labels[4, 4].tolist() == [len(SHAPES) + 1, 0, 0, 0, WORDS.index("stop") + 1]
    film = one_scene(caption=Caption("7", 0.0, 8.0, (0.5, 0.5), 0.3))
    assert label_map(film, (1.0, 1.0), SIZE, 16)[4, 4].tolist() == [len(SHAPES) + 1, 0, 0, 8, 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_backgrounds_are_dull_and_the_same_at_any_size(family):
    for seed in range(6):
        picture = draw_background(family, seed, (128, 192))
        assert picture.shape == (128, 192, 3)
        assert picture.min() >= -12
        assert picture.max() < 215
        spread = picture.max(-1) - picture.min(-1)
        assert float(np.median(spread)) < 90
        assert np.array_equal(picture, draw_background(family, seed, (128, 192)))
        double = draw_background(family, seed, (256, 384)).reshape(128, 2, 192, 2, 3).mean((1, 3))
        assert np.abs(double - picture).mean() < 10


def test_an_unknown_background_is_an_error():
    with pytest.raises(ValueError, match="no such background: moon"):
        draw_background("moon", 0, (8, 8))


def test_pictures_are_what_a_plain_painter_paints():
    """Layer over layer on pixels of three numbers: what `draw` does faster, to the last bit."""
    for seed in range(25):
        size = ((128, 128), (96, 160), (75, 51))[seed % 3]
        film = make_film(seed, ("train", "validation", "test")[seed % 3], 6.0, 1 + seed % 2, size[1] / size[0])
        time = 0.7 + 0.2 * seed
        assert np.array_equal(frame_at(film, time, size), _painted(film, time, size))


def _painted(film, time, size):
    scene = film.scene_at(time)
    elapsed = time - (scene.start + scene.end) / 2
    if scene.camera.moves:
        large = (round(size[0] * 1.5), round(size[1] * 1.5))
        zoom = min(max(1 + scene.camera.zoom * elapsed, 0.85), 1.2)
        at = []
        for axis in (0, 1):
            steps = (np.arange(size[axis], dtype=np.float32) + 0.5 - size[axis] / 2) / zoom
            shift = scene.camera.pan[1 - axis] * elapsed * min(size)
            at.append(np.clip((large[axis] / 2 + shift + steps).astype(int), 0, large[axis] - 1))
        canvas = draw_background(scene.background, scene.background_seed, large)[np.ix_(*at)]
    else:
        canvas = draw_background(scene.background, scene.background_seed, size)
    dark, light = np.float32([18, 18, 18]), np.float32([250, 250, 245])
    for item in shown_at(film, time, size):
        if isinstance(item.what, Thing):
            own = np.array(COLOURS[item.what.colour], np.float32) * item.what.tint
            paint(canvas, item.mask, item.corner, item.shade[..., None] * own)
        elif isinstance(item.what, Post):
            paint(canvas, item.mask, item.corner, np.full(3, item.what.grey, np.float32))
        else:
            ink, box = (dark, light) if item.what.inverted else (light, dark)
            paint(canvas, item.mask * np.float32(0.75), item.corner, box)
            paint(canvas, item.ink, item.corner, ink)
    if film.light.swing:
        canvas *= np.float32(1 + film.light.swing * np.sin(2 * np.pi * time / film.light.period + film.light.phase))
    if film.grain:
        noise = np.random.default_rng((*film.seed, int(time * 1000))).standard_normal(size, dtype=np.float32)
        canvas += noise[..., None] * np.float32(film.grain)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def test_mp4_holds_the_film(tmp_path):
    import av

    film, seen = make_film(2, duration=2.0, aspect=4 / 3), []
    path = tmp_path / "film.mp4"
    write_mp4(film, path, fps=10, height=128, drawn=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 20) for done in range(1, 21)]
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert len(frames) == 20
    for time, picture in frames[::5]:
        wanted = frame_at(film, time, picture.shape[:2]).astype(float)
        assert np.abs(picture - wanted).mean() < 14
