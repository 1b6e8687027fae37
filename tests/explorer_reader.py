"""A person with the explorer open in a browser."""

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE = 60


SIZES = {"screen": (1400, 1000), "phone": (390, 844)}


class Reader:
    """A person with the page open."""

    def __init__(self, browser, page, size="screen"):
        self.browser = browser
        width, height = SIZES[size]
        mobile = size == "phone"
        view = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
        browser.get(page.as_uri())
        gone = [StaleElementReferenceException]
        self.wait = WebDriverWait(browser, PATIENCE, 0.05, ignored_exceptions=gone)
        self.wait.until(lambda _: self.script("return 'react' in (window.Plotly ?? {})"))
        self.settled()

    def script(self, text, *values):
        return self.browser.execute_script(text, *values)

    def settled(self):
        """Wait until everything is drawn: the page draws in the next frame."""
        self.browser.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 0))"
        )

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector):
        """Click an element, as a person who scrolls to it."""
        element = self.find(selector)
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        self.settled()

    def press(self, selector, *keys):
        self.find(selector).send_keys(*keys)
        self.settled()

    def choose(self, selector, value):
        Select(self.find(selector)).select_by_value(value)
        self.settled()

    def spend(self, budget):
        """Type a budget."""
        field = self.find("#budget")
        field.clear()
        field.send_keys(repr(float(budget)))
        self.settled()

    def open(self, selector):
        """Open what is folded."""
        self.script("document.querySelector(arguments[0]).open = true", selector)

    def listed(self, kind):
        """The cells of the table with one standing, in its order."""
        rows = self.script(
            "return [...document.querySelectorAll(`#cells tr.${arguments[0]}`)]"
            ".map(row => row.dataset.cell)",
            kind,
        )
        return [int(number) for number in rows]

    def text(self, selector):
        return self.find(selector).text
