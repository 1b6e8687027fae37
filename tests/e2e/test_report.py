"""The report of the smoke study, unzipped and opened in Chromium as its reader does."""

import json
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from project import SMOKE
from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE = 60  # seconds after which something is broken
SHOWN = "img[src$='.png']:not(.prose img)"  # the figure that an eye shows
EYES = "a[iconname=eye]:not([download])"  # what shows a figure


class Reader:
    """A person with the report open."""

    def __init__(self, browser: webdriver.Chrome, page: Path):
        self.browser, self.page = browser, page
        # the page is drawn anew at any moment: what was found may be gone, or below something else
        gone = [StaleElementReferenceException, ElementClickInterceptedException]
        self.wait = WebDriverWait(browser, PATIENCE, 0.05, ignored_exceptions=gone)
        self.open()

    def open(self) -> None:
        """The start page, as soon as its pictures are drawn: links below them move until then."""
        self.browser.get(self.page.as_uri())
        self.find(".prose h1")
        drawn = (
            "const all = [...document.images]; return all.length && all.every(i => i.naturalWidth)"
        )
        self.wait.until(lambda browser: browser.execute_script(drawn))

    def find(self, selector: str):
        """The first element of a CSS selector, as soon as there is one."""
        return self.wait.until(lambda browser: browser.find_element(By.CSS_SELECTOR, selector))

    def find_all(self, selector: str) -> list:
        """The elements of a CSS selector that there are now."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def click(self, text: str) -> None:
        """Click a link that says exactly this."""
        self.wait.until(lambda browser: browser.find_element(By.LINK_TEXT, text).click() or True)

    def follow(self, link: str, selector: str, *parts: str) -> None:
        """Click a link, again if its place has moved just then, until an element says the parts."""

        def there(browser: webdriver.Chrome) -> bool:
            text = browser.find_element(By.CSS_SELECTOR, selector).text
            if not (found := all(part in text for part in parts)):
                browser.find_element(By.LINK_TEXT, link).click()
            return found

        self.wait.until(there)

    def text(self, selector: str, *parts: str) -> str:
        """What the first element of a CSS selector says, as soon as it has these parts."""

        def said(browser: webdriver.Chrome) -> str | bool:
            text = browser.find_element(By.CSS_SELECTOR, selector).text
            return text and all(part in text for part in parts) and text

        return self.wait.until(said)

    def show(self, eye: int = 0, before: str = "") -> str:
        """Click an eye, again if that was lost, until a figure is drawn that was not before.

        Returns its address.
        """

        def drawn(browser: webdriver.Chrome) -> str | bool:
            for image in self.find_all(SHOWN):
                source = image.get_property("src")
                if image.get_property("naturalWidth") > 500 and source != before:
                    return source
            for link in self.find_all(EYES)[eye : eye + 1]:
                link.click()
            return False

        return self.wait.until(drawn)


def read(url: str) -> bytes:
    """What the file at a file:// address holds."""
    assert url.startswith("file://")
    return Path(unquote(url.removeprefix("file://"))).read_bytes()


@pytest.fixture(scope="module")
def unzipped(finished, tmp_path_factory):
    """The report's page, in a folder of its own."""
    folder = tmp_path_factory.mktemp("unzipped")
    finished.snakemake(*SMOKE, "--report", str(folder / "report.zip"))
    with zipfile.ZipFile(folder / "report.zip") as archive:
        archive.extractall(folder)
    return folder / "report" / "report.html"


@pytest.fixture
def reader(browser, unzipped):
    """The opened report. In the end: no error, and nothing asked for but files beside it."""
    yield Reader(browser, unzipped)
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert unzipped.as_uri() in urls
    beside = (unzipped.parent.as_uri(), "data:", "blob:")
    assert [url for url in urls if not url.startswith(beside)] == []


def test_from_the_question_to_the_headline_figure(reader, finished):
    assert "which model size gives the best images?" in reader.text(".prose h1")
    headline = reader.find(".prose img")
    assert headline.get_property("naturalWidth") > 500
    drawn = finished.folder / "results/smoke/figures/fid_vs_cost.png"
    assert read(headline.get_property("src")) == drawn.read_bytes()
    reader.click("fid_vs_cost.png")
    reader.text("#app ul", "Study smoke", "n = 32 images a cell")
    assert read(reader.show()) == drawn.read_bytes()


def test_every_link_of_the_start_page_explains_a_result(reader):
    links = reader.find_all(".prose a[href^=javascript]")
    names = [link.text for link in links]
    assert {"fid_vs_cost.png", "claims.md"} <= set(names)
    for name in names:
        reader.open()  # what a link opens may cover another link
        reader.follow(name, "#app nav", f"/{name}")
        reader.text("#app ul", "DESCRIPTION")


def test_the_tables_are_the_studys_own(reader, finished):
    reader.click("Tables")
    reader.find("a[download]")
    links = reader.find_all("a[download]")
    offered = {link.get_property("download"): link.get_property("href") for link in links}
    tables = list((finished.folder / "results/smoke/tables").glob("*.csv"))
    assert {"cells.csv", "best.csv", "family.csv", "floors.csv"} <= {path.name for path in tables}
    for path in tables:
        assert read(offered[path.name]) == path.read_bytes()


def test_every_figure_is_shown(reader, finished):
    shown = set()
    categories = set(reader.browser.execute_script("return Object.keys(categories)"))
    for category in categories - {"Tables"}:  # there the eye shows the explorer, which is no image
        reader.open()
        reader.click(category)
        reader.find("a[iconname=eye]")
        image = ""
        for eye in range(len(reader.find_all(EYES))):
            image = reader.show(eye, before=image)
            shown.add(Path(image).name)
    assert shown == {path.name for path in finished.folder.glob("results/smoke/figures/*.png")}


def test_the_rule_graph_is_drawn(reader):
    assert reader.find(".vega-embed canvas").size["height"] > 300
    rules = reader.browser.execute_script("return Object.keys(rules)")
    assert {"prepare_data", "pretrain", "sweep", "fid_vs_cost"} <= set(rules)
