"""The page in a real browser: its table sorts, filters and hides; it prints; no errors and no requests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from planted_studies import draw_images, failed, study, trial, with_verdict

from hwsweep.figures import drawing
from hwsweep.figures.png import image_boxes, write
from hwsweep.report.html.page import Cell, Page, Picture, Section, Table
from hwsweep.report.html.render import render
from hwsweep.report.write import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"),
]


@pytest.fixture
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


def lambdas(browser: Any) -> list[str]:
    """The second column of the table of trials, from the top."""
    table = browser.find_element("css selector", "table")
    return [cell.text for cell in table.find_elements("css selector", "tbody tr:not(.why) td:nth-child(2)")]


def test_a_table_is_sorted_by_key_and_click_and_failed_trials_stay_last(tmp_path: Path, browser: Any) -> None:
    trials = [trial(tmp_path, number, weight) for number, weight in enumerate((10, 9, 100))]
    draw_images(trials[0])
    page = write_report(study(tmp_path, *trials, failed(tmp_path, 3, 1, "error", "no"))).page
    browser.get(page.as_uri())
    button = browser.find_elements("css selector", "thead button")[1]
    button.send_keys("\n")
    assert lambdas(browser) == ["9", "10", "100", "1"]
    button.click()
    assert lambdas(browser) == ["100", "10", "9", "1"]
    assert browser.find_elements("css selector", "th")[1].get_attribute("aria-sort") == "descending"
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in requests
    assert all(url == page.as_uri() or url.startswith("data:") for url in requests)


def test_on_a_phone_only_boxes_scroll_sideways(tmp_path: Path, browser: Any) -> None:
    first = trial(tmp_path, 0, 0)
    draw_images(first)
    page = write_report(study(tmp_path, first, failed(tmp_path, 1, 1, "error", "a long word: " + "x" * 400))).page
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390


def test_a_slider_shows_the_images_and_numbers_of_one_lambda(tmp_path: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    trials = [trial(tmp_path, number, weight) for number, weight in enumerate((0, 1, 100))]
    for number, each in enumerate(trials):
        draw_images(each, 100 * number)
        trials[number] = each._replace(metrics={**each.metrics, "test/rate": float(number)})
    browser.get(write_report(study(tmp_path, *trials)).page.as_uri())
    handle = browser.find_element("css selector", ".slider input")
    seen = []
    for key in (Keys.HOME, Keys.ARROW_RIGHT, Keys.END):
        handle.send_keys(key)
        (stop,) = [each for each in browser.find_elements("css selector", ".slider .stop") if each.is_displayed()]
        seen.append([each.text for each in stop.find_elements("css selector", "dd")])
        assert len(stop.find_elements("css selector", "img")) == 4
        assert handle.get_attribute("aria-valuetext") == seen[-1][0]
    assert [facts[0] for facts in seen] == ["0", "1", "100"]
    assert [facts[2] for facts in seen] == ["0.00", "1.00", "2.00"]
    assert browser.get_log("browser") == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not browser.find_element("css selector", ".slider").is_displayed()
    for element in browser.find_elements("css selector", "figure img, nav summary"):
        assert element.rect["x"] >= 0 and element.rect["x"] + element.rect["width"] <= 390


def test_a_table_filters_rows_hides_columns_and_has_the_best_trial_on_top(tmp_path: Path, browser: Any) -> None:
    weights = (0, 1, 5, 10, 100)
    trials = [
        with_verdict(
            trial(tmp_path, number, weight, values=[20.0 - number % 4]), "healthy" if weight < 9 else "collapsed"
        )
        for number, weight in enumerate(weights)
    ]
    browser.get(write_report(study(tmp_path, *trials, failed(tmp_path, 5, 7, "error", "no"))).page.as_uri())
    search = browser.find_element("css selector", ".tools input[type=search]")

    def shown(filter_text: str) -> list[str]:
        search.clear()
        search.send_keys(filter_text)
        return [text for text in lambdas(browser) if text]

    assert shown("lambda > 1 healthy") == ["5"]
    assert browser.find_element("css selector", ".found").text == "1 of 6"
    assert shown("lambda>=5 lambda != 10") == ["5", "100", "7"]  # a failed trial too
    assert shown("verdict = collapsed") == ["10", "100"]
    assert shown("neg_elbo < 17.5") == ["10"] and shown("nothing") == []
    assert shown("lamda < 1") == [] and browser.find_element("css selector", ".found").text == "no column lamda"
    assert shown("lambda < 3") == ["0", "1"]
    browser.find_element("css selector", ".pin").click()
    rows = browser.find_elements("css selector", "table:first-of-type thead tr")
    assert [row.find_elements("css selector", "td")[1].text for row in rows[1:2]] == ["10"]  # though it does not fit
    assert browser.find_element("css selector", ".found").text == "2 of 6"
    browser.find_element("css selector", ".hide summary").click()
    browser.find_elements("css selector", ".hide input")[1].click()
    assert [text for text in lambdas(browser) if text] == []
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert all(each.get_attribute("open") for each in browser.find_elements("css selector", "details"))
    assert browser.get_log("browser") == []


def test_two_ticked_trials_are_compared_also_after_the_table_was_sorted(tmp_path: Path, browser: Any) -> None:
    trials = [
        trial(tmp_path, n, weight, metrics={"test/rate": n / 4, "test/same": 1.0}) for n, weight in [(0, 7), (1, 5)]
    ]
    page = write_report(study(tmp_path, *trials, failed(tmp_path, 2, 7, "error", "no"))).page
    browser.get(page.as_uri())

    def tick(number: int) -> None:
        browser.find_element("css selector", f"input[aria-label='compare trial {number}']").click()

    def panel() -> list[list[str]]:
        rows = browser.find_elements("css selector", ".difference tr")
        return [[cell.text for cell in row.find_elements("css selector", "th, td")] for row in rows]

    assert panel() == []
    browser.find_elements("css selector", "thead button")[1].click()  # by lambda: trial 1 is the first row
    tick(0)
    assert panel() == []
    tick(1)
    assert panel() == [["", "trial 0", "trial 1"], ["vae.lambda", "7", "5"], ["test/rate", "0", "0.25"]]
    sentence = browser.find_element("css selector", ".difference p")
    assert sentence.text == "1 setting and 1 metric differ between trial 0 and trial 1."
    tick(2)  # the one that was ticked first is not any more
    assert panel()[0] == ["", "trial 1", "trial 2"] and ["vae.lambda", "5", "7"] in panel()
    assert ["valid/neg_elbo", "10", "–"] in panel()
    assert not browser.find_element("css selector", "input[aria-label='compare trial 0']").is_selected()
    tick(2)
    assert panel() == []
    assert browser.get_log("browser") == []


def test_a_long_table_shows_500_rows_until_all_are_asked_for(tmp_path: Path, browser: Any) -> None:
    table = Table("many", ["n"], [[Cell(str(n), n)] for n in range(700)], tools=True)
    page = tmp_path / "page.html"
    page.write_text(render(Page("Many", "", [Section("Rows", tables=[table])])), encoding="utf-8")
    browser.get(page.as_uri())

    def shown() -> tuple[int, int, str]:
        script = (
            "return [...document.querySelectorAll('tbody tr')].filter(r => !r.hidden).map(r => Number(r.innerText))"
        )
        rows = browser.execute_script(script)
        return len(rows), max(rows), browser.find_element("css selector", ".found").text

    assert shown() == (500, 499, "500 shown")
    browser.find_element("css selector", "thead button").send_keys("\n", "\n")  # the largest ones first
    assert shown() == (500, 699, "500 shown")
    browser.find_element("css selector", ".tools input[type=search]").send_keys("n < 600")
    assert shown() == (500, 599, "600 of 700, 500 shown")
    browser.find_element("css selector", ".all").click()
    assert shown() == (600, 599, "600 of 700")


def test_on_a_dark_page_figures_are_dark_and_the_photographs_in_them_are_not(tmp_path: Path, browser: Any) -> None:
    red, path = np.full((28, 28, 3), (255, 0, 0), np.uint8), tmp_path / "red.png"
    with drawing.style():
        figure = Figure(layout="compressed")
        drawing.draw_grid(figure.subplots(), red[None], 1, "a red image")
        write(figure, path)
    png = path.read_bytes()
    section = Section("Images", pictures=[Picture("red.png", "", "", png, image_boxes(png))])
    (tmp_path / "page.html").write_text(render(Page("Dark", "", [section])))
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    browser.get((tmp_path / "page.html").as_uri())
    with Image.open(BytesIO(browser.find_element("css selector", "figure div").screenshot_as_png)) as picture:
        shot = np.asarray(picture.convert("RGB"))
    is_red = (shot == (255, 0, 0)).all(axis=2)
    assert 0.3 < is_red.mean() < 0.99
    assert np.median(shot[~is_red], axis=0).max() < 60, "the paper around it is dark"
    assert browser.get_log("browser") == []
