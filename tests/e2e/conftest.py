"""What tests of this folder share: one run of the smoke study, and a browser."""

import shutil
import subprocess
from pathlib import Path

import pytest
from project import SMOKE, Project
from selenium import webdriver


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The smoke study after an undisturbed run."""
    project = Project(tmp_path_factory.mktemp("e2e") / "undisturbed")
    project.snakemake(*SMOKE)
    return project


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that notes what it asks for; skips where there can be none."""
    script = Path(__file__).with_name("chromium.sh")
    installed = subprocess.run([script], text=True, capture_output=True, timeout=600)
    if installed.returncode == 77:
        pytest.skip(installed.stdout.strip())
    assert installed.returncode == 0, installed.stderr
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1500,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()
