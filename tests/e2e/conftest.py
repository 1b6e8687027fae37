"""What tests of this folder share: one run of the smoke study, and a browser."""

import fcntl
import os
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
from project import SMOKE, Project
from selenium import webdriver


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The smoke study after an undisturbed run, which one of pytest-xdist's workers makes."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    with (folder / "undisturbed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done, place = folder / "undisturbed.pickle", folder / "undisturbed"
        if not done.exists():
            assert not place.exists(), "the smoke study has failed, in the first test that asked"
            project = Project(place)
            project.snakemake(*SMOKE)
            done.write_bytes(pickle.dumps(project))
        return pickle.loads(done.read_bytes())


@pytest.fixture(scope="module")
def finished(undisturbed, tmp_path_factory):
    """A copy of the smoke study after an undisturbed run, which the tests of a file may change."""
    return undisturbed.copy(tmp_path_factory.mktemp("e2e") / "finished")


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
