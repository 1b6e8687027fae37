"""The explorer in Chromium: each control is used, and what it shows is compared with the tables."""

from __future__ import annotations

import base64
import json
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from commands import run_here
from explored import CAPTIONS, CONFIDENCE, GUIDE, METRICS, SCORE, write_images, write_tables
from explorer_reader import SIZES, Reader
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput

from ldm_scaling.explorer.content import FIRST
from ldm_scaling.kinds.metrics import sign
from ldm_scaling.tables.choose import Configurations, described
from ldm_scaling.tables.curves import AXES


def write_page(*words):
    done = run_here("explorer.__main__", *words)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page of a made-up study, and its folder."""
    folder = tmp_path_factory.mktemp("explored")
    write_tables(folder)
    return folder


@pytest.fixture(scope="module")
def page(made):
    out = made / "explorer.html"
    write_page("--tables", made / "tables", "--out", out, *write_images(made))
    return out


@pytest.fixture(scope="module")
def frontier(page):
    return pd.read_csv(page.parent / "tables" / "frontier.csv")


@pytest.fixture
def watched(browser, page):
    """The browser. In the end: no error, and nothing asked for but the page itself."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    pages = page.parent.as_uri()
    assert any(url.startswith(pages) for url in urls)
    assert [url for url in urls if not url.startswith((pages, "data:"))] == []


@pytest.fixture
def reader(watched, page):
    return Reader(watched, page)


def shown(value):
    """A number with the four digits that the page shows."""
    return f"{float(f'{value:.4g}'):g}"


def budgets(known, axis):
    """Costs at which another configuration is the best, places between, below and above."""
    costs = sorted(known.rows.loc[known.sound, axis].unique())
    return [costs[0] * 0.9, *costs[::5], costs[0] * 1.3, costs[-1] * 2]


@pytest.mark.parametrize("metric", METRICS)
def test_the_choice_for_each_budget_is_that_of_the_tables(reader, frontier, metric):
    known = Configurations.of(frontier, metric)
    reader.choose("#metric", metric)
    cells = known.rows["cell"].to_numpy()
    for axis, budget in [(own, cost) for own in AXES for cost in budgets(known, own)]:
        reader.choose("#axis", axis)
        reader.spend(budget)
        choice = known.choose(known.within(axis, budget), axis, CONFIDENCE)
        if choice is None:
            assert "Nothing costs so little" in reader.text("#answer")
            continue
        assert reader.listed("best") == [cells[choice.row]]
        assert reader.listed("tied") == cells[choice.tied].tolist()
        assert reader.listed("behind") == cells[choice.behind].tolist()
        row = known.rows.loc[choice.row]
        answer = reader.text("#answer")
        assert f"{shown(row['value'])} [{shown(row['lo'])}, {shown(row['hi'])}]" in answer
        if choice.luck:
            assert f"expect {shown(row['value'] + choice.luck)} on others" in answer
        assert described(row, known.rows) in answer


def test_the_envelope_is_that_of_the_table(reader, made):
    """A walk along it by its buttons, from the dearest configuration down."""
    table = pd.read_csv(made / "tables" / "envelope.csv")
    for metric, axis in product(METRICS, AXES):
        rows = table[(table["metric"] == metric) & (table["axis"] == axis)]
        reader.choose("#metric", metric)
        reader.choose("#axis", axis)
        reader.spend(rows["cost"].max())
        walked = [reader.listed("best")[0]]
        while "cheaper" in (text := reader.text("#steps")):
            assert shown(rows.iloc[-1 - len(walked)]["value"]) in text
            reader.click("#steps button")
            walked += reader.listed("best")
        assert walked[::-1] == rows["cell"].to_list()


