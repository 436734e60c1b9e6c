# SPDX-License-Identifier: Apache-2.0
"""The site in Chromium, opened from its folder: the search, the policy, and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hostile_zoo import HOSTILE

pytestmark = pytest.mark.slow

Site = Any
SHOWN = (
    *("index.html", "plugins/plain/unet_ponds.html", "plugins/hostile/index.html"),
    *("plugins/hostile/hostile_8.html", "sources/signed/index.html"),
)


@pytest.fixture
def open_page(browser: Any, site: Site) -> Iterator[Any]:
    """Return a function that opens a page of the site; nothing may be refused, raised or asked."""
    contexts: list[Any] = []
    faults: list[str] = []
    requests: list[str] = []

    def opened(path: str, **settings: Any) -> Any:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda asked: faults.append(asked.url) if not asked.url.startswith("file://") else None,
        )
        name, _, rest = path.partition("#")
        page.goto((site.folder / name).as_uri() + (f"#{rest}" if rest else ""))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
    assert [each for each in requests if not each.startswith("file://")] == []


def names_of(page: Any) -> list[str]:
    """Return the names of the models that are seen."""
    return page.locator(".model .name:visible").all_inner_texts()


def test_search_finds_by_words_in_any_field_and_filters_narrow(open_page: Any) -> None:
    """Words are parts of names, classes, data sets, licences; all must occur."""
    page = open_page("index.html")
    every = len(names_of(page))

    page.fill("#words", "UNET ponds")
    found = names_of(page)
    page.fill("#words", "lake pond")
    of_classes = names_of(page)
    page.fill("#words", "")
    page.select_option("#task", "instance")
    of_task = names_of(page)
    page.click("button[type=reset]")
    page.locator("#found").wait_for(state="hidden")

    assert len(found) >= 3
    assert all("ponds" in name for name in found[:3])
    assert of_classes == ["hub"]
    assert of_task == ["nc"]
    assert len(names_of(page)) == every


def test_search_in_the_address_is_restored_and_commercial_use_leaves_out(open_page: Any) -> None:
    """A link can be shared; the count says how many."""
    page = open_page("index.html#words=versions&commercial=yes")

    assert page.input_value("#words") == "versions"
    found = names_of(page)
    assert "road" in found
    assert "nc" not in found
    assert page.inner_text("#count").startswith(f"{len(found)} of ")
    page.fill("#words", "no such model")
    assert names_of(page) == []
    assert "No model fits" in page.inner_text("#count")


def test_results_look_as_the_list_does_and_lead_to_the_same_pages(open_page: Any) -> None:
    """What the script draws is what the template draws: names, texts, marks and addresses."""
    page = open_page("index.html")
    read = "each => [each.querySelector('a').href, each.innerText.split(/\\s+/).join(' ')]"
    of_list = dict(page.eval_on_selector_all("#listed .model", f"all => all.map({read})"))
    page.select_option("#order", "name")
    of_search = dict(page.eval_on_selector_all("#found .model", f"all => all.map({read})"))

    assert of_search == {key: of_list[key] for key in of_search}
    assert len(of_search) == min(60, len(of_list))


def test_hostile_texts_run_nothing_in_any_page(open_page: Any, site: Site) -> None:
    """Neither in pages nor in what the search draws: `open_page` sees dialogs and requests."""
    page = open_page("index.html")
    page.fill("#words", "hostile")
    assert len(names_of(page)) == len(HOSTILE)
    for name in (
        "plugins/plain/index.html",
        "plugins/plain/unet_ponds.html",
        "plugins/hostile/index.html",
        "plugins/hostile/hostile_1.html",
    ):
        page = open_page(name)
        assert page.evaluate("document.querySelectorAll('script').length") == 1
        assert (
            page.evaluate("document.querySelectorAll('[onerror],[onload],iframe,svg').length") == 0
        )


def test_list_without_javascript_is_whole_and_leads_to_every_page(
    open_page: Any, site: Site
) -> None:
    """No search is offered that cannot work."""
    page = open_page("index.html", java_script_enabled=False)

    assert not page.locator("#search").is_visible()
    assert page.locator("#listed .model").count() == 34
    page.locator("#listed .name").first.click()
    assert page.locator("h1").count() == 1


def test_keyboard_reaches_the_content_the_search_and_a_model(open_page: Any) -> None:
    """First the link to the content; the search; and a result opens with Enter."""
    page = open_page("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.focus("#words")
    page.keyboard.type("to_pin")
    page.locator("#found .name").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/plugins/versions/to_pin.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_a_wide_screen(open_page: Any, site: Site, scheme: str) -> None:
    """No page scrolls sideways, however long a word is; text has a contrast of at least 4.5."""
    for width in (320, 768, 1280):
        for name in (
            "index.html",
            "plugins/plain/unet_ponds.html",
            "plugins/hostile/index.html",
            "plugins/hostile/hostile_8.html",
            "sources/signed/index.html",
        ):
            page = open_page(name, viewport={"width": width, "height": 800}, color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            if width == 320:
                low = page.evaluate(CONTRAST)
                assert low == [], (name, low)


def test_copy_button_stands_beside_each_line_and_says_that_it_is_done(open_page: Any) -> None:
    """A click copies; the button is named after what it copies."""
    page = open_page("plugins/plain/unet_ponds.html")
    buttons = page.locator(".box button")
    buttons.nth(1).click()

    page.get_by_text("Copied").wait_for()
    assert buttons.count() == page.locator("pre.copy").count() == 3
    assert buttons.nth(0).get_attribute("aria-label") == "Copy: Python that loads the model"


# Texts of which the contrast to their background is below 4.5 (WCAG 2.1, 1.4.3).
CONTRAST = """() => {
  const rgb = (color) => {
    const [r, g, b, a = 1] = color.match(/[0-9.]+/g).map(Number);
    return [r, g, b, a * 255];
  };
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = rgb(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    if (![...element.childNodes].some((each) => each.nodeType === 3 && each.data.trim())) continue;
    if (!element.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(back(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([element.tagName, element.className, element.textContent, ratio]);
  }
  return low;
}"""
