"""Figures of samples: which image stands where, what is marked, and the commands."""

import numpy as np
import pandas as pd
import pytest
from drawn import call, no_overlap
from matplotlib.patches import Rectangle
from PIL import Image

from ldm_scaling.figures import (
    distill_samples,
    equal_cost_samples,
    guidance_samples,
    prompt_interpolation,
    samples,
    size_samples,
    style,
)
from ldm_scaling.figures.distill_samples import Shown
from ldm_scaling.figures.equal_cost_samples import Purchase
from ldm_scaling.jobs.arrays import write_arrays
from ldm_scaling.jobs.tables import CELLS, FAMILY

SCALES = [1.0, 2.5, 6.0]
CAPTIONS = ["a wolf, $3 noto $ style", "a wholly unabbreviatable caption " * 4 + "at its end"]
SIDE = 8


def flat(*values):
    """One image [3, SIDE, SIDE] of each grey value."""
    return [np.full((3, SIDE, SIDE), value, dtype=np.uint8) for value in values]


def family(count=2):
    rows = [(f"c{8 * n}", 8 * n, n * 411_000_000, 1.0, n / count) for n in range(1, count + 1)]
    return pd.DataFrame(rows, columns=FAMILY)


def best(**changes):
    row = dict.fromkeys(CELLS, 1.0) | {"stage": "pretrain", "seed": 0, "sampler": "ddim"}
    row |= {"steps": 4, "metric": "fd_x", "status": "ok", "params": 411_000_000}
    rows = [row | {"size": "c8", "guidance": 2.5, "at_boundary": False}]
    rows.append(row | {"size": "c16", "guidance": 6.0, "at_boundary": True})
    return pd.DataFrame([row | changes for row in rows])[CELLS]


def guidance_figure(**changes):
    shown = {size: {s: flat(s, 10 * s) for s in SCALES} for size in ("c8", "c16")}
    return guidance_samples.draw(shown, CAPTIONS, best(**changes), 0, "ddim, 4 steps")


def size_figure(count=2):
    sizes = [f"c{8 * n}" for n in range(1, count + 1)]
    shown = {size: flat(n, n + 100) for n, size in enumerate(sizes)}
    return size_samples.draw(shown, flat(200, 210), CAPTIONS, family(count), "ddim, 4 steps")


def cost_figure():
    bought = {
        "c8": {0.5: Purchase(1, flat(1)[0]), 64: Purchase(1000, flat(2)[0])},
        "c16": {0.5: Purchase(0, equal_cost_samples.NOTHING), 64: Purchase(64, samples.FAILED)},
    }
    return equal_cost_samples.draw(bought, CAPTIONS, family(), "ddim")


def interpolation_figure():
    shown = {"c8": flat(1, 2, 3), "c16": [samples.FAILED] * 3}
    return prompt_interpolation.draw(shown, [1, 0.5, 0], CAPTIONS, family(), "ddim, 4 steps")


def distill_figure(count=2):
    sizes = [f"c{8 * n}" for n in range(1, count + 1)]
    labels = ["undistilled,\n4 steps", "distilled,\n4 steps", "undistilled,\n500 steps"]
    shown = {
        label: {
            size: Shown(flat(10 * row + n, 100 + 10 * row + n), f"s = {n + 2.5}{'*' * (n == 1)}")
            for n, size in enumerate(sizes)
        }
        for row, label in enumerate(labels)
    }
    shown[labels[1]]["c8"] = Shown(["out of memory"] * 2, "")
    return distill_samples.draw(shown, CAPTIONS, family(count), "Undistilled: ddim.")


FIGURES = [guidance_figure, size_figure, cost_figure, interpolation_figure, distill_figure]


def shades(figure):
    """The grey value of each image, in rows from the top and from the left."""
    rows = {}
    for image in figure.axes[0].get_images():
        left, _, _, top = image.get_extent()
        rows.setdefault(round(top, 6), []).append((left, int(image.get_array()[0, 0, 0])))
    return [[shade for _, shade in sorted(rows[top])] for top in sorted(rows)]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def frames(figure):
    patches = figure.axes[0].patches
    return [p for p in patches if isinstance(p, Rectangle) and p.get_label() == "chosen"]


def test_a_block_a_size_a_row_a_prompt_a_column_a_scale():
    assert shades(guidance_figure()) == 2 * [[1, 2, 6], [10, 25, 60]]
    assert texts(guidance_figure())[:4] == ["c8 (411 M)", "1", "2.5", "6"]


def test_the_chosen_scale_is_framed_and_dashed_at_an_end_of_the_grid():
    figure = guidance_figure()
    images = figure.axes[0].get_images()
    for frame, column, solid in zip(frames(figure), (1, 2), (True, False), strict=True):
        inside = [
            image
            for image in images
            if frame.get_x() < image.get_extent()[0] < frame.get_x() + frame.get_width()
            and frame.get_y() < image.get_extent()[3] < frame.get_y() + frame.get_height()
        ]
        assert {int(i.get_array()[0, 0, 0]) for i in inside} == {
            int(SCALES[column]),
            int(10 * SCALES[column]),
        }
        assert (frame.get_linestyle() in ("-", "solid")) == solid
    assert "dashed at its end" in texts(figure)[-1].replace("\n", " ")