def test_published_tables_are_chosen_from_alike(watched, page, root):
    """All choices and ties of the pocket study's envelope, found by the page's own functions.

    Tables have six digits, the envelope was chosen before they were cut.
    """
    tables = root / "reference" / "pocket" / "tables"
    if not (tables / "frontier.csv").exists():
        pytest.skip("the published tables have no frontier.csv")
    out = page.with_name("published.html")
    write_page("--tables", tables, "--out", out)
    reader = Reader(watched, out)
    envelope = pd.read_csv(tables / "envelope.csv", dtype={"tied": str}).fillna({"tied": ""})
    for (metric, axis), rows in envelope.groupby(["metric", "axis"]):
        found = reader.script(
            """Object.assign(state, {metric: arguments[0], axis: arguments[1]});
            look();
            const choices = view.steps.map(step => choose(view.rows, view.steps, step.cost));
            return choices.map(own =>
              [own.cost, own.row.cell, own.luck, own.tied.map(row => row.cell).join(" ")])""",
            metric,
            axis,
        )
        expected = rows[["cost", "cell", "luck", "tied"]].itertuples(index=False)
        for (cost, cell, luck, tied), wanted in zip(found, expected, strict=True):
            assert (cell, tied) == (wanted.cell, wanted.tied)
            assert (cost, luck) == pytest.approx((wanted.cost, wanted.luck), rel=1e-3, abs=1e-5)


def test_every_value_of_the_table_is_listed(reader, frontier):
    for metric in METRICS:
        reader.choose("#metric", metric)
        rows = reader.script(
            "return [...document.querySelectorAll('#cells tbody tr')].map(row => "
            "[row.dataset.cell, ...[...row.querySelectorAll('.number')].map(x => x.innerText)])"
        )
        own = frontier[frontier["metric"] == metric].set_index("cell")
        assert len(rows) == len(own)
        for number, value, cost in rows:
            row = own.loc[int(number)]
            assert cost == shown(row[FIRST])
            if row["status"] == "ok":
                expected = f"{shown(row['value'])}[{shown(row['lo'])},{shown(row['hi'])}]"
            else:
                expected = f"\N{EN DASH}{row['status']}"
            assert "".join(value.split()) == expected


def test_what_is_left_out_is_not_chosen(reader, frontier):
    metric, axis = METRICS[0], FIRST
    known = Configurations.of(frontier, metric)
    reader.spend(4)
    reader.open("#filters")
    reader.script("document.querySelector('input[name=stage][value=distill]').click()")
    reader.script("document.querySelector('#legend input[value=c16]').click()")
    reader.settled()
    rows = known.rows
    kept = ((rows["stage"] != "distill") & (rows["size"] != "c16")).to_numpy()
    choice = known.choose(kept & known.within(axis, 4), axis, CONFIDENCE)
    assert reader.listed("best") == [rows["cell"][choice.row]]
    assert reader.listed("tied") == rows["cell"].to_numpy()[choice.tied].tolist()
    assert f"{kept.sum()} of {len(rows)}" in reader.text("#count")
    reader.click("#filters fieldset[name=steps] button")
    assert "Nothing is left" in reader.text("#answer")
    reader.click("#filters fieldset[name=steps] button")
    assert reader.listed("best") == [rows["cell"][choice.row]]
    reader.click("#everything")
    assert f"{len(rows)} of {len(rows)}" in reader.text("#count")


def test_a_new_setting_appears_by_itself(reader, frontier):
    reader.open("#filters")
    assert reader.find_all(f"#filters fieldset[name={GUIDE}]")
    reader.choose("#colour", GUIDE)
    assert reader.text("#legend").split() == ["●", "itself", "■", "c8"]
    assert not reader.find_all(f"#filters fieldset[name={GUIDE}]")
    assert f"{GUIDE} c8" in reader.text("#cells tbody")
    reader.click(f"#legend label:has(input[name={GUIDE}][value=c8])")
    guided = frontier[(frontier["metric"] == METRICS[0]) & (frontier[GUIDE] == "c8")]
    assert f"{GUIDE} c8" not in reader.text("#cells tbody")
    total = frontier["cell"].nunique()
    assert f"{total - len(guided)} of {total}" in reader.text("#count")


def test_the_slider_moves_the_budget_by_keys(reader, frontier):
    known = Configurations.of(frontier, METRICS[0])
    for keys in ([Keys.HOME], [Keys.ARROW_RIGHT] * 5, [Keys.END]):
        reader.press("#slider", *keys)
        budget = float(reader.find("#budget").get_property("value"))
        choice = known.choose(known.within(FIRST, budget), FIRST, CONFIDENCE)
        assert reader.listed("best") == ([known.rows["cell"][choice.row]] if choice else [])
    assert choice and known.within(FIRST, budget).sum() == known.sound.sum()


