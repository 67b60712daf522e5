"""Optuna's figures on the page, in a real browser: drawn when seen, with hover and brush, and without requests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from optuna_studies import bowl, searched, view_of
from test_page_in_browser import browser, pytestmark  # noqa: F401

from hwsweep import run_folder
from hwsweep.report.gather import picture
from hwsweep.report.html.page import Page, Section
from hwsweep.report.html.render import render
from hwsweep.report.study_figures import draw_search


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with the figures of a search; trial 1 has a verdict."""
    folder = tmp_path_factory.mktemp("planted")
    view = view_of(searched(bowl, 12), "valid/loss")._replace(directory=folder)
    run = view.trials[1].runs[0]._replace(directory=folder / "1")
    run.directory.mkdir()
    run_folder.write_result(run.directory, "a" * 32, {}, {"verdict": "total <b>collapse</b>", "why": ""})
    view.trials[1] = view.trials[1]._replace(runs=[run])
    pictures = [picture(figure) for figure in draw_search(view)]
    file = folder / "report.html"
    file.write_text(render(Page("planted", "", [Section("The search", pictures=pictures)])), encoding="utf-8")
    return file.as_uri()


def chart(browser: Any, name: str) -> Any:  # noqa: F811
    """The chart whose caption begins like this, after it has come into view and is drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    (figure,) = browser.find_elements("xpath", f"//figure[figcaption[starts-with(text(), '{name}')]]")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", figure)
    WebDriverWait(browser, 60).until(lambda _: "drawn" in (figure.get_attribute("class") or ""))
    return figure.find_element("css selector", ".chart")


def test_a_chart_is_drawn_when_it_is_seen_and_shows_the_trial_under_the_pointer(page: str, browser: Any) -> None:  # noqa: F811
    browser.set_window_size(1280, 500)
    browser.get(page)
    history = chart(browser, "The value of every trial")
    last = browser.find_elements("css selector", "figure")[-1]
    assert not last.find_elements("css selector", ".chart") and last.find_element("css selector", "img").is_displayed()
    assert not history.find_element("xpath", "../div/img").is_displayed()
    place = """
        const chart = arguments[0], {xaxis, yaxis} = chart._fullLayout, index = chart.data[0].x.indexOf(1);
        const box = chart.getBoundingClientRect();
        return [xaxis._offset + xaxis.d2p(1) - box.width / 2,
                yaxis._offset + yaxis.d2p(chart.data[0].y[index]) - box.height / 2];
    """
    from selenium.webdriver import ActionChains

    x, y = browser.execute_script(place, history)
    ActionChains(browser).move_to_element_with_offset(history, round(x), round(y)).pause(0.5).perform()
    shown = history.find_element("css selector", ".hoverlayer").text
    assert "trial 1" in shown and "valid/loss: " in shown and "lr = " in shown and "total <b>collapse</b>" in shown
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert page in requests and all(url == page or url.startswith("data:") for url in requests)


def test_a_box_over_an_axis_leaves_the_trials_that_pass_there(page: str, browser: Any) -> None:  # noqa: F811
    from selenium.webdriver import ActionChains

    browser.set_window_size(1280, 900)
    browser.get(page)
    parallel = chart(browser, "All parameters and objectives")
    height, left, top, bottom = browser.execute_script(
        "const chart = arguments[0], {xaxis, yaxis} = chart._fullLayout, box = chart.getBoundingClientRect();"
        "return [yaxis._length, xaxis._offset + xaxis.d2p(0) - box.width / 2,"
        " yaxis._offset + yaxis.d2p(0.3) - box.height / 2, yaxis._offset + yaxis.d2p(-0.05) - box.height / 2];",
        parallel,
    )
    assert height > 100
    drag = ActionChains(browser).move_to_element_with_offset(parallel, round(left) - 8, round(top)).click_and_hold()
    drag.move_by_offset(16, round(bottom - top)).pause(0.3).release().pause(0.5).perform()
    lines = browser.execute_script(
        "return arguments[0].data.filter((each) => each.customdata).map((each) => [each.y[0], each.opacity])", parallel
    )
    assert {opacity for y, opacity in lines if y <= 0.3} == {0.8}
    assert {opacity for y, opacity in lines if y > 0.3} == {0.04}


def test_in_print_and_without_scripts_there_are_pictures(page: str, browser: Any) -> None:  # noqa: F811
    browser.get(page)
    drawn = chart(browser, "The value of every trial")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not drawn.is_displayed() and drawn.find_element("xpath", "../div/img").is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen"})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page)
    assert all(image.is_displayed() for image in browser.find_elements("css selector", "figure img"))
    assert not browser.find_elements("css selector", ".chart")


def test_a_phone_has_no_chart_wider_than_its_screen(page: str, browser: Any) -> None:  # noqa: F811
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page)
    slices = chart(browser, "The effect of each parameter")
    assert slices.size["height"] > 500  # the panels stand one below the other
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