def test_where_every_scale_failed_nothing_is_framed():
    figure = guidance_figure(guidance=np.nan, status="diverged")
    assert frames(figure) == []
    assert "ramed" not in texts(figure)[-1]


def test_sizes_stand_beside_the_real_image():
    assert shades(size_figure()) == [[0, 1, 200], [100, 101, 210]]
    assert {"c8\n(411 M)", "c16\n(822 M)", "test image"} <= set(texts(size_figure()))


def test_budgets_show_their_steps_a_dash_or_what_went_wrong():
    figure = cost_figure()
    assert shades(figure) == [[1], [2]]
    shown = texts(figure)
    assert [word for word in shown if "step" in word][:3] == ["1 step", "1000 steps", "64 steps"]
    assert {"cost 0.5", "cost 64", "\N{EN DASH}", "failed"} <= set(shown)


def test_columns_of_an_interpolation_run_from_the_first_prompt_to_the_second():
    figure = interpolation_figure()
    assert shades(figure) == [[1, 2, 3]]
    assert texts(figure).count("failed") == 3
    alpha = "\N{GREEK SMALL LETTER ALPHA}"
    assert texts(figure)[0].startswith(f"{alpha} = 1: {CAPTIONS[0]}\n{alpha} = 0: a wholly")


def test_a_block_a_prompt_a_row_before_and_after_distillation_a_column_a_size():
    figure = distill_figure()
    assert shades(figure) == [[0, 1], [11], [20, 21], [100, 101], [111], [120, 121]]
    shown = texts(figure)
    assert shown.count("out of memory") == 2 and shown.count("s = 2.5") == 4
    assert shown.count("s = 3.5*") == 6 and "* at an end of the grid" in shown[-1].replace(
        "\n", " "
    )
    assert {"c8\n(411 M)", "c16\n(822 M)"} <= set(shown)


@pytest.mark.parametrize("make", FIGURES)
def test_nothing_is_cut_off_or_overlaps_and_dollars_are_no_formula(make):
    no_overlap(make())
    assert any("$3" in text for text in texts(make()))


@pytest.mark.parametrize("make", [size_figure, distill_figure])
@pytest.mark.parametrize(("count", "width"), [(1, samples.COLUMN), (11, style.WIDTH)])
def test_many_sizes_take_both_columns(make, count, width):
    figure = make(count)
    assert figure.get_figwidth() == width
    no_overlap(figure)


@pytest.mark.parametrize("make", FIGURES)
def test_saving_twice_gives_identical_bytes(make, tmp_path):
    for name in "ab":
        style.save(make(), tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == samples.COLUMN * 400


def test_a_mosaic_holds_its_images_line_by_line():
    joined = samples.mosaic(flat(1, 2, 3))
    assert joined.shape == (3, 2 * SIDE + 1, 2 * SIDE + 1)
    assert [joined[0, 0, 0], joined[0, 0, -1], joined[0, -1, 0], joined[0, -1, -1]] == [
        1,
        2,
        3,
        255,
    ]
    assert samples.mosaic(["diverged"] * 3) == "diverged"


@pytest.mark.parametrize("inches", [0.3, 0.7, 3.0])
def test_wrapped_text_fits_and_is_cut_with_an_ellipsis(inches):
    whole = samples.wrapped(CAPTIONS[1], inches)
    assert whole.replace("\n", "").replace(" ", "") == CAPTIONS[1].replace(" ", "")
    cut = samples.wrapped(CAPTIONS[1], inches, lines=2)
    assert cut.count("\n") <= 1
    assert cut.endswith("…") or cut.replace("\n", " ") == CAPTIONS[1]
    assert samples._width(whole) <= inches and samples._width(cut) <= inches
    assert samples.wrapped("", inches) == ""


# ---------------------------------------------------------------- commands


@pytest.fixture
def files(tmp_path):
    """What the commands read, of one size and two prompts."""
    cells = {f"steps4_guidance{s:g}": np.stack(flat(1, 2, 3)) for s in SCALES}
    cells["steps4_guidance6"] = cells["steps4_guidance6"][:1]  # too large after the first image
    write_arrays(tmp_path / "cells", cells, "f", steps4_guidance6="out_of_memory")
    bought = {"budgets": np.array([0.5, 2.0]), "steps": np.array([0, 3])}
    bought |= {"budget0.5": np.empty((0, 3, 1, 1), np.uint8), "budget2": np.stack(flat(4, 5))}
    bought |= {"alphas": np.array([1.0, 0.0]), "interpolation": np.stack(flat(6, 7))}
    write_arrays(tmp_path / "bought", bought, "f")
    write_arrays(tmp_path / "real", {"images": np.stack(flat(7, 8, 9))}, "f")
    (tmp_path / "test.csv").write_text("caption\na wolf\na cat\na dog\n")
    family().to_csv(tmp_path / "family.csv", index=False)
    best().to_csv(tmp_path / "best.csv", index=False)
    told = best(stage="distill", sampler="lcm", guidance=6.0, at_boundary=True)
    told.to_csv(tmp_path / "told.csv", index=False)
    return tmp_path


COMMANDS = {
    "guidance_samples": "cells --best best.csv --sampler ddim --seed 0 --steps 4"
    " --guidance 6 1 2.5",
    "size_samples": "cells --real real --family family.csv --sampler ddim --steps 4 --guidance 2.5",
    "equal_cost_samples": "bought --family family.csv --sampler ddim",
    "distill_samples": "cells --students c8 cells --best best.csv --best-students told.csv"
    " --family family.csv --seed 0 --steps 4 4",
    "prompt_interpolation": "bought --family family.csv --sampler ddim --steps 4 --guidance 6",
}


def draw(name, words, folder, monkeypatch):
    shared = ["--captions", "test.csv", "--prompts", "0", "2", "--pdf", "a.pdf", "--png", "a.png"]
    monkeypatch.chdir(folder)
    drawn = []
    with monkeypatch.context() as patched:
        patched.setattr(style, "save", lambda figure, *files: drawn.append(figure))
        call(patched, name, *shared, "--images", "c8", *words.split())
    return drawn[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("guidance_samples", [[1, 1, 1], [3, 3]]),
        ("size_samples", [[1, 7], [3, 9]]),
        ("equal_cost_samples", [[4]]),
        ("prompt_interpolation", [[6, 7]]),
        ("distill_samples", [[1], [1], [3]]),
    ],
)
def test_commands_draw_the_rows_of_the_prompts(name, expected, files, monkeypatch):
    figure = draw(name, COMMANDS[name], files, monkeypatch)
    assert shades(figure) == expected
    shown = [text.replace("\n", " ") for text in texts(figure)]
    assert ("out of memory" in shown) == (name in ("guidance_samples", "distill_samples"))
    assert ("\N{EN DASH}" in texts(figure)) == (name == "equal_cost_samples")