def test_another_kind_of_cost_keeps_the_choice_affordable(reader):
    before = reader.listed("best")
    reader.choose("#axis", "seconds")
    assert before[0] in reader.listed("best") + reader.listed("tied") + reader.listed("behind")


def drawn(reader, name):
    """The cells of a trace of the chart."""
    return reader.script(
        "return document.getElementById('chart').data.find(t => t.name === arguments[0]).x.length",
        name,
    )


def test_the_chart_marks_the_choice_and_what_is_tied(reader, frontier):
    reader.spend(100)
    assert drawn(reader, "best") == 1
    assert drawn(reader, "tied") == len(reader.listed("tied"))
    own = frontier[frontier["metric"] == METRICS[0]]
    assert drawn(reader, "cells") == (own["status"] == "ok").sum()
    assert drawn(reader, "failed") == (own["status"] != "ok").sum() > 0


def point_of(reader, cell):
    """The element of a cell's point."""
    return reader.script(
        """const chart = document.getElementById("chart");
        const trace = chart.data.findIndex(own => own.name === "cells");
        const at = chart.data[trace].customdata.indexOf(arguments[0]);
        const groups = [...chart.querySelectorAll(".scatterlayer .trace")];
        const own = groups.find(g => g.__data__[0].trace.index === trace);
        return own.querySelectorAll(".point")[at]""",
        cell,
    )


def test_a_pointer_over_a_cell_shows_its_curve_with_intervals(reader, frontier):
    own = frontier[(frontier["metric"] == METRICS[0]) & (frontier["stage"] == "distill")]
    curve = own[own["size"] == "c8"]
    row = curve.loc[curve["value"].idxmin()]
    ActionChains(reader.browser).move_to_element(point_of(reader, int(row["cell"]))).perform()
    label = reader.wait.until(
        lambda _: reader.script("return document.querySelector('.hoverlayer')?.textContent")
    )
    assert f"{shown(row['value'])} [{shown(row['lo'])}, {shown(row['hi'])}]" in label
    assert shown(row["value"]) in reader.text("#reading")
    hovered = reader.script(
        "const t = document.getElementById('chart').data[0];"
        "return t.y.map((y, i) => [y, y - t.error_y.arrayminus[i], y + t.error_y.array[i]])"
    )
    best = curve.loc[curve.groupby("steps")["value"].idxmin(), ["value", "lo", "hi"]]
    np.testing.assert_allclose(hovered, best)


def test_a_click_shows_images_beside_those_of_the_pinned_cell(reader, page, frontier):
    content = re.search(r'id="content">(.*?)</script>', page.read_text())[1]
    images = json.loads(content)["images"]
    assert images["captions"] == CAPTIONS[:8]
    own = frontier[(frontier["metric"] == METRICS[0]) & (frontier["stage"] == "distill")]
    first, second = (int(own["cell"].iloc[at]) for at in (1, -1))
    reader.click(f"#cells tr[data-cell='{second}'] .pin")
    ActionChains(reader.browser).click(point_of(reader, first)).perform()
    reader.settled()
    shown_now = reader.script("return [...document.images].map(image => image.src)")
    pairs = zip(images["cells"][str(second)], images["cells"][str(first)], strict=True)
    assert shown_now == [address for pair in pairs for address in pair]
    captions = [caption.text for caption in reader.find_all("figcaption")]
    assert captions == CAPTIONS[:8]
    rows = own.set_index("cell")
    difference = rows.loc[first, "value"] - rows.loc[second, "value"]
    assert f"B \N{MINUS SIGN} A: {shown(difference)} [" in reader.text("#difference")
    better = "B is better" if difference * sign(METRICS[0]) < 0 else "A is better"
    assert better in reader.text("#difference") or "not told apart" in reader.text("#difference")
    reader.click("#pair button")  # pin as A
    assert reader.text("#difference") == ""
    reader.click("#pair button:last-of-type")  # back to the best
    assert "the best within the budget" in reader.text("#pair")


def test_a_cell_without_images_says_so(reader, frontier):
    own = frontier[(frontier["metric"] == METRICS[0]) & (frontier["stage"] == "pretrain")]
    student = frontier.loc[frontier["stage"] == "distill", "cell"].iloc[0]
    reader.click(f"#cells tr[data-cell='{student}'] .pin")
    cell = own.loc[own["status"] == "ok", "cell"].iloc[0]
    reader.click(f"#cells tr[data-cell='{cell}'] td:nth-child(2) button")
    assert reader.text("#pictures").count("no image kept") == 8


