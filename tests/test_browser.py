"""MLflow's web page in a real browser: a sweep's runs, their comparison and their figures."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
TIMEOUT = 60
"""Seconds."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"),
    pytest.mark.timeout(600),
]

TINY = [
    *("dataset.n_train=157", "dataset.n_valid=31", "dataset.n_test=37", "epochs=2", "vae.hidden=13", "vae.latent=3"),
    "analysis.features.n_steps=3",
]


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory, migrated_store: Path) -> Iterator[str]:
    """Address of the charts of a study of three lambdas, as `python -m hwsweep.ui` prints it."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "mlruns").mkdir()
    shutil.copy(migrated_store, folder / "mlruns" / "mlflow.db")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    sweep = [sys.executable, "-m", "hwsweep", "-m", "vae.lambda=100,0,1", "hydra.sweeper.study_name=three", *TINY]
    subprocess.run(sweep, cwd=folder, env=environment, check=True, capture_output=True, timeout=400)
    page = [sys.executable, "-m", "hwsweep.ui"]
    with subprocess.Popen(page, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            lines = list(takewhile(lambda line: not line.startswith("ready"), server.stdout))
            yield next(found[1] for line in lines if (found := re.match(r"charts of study three: (\S+)", line)))
        finally:
            server.send_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,987"):
        options.add_argument(argument)
    options.binary_location = str(CHROMIUM)
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


def wait_for(browser: Any, condition: Callable[[Any], Any]) -> Any:
    """The first true result of the function."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, TIMEOUT, ignored_exceptions=[StaleElementReferenceException]).until(condition)


def text_of(browser: Any) -> str:
    return str(browser.find_element("tag name", "body").text)


def assert_shows(browser: Any, *texts: str) -> None:
    """Wait until the page shows all the texts; it must show no error."""
    wait_for(browser, lambda it: all(text in text_of(it) for text in texts))
    assert not re.search(r"went wrong|not found|error occurred|failed to load", text_of(browser), re.IGNORECASE)


def loaded_images(browser: Any) -> int:
    """Number of loaded images that are larger than an icon."""
    script = "return [...document.images].filter(i => i.complete && i.naturalWidth > 100).length"
    return int(browser.execute_script(script))


def open_page(browser: Any, address: str) -> None:
    """Load the page again, even if only the part after the # differs."""
    browser.get("about:blank")
    browser.get(address)


def run_address(browser: Any, charts: str, name: str) -> str:
    """Address of the page of the run whose name has this text."""
    open_page(browser, charts)
    return str(wait_for(browser, lambda it: it.find_element("partial link text", name)).get_attribute("href"))


def test_the_printed_address_shows_the_curves_of_all_three_trials_at_once(browser: Any, charts: str) -> None:
    open_page(browser, charts)
    assert_shows(browser, "lambda=0: ", "lambda=1: ", "lambda=100: ", "valid\n(4)", "MLflow Assistant")
    names = [link.text for link in browser.find_elements("partial link text", "lambda=")]
    assert [name.partition(":")[0] for name in names] == ["lambda=0", "lambda=1", "lambda=100"]
    wait_for(browser, lambda it: it.find_elements("css selector", ".js-plotly-plot .trace.scatter"))


def test_the_runs_table_shows_lambda_and_verdict_beside_the_assistant(browser: Any, charts: str) -> None:
    open_page(browser, charts.replace("&compareRunsMode=CHART", ""))
    assert_shows(browser, "lambda=100: ", "MLflow Assistant", "test/distortion")
    columns = {key: cells_of(browser, key) for key in ("metrics.`vae.lambda`", "tags.`hwsweep.verdict`")}
    assert [cell.text for cell in columns["metrics.`vae.lambda`"]] == ["0", "1", "100"]
    pane = browser.find_element("xpath", "//*[text()='MLflow Assistant']").rect["x"]
    assert all(cell.text and cell.rect["x"] + cell.rect["width"] < pane for cells in columns.values() for cell in cells)


def cells_of(browser: Any, column: str) -> list[Any]:
    """The cells of the three runs, from top to bottom."""
    cell = f"[role=gridcell][col-id='{column}']"
    found = wait_for(browser, lambda it: len(cells := it.find_elements("css selector", cell)) == 3 and cells)
    return sorted(found, key=lambda cell: cell.rect["y"])


def test_three_selected_runs_are_compared_side_by_side(browser: Any, charts: str) -> None:
    open_page(browser, charts.replace("&compareRunsMode=CHART", ""))
    assert_shows(browser, "lambda=100: ")
    wait_for(browser, lambda it: it.find_element("css selector", ".ag-header-select-all input")).click()
    wait_for(browser, lambda it: it.find_element("css selector", "[data-testid='runs-compare-button']")).click()
    assert_shows(browser, "Comparing 3 Runs", "lambda=0: ", "lambda=1: ", "lambda=100: ")


def test_a_run_shows_its_figures(browser: Any, charts: str) -> None:
    run = run_address(browser, charts, "lambda=1: ")
    open_page(browser, f"{run}/artifacts/figures/reconstructions.png")
    wait_for(browser, lambda it: loaded_images(it) > 0)
    assert_shows(browser, "reconstructions.png")


def test_the_run_of_the_study_shows_its_note_and_its_montage(browser: Any, charts: str) -> None:
    study = run_address(browser, charts.replace(charts[charts.index("&viewState") :], ""), "study")
    open_page(browser, study)
    assert_shows(browser, "Study three", "3 complete", "lambda = 100: ")
    open_page(browser, f"{study}/artifacts/montage.png")
    wait_for(browser, lambda it: loaded_images(it) > 0)