@pytest.mark.parametrize("name", ["size_samples", "prompt_interpolation"])
def test_a_model_that_is_never_guided_is_shown_at_scale_one(name, files, monkeypatch):
    write_arrays(files / "one", {"steps4_guidance1": np.stack(flat(4, 5, 6))}, "f")
    words = COMMANDS[name].replace("cells", "cells --images c16 one")
    words = words.replace("bought", "bought --images c16 bought") + " --unguided c16"
    figure = draw(name, words, files, monkeypatch)
    assert shades(figure) == ([[1, 4, 7], [3, 6, 9]] if name == "size_samples" else [[6, 7]] * 2)
    assert "(1 for c16)" in " ".join(texts(figure)).replace("\n", " ")


def test_a_command_writes_both_files(files, monkeypatch):
    figure = draw("size_samples", COMMANDS["size_samples"], files, monkeypatch)
    style.save(figure, files / "b.pdf", files / "b.png")
    words = ["--captions", "test.csv", "--prompts", "0", "2", "--pdf", "a.pdf", "--png", "a.png"]
    call(monkeypatch, "size_samples", *words, "--images", "c8", *COMMANDS["size_samples"].split())
    for kind in ("pdf", "png"):
        assert (files / f"a.{kind}").read_bytes() == (files / f"b.{kind}").read_bytes()


@pytest.mark.parametrize(
    ("name", "before", "after", "says"),
    [
        ("size_samples", "--steps 4", "--steps 5", "has no array steps5_guidance2.5"),
        ("size_samples", "cells", "missing", "missing is missing"),
        ("size_samples", "--family family.csv", "--family best.csv", "best.csv has no column"),
        ("equal_cost_samples", "bought", "cells", "has no array budgets"),
        ("prompt_interpolation", "bought", "real", "has no array alphas"),
        ("guidance_samples", "ddim", "ddpm", "sampler ddpm is not in the table"),
        ("guidance_samples", "--seed 0", "--seed 3", "pretrain c8 seed3 is not in the table"),
        ("distill_samples", "--steps 4 4", "--steps 4 9", "9 steps of pretrain c8 are not in the"),
        ("distill_samples", "told.csv", "best.csv", "model distill c8 seed0 is not in the table"),
        ("guidance_samples", "--steps 4", "--steps four", "--steps: invalid int"),
        ("size_samples", "cells", "cells --prompts 0 3", "has 3 captions and no row 3"),
        (
            "equal_cost_samples",
            "bought",
            "bought --images c24 bought",
            "size c24 is not in the",
        ),
    ],
)
def test_wrong_input_is_one_line(name, before, after, says, files, monkeypatch, capsys):
    words = COMMANDS[name].replace(before, after)
    with pytest.raises(SystemExit) as stop:
        draw(name, words, files, monkeypatch)
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1