def test_the_keyboard_is_enough(reader):
    """Arrow keys walk along the cost in the chart; Enter pins."""
    reader.press("#chart", Keys.HOME)
    first = reader.text("#reading")
    reader.press("#chart", Keys.ARROW_RIGHT)
    assert reader.text("#reading") != first
    reader.press("#chart", Keys.ARROW_LEFT)
    assert reader.text("#reading") == first
    reader.press("#chart", Keys.ENTER)
    pinned, looked = reader.find_all("#pair b")
    assert pinned.text == looked.text and pinned.text in first
    inside = "return document.activeElement.closest('main, form') !== null"
    for _ in range(12):
        ActionChains(reader.browser).send_keys(Keys.TAB).perform()
        assert reader.script(inside)


def test_claims_lead_to_the_cells_that_decide_them(reader, frontier):
    assert "Larger is better" in reader.text("#claims ul")
    assert "Nobody knows" not in reader.text("#claims ul")
    reader.click("#verdicts label:has(input[value='not run'])")
    assert "Nobody knows" in reader.text("#claims ul")
    reader.click("#verdicts label:has(input[value='holds'])")
    assert "Larger is better" not in reader.text("#claims ul")
    reader.click("#verdicts label:has(input[value='holds'])")
    reader.click("#claims li summary")
    text = reader.text("#claims li details[open]")
    assert "holds for this training" in text and "0.1649 [0.13, 0.19]" in text
    reader.click("#claims li details[open] button")
    cells = frontier[(frontier["metric"] == METRICS[0]) & (frontier["stage"] == "pretrain")]
    assert f"{len(cells)} of " in reader.text("#count")


def test_levers_are_those_of_the_table(reader, made):
    table = pd.read_csv(made / "tables" / "levers.csv")
    for axis in AXES:
        reader.choose("#axis", axis)
        own = table[table["axis"] == axis]
        drawn = reader.script(
            "const t = document.getElementById('gains').data[0];"
            "const {array, arrayminus} = t.error_x;"
            "return t.x.map((x, i) => [t.y[i], x, x - arrayminus[i], x + array[i]])"
        )
        expected = [
            [f"{row.lever} {row.without}", row.gain, row.lo, row.hi] for row in own.itertuples()
        ]
        for found, wanted in zip(drawn[::-1], expected, strict=True):
            assert found == pytest.approx(wanted)


def test_the_cost_of_the_run_is_there(reader):
    assert "1,234 CPU-seconds in 1 jobs" in reader.text("#cost")
    reader.click("#cost summary")
    assert "sweep" in reader.text("#cost tbody")


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_window(watched, page, size):
    reader = Reader(watched, page, size)
    reader.choose("#metric", SCORE)
    reader.click("#filters summary")
    assert reader.script("return document.documentElement.scrollWidth") <= SIZES[size][0]
    widths = reader.script(
        "const all = [...document.querySelectorAll('body *')];"
        "return all.filter(e => !e.closest('svg, .scroll, pre'))"
        ".map(e => e.getBoundingClientRect().right)"
    )
    assert max(widths) <= SIZES[size][0]


def test_a_finger_can_choose_on_a_phone(watched, page, frontier):
    reader = Reader(watched, page, "phone")
    own = frontier[(frontier["metric"] == METRICS[0]) & (frontier["stage"] == "distill")]
    row = own.loc[own["value"].idxmax()]  # nothing is near it
    point = point_of(reader, int(row["cell"]))
    reader.script("arguments[0].scrollIntoView({block: 'center'})", point)
    finger = ActionBuilder(reader.browser, mouse=PointerInput("touch", "finger"))
    finger.pointer_action.move_to(point).pointer_down().pointer_up()
    finger.perform()
    reader.wait.until(lambda _: shown(row["value"]) in reader.text("#reading"))
    assert "looked at" in reader.text("#pair")


@pytest.mark.parametrize("size", SIZES)
def test_it_prints_to_one_page(watched, page, size):
    reader = Reader(watched, page, size)
    printed = reader.browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
