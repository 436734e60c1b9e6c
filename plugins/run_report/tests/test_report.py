# SPDX-License-Identifier: Apache-2.0
"""The page: what it holds, that it names nothing outside itself, and that no name becomes code."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_run_report.report import report

from zoo.errors import DataError


class Page(HTMLParser):
    """Tags with their attributes, texts by the element that holds them, and scripts."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open[-1:] == ["script"] else self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; alert(1); //",
    "</title></style></script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "a & b \u202e \x1b[2J",
    "http://evil.example/x.png",
]


def write_run(folder: Path, *, metric: str = "mean_dice", shift: float = 0.0) -> Path:
    log = folder / "20240101_000000" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    lines: list[dict[str, float]] = []
    for step in range(1, 21):
        lines.append({"lr": 0.1 / step, "loss": 1 / step + shift, "iter": step, "step": step})
        if step % 5 == 0:
            lines.append({metric: step / 25 - shift, "val/loss": 1.1 / step, "step": step})
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def semantic_rows(count: int, names: list[str] | None = None) -> list[dict[str, Any]]:
    rows = []
    for index in range(count):
        random = np.random.default_rng(index)
        true, missed, false = 400 + 40 * index, int(random.integers(9, 99)), 20
        table = [[9_000, false], [missed, true]]
        conf = [[0, 0, 0]] * 8 + [[100, 85.0, 80], [1_000, 960.0, 970]]
        name = (names or [])[index] if names and index < len(names) else f"images/{index:03}.png"
        rows.append(
            {
                "file": name,
                "values": {"dice_lung": 2 * true / (2 * true + missed + false)},
                "confusion": table,
                "calibration": conf,
            }
        )
    return rows


def write_test(path: Path, rows: list[dict[str, Any]], classes: list[str] | None = None) -> Path:
    document = {
        "schema": "zoo.test/1",
        "split": "test",
        "classes": classes or ["background", "lung"],
        "metrics": {"dice_lung": 0.9, "pooled": None},
        "data": {"name": "lung_xray.LungXrayDataset", "digest": "0" * 64},
        "per_image": rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def page_of(tmp_path: Path, *sources: Path, **options: Any) -> tuple[Page, str]:
    out = report(list(sources), tmp_path / "report.html", **({"pictures": 0} | options))
    text = out.read_text("utf-8")
    return Page(text), text


def check_alone(page: Page, text: str) -> None:
    """Check that nothing outside the page is named, and that the one script is the page's own."""
    for tag, attributes in page.tags:
        for key, value in attributes.items():
            assert not key.startswith("on"), (tag, key)
            if key in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                assert value.startswith(("#", "data:image/")), (tag, key, value[:80])
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
    assert "@import" not in text
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text)
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_page_holds_curves_intervals_classes_and_images(tmp_path: Path) -> None:
    """One run and its test, without a model: every table and chart is in the HTML itself."""
    run = write_run(tmp_path / "unet")
    write_test(run / "test.json", semantic_rows(12))

    page, text = page_of(tmp_path, run)

    check_alone(page, text)
    charts = [a["aria-label"] for t, a in page.tags if t == "svg" and "aria-label" in a]
    starts = ("Dice and size", "Calibration", "loss", "mean_dice", "learning rate")
    assert [each.partition(". ")[0] for each in charts] == list(starts)
    rows = semantic_rows(12)
    mean = np.mean([row["values"]["dice_lung"] for row in rows])
    assert f"{mean:.4g} [" in page.text
    right = sum(row["confusion"][1][1] for row in rows)
    wrong = sum(row["confusion"][1][0] + row["confusion"][0][1] for row in rows)
    assert f"{2 * right / (2 * right + wrong):.4g} [" in page.text
    assert "12 images, the worst first" in page.text
    assert "drawing single images" in page.text
    assert "Expected calibration error" in page.text
    assert "not recorded: there is no run.json" in page.text


def test_images_stand_in_the_order_of_their_scores_without_a_script(tmp_path: Path) -> None:
    """The table is complete, and the script only reorders it."""
    test = write_test(tmp_path / "t.json", semantic_rows(400))

    _, text = page_of(tmp_path, test)

    body = text[text.index("400 images, the worst first") :]
    body = body[: body.index("</table>")]
    shown = re.findall(r'<td data-value="([\d.]+)">', body)[::2]
    assert len(shown) == 400
    assert list(map(float, shown)) == sorted(map(float, shown))


def test_several_runs_stand_side_by_side(tmp_path: Path) -> None:
    """Curves are overlaid by name, and facts have a column each."""
    runs = [write_run(tmp_path / "a" / "unet"), write_run(tmp_path / "b" / "unet", shift=0.1)]
    for run in runs:
        write_test(run / "test.json", semantic_rows(5))

    page, text = page_of(tmp_path, *runs)

    check_alone(page, text)
    assert {"unet: training", "unet (2): training", "unet (2): validation"} <= {
        each.strip() for each in page.texts
    }
    assert page.text.count("5 images, the worst first") == 2
    assert text.count('<th scope="col">unet (2)</th>') >= 2


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    """Of a run, a metric, a class, an image or a group of facts; each is shown, none acts."""
    folder = tmp_path / re.sub(r"[/\0]", "_", name)
    run = write_run(folder, metric=name)
    write_test(run / "test.json", semantic_rows(3, [name]), ["background", name])
    plain, _ = page_of(tmp_path, write_run(tmp_path / "plain"))

    page, text = page_of(tmp_path, run)

    check_alone(page, text)
    assert page.scripts == plain.scripts
    shown = name.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    assert shown in page.text  # as it is written, and no template of its own


def test_objects_are_counted_by_size_class_and_score(tmp_path: Path) -> None:
    """What was found, confused, missed and made up, counted by hand."""
    row = {
        "file": "images/a.png",
        "values": {"f1": 0.5},
        "true": [[0, 100, 0], [1, 400, 1], [0, 900, -1], [1, 50, 3]],
        "predicted": [[0, 0.9, 0, 0.8], [0, 0.8, 1, 0.7], [1, 0.5, -1, 0.0], [1, 0.1, 3, 0.6]],
    }
    test = write_test(tmp_path / "t.json", [row], ["tank", "ship"])

    page, text = page_of(tmp_path, test)

    check_alone(page, text)
    table = text[text.index('<table class="heat">') :]
    table = table[: table.index("</table>")]
    counts = [int(each) for each in re.findall(r"<small>(\d+)</small>", table)]
    assert counts == [1, 0, 1, 1, 0, 1, 0, 1, 0]
    # Right: one tank. False: a tank that is a ship, and a ship that is nothing. Missed: three.
    assert "0.2857" in page.text
    assert "Found objects by size" in page.text


PANELS = '''
def steps(runs, tests):
    """One panel for each run, whose text could be code."""
    for run in runs:
        def draw(axes, run=run):
            axes.plot([1, 2], [3, 4], label="<script>alert(1)</script>")
            axes.legend()
            axes.set_title("</svg><script>alert(2)</script>")
        yield draw


def raises(runs, tests):
    raise RuntimeError("no runs\\nat all")


def linked(runs, tests):
    def draw(axes):
        axes.plot([1, 2], [3, 4])[0].set_url("https://evil.example/")
        axes.scatter([1], [1]).set_urls(["https://evil.example/"])
    yield draw
'''


def test_panels_of_other_plugins_are_drawn(
    tmp_path: Path,
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Inline, in the page's colours; one that raises or leads elsewhere is left out by name."""
    rows = "".join(
        f'[[panel]]\nname = "{name}"\ntarget = "zoo_wide.panels:{name}"\n'
        for name in ("steps", "raises", "linked")
    )
    package = write_plugin("wide", rows, panels=PANELS)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(package.parent))

    page, text = page_of(tmp_path, write_run(tmp_path / "a"), write_run(tmp_path / "b"))

    check_alone(page, text)
    assert text.count('<figure class="panel">') == 2
    assert "currentColor" in text
    assert [record.getMessage() for record in caplog.records if "panel" in record.getMessage()] == [
        "the panel wide.raises is left out: RuntimeError: no runs",
        "the panel wide.linked is left out: ValueError: it names something outside the page",
    ]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_pictures_that_cannot_be_made_say_why(tmp_path: Path) -> None:
    """A test far from its run and its data still has a page."""
    test = write_test(tmp_path / "t.json", semantic_rows(3))

    page, _ = page_of(tmp_path, test, pictures=6)

    assert "No pictures: the prepared folder of this test was not found." in page.text


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "unet")
    write_test(run / "test.json", semantic_rows(12))

    assert page_of(tmp_path, run)[1] == page_of(tmp_path, run)[1]


@pytest.mark.parametrize(
    ("name", "found"),
    [("x.png", "expected a name that ends in .html"), ("x", "expected a name that ends in .html")],
)
def test_other_formats_are_refused(tmp_path: Path, name: str, found: str) -> None:
    with pytest.raises(DataError, match=found):
        report([write_run(tmp_path / "unet")], tmp_path / name)


@pytest.mark.parametrize("name", ["no", "no.json", "x" * 300, "a\0b"])
def test_source_that_does_not_exist_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="there is no such folder or file"):
        report([f"{tmp_path}/{name}"], tmp_path / "x.html")

    assert not (tmp_path / "x.html").exists()


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_of_wcag(tmp_path: Path, theme: int) -> None:
    """4.5:1 for text and 3:1 for lines, on the page and on cards, by the formula of WCAG 2.2."""
    _, text = page_of(tmp_path, write_run(tmp_path / "unet"))
    blocks = re.findall(r":root \{(.*?)\}", text, re.S)
    colors = dict(re.findall(r"--([\w]+): (#[0-9a-f]{6});", blocks[theme]))

    for ground in ("page", "card"):
        for name, least in [
            *((name, 4.5) for name in ("text", "quiet", "link", "warn")),
            *((f"c{index}", 3.0) for index in range(8)),
        ]:
            high, low = sorted((luminance(colors[name]), luminance(colors[ground])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, (name, ground)


SESSION: dict[str, Any] = {
    "started": "2026-01-02T03:04:05+00:00",
    "command": "zoo train x.py",
    "config_file": "x.py",
    "config_sha256": "0" * 64,
    "seed": 3,
    "is_deterministic": True,
    "first_step": 0,
    "resumed_from": None,
    "ended": "2026-01-02T03:05:05+00:00",
    "outcome": "failed",
    "seconds": 60.5,
    "last_step": 9,
    "packages": {"python": "3"},
    "plugins": {"x": "0.1"},
    "data": [
        {
            "parts": ["train"],
            "name": "x.X",
            "labels": "true",
            "licence": "CC0",
            "splits": {"train": {"count": 3, "groups": 2, "digest": "a" * 64}},
            "digest": "1" * 64,
        }
    ],
    "hardware": {"cpu": "a", "cores": 2, "gpus": ["b"], "memory_bytes": 5},
    "repository": {"commit": "2" * 40, "is_dirty": None, "remote": "https://example.org/x"},
    "error": {"kind": "DataError", "message": "cannot open"},
    "peak_bytes": {"main": 5},
}


@pytest.mark.slow
def test_run_json_of_any_types_gives_a_page_or_one_message(tmp_path: Path) -> None:
    """Each key of a session with values that it must not have."""
    run = write_run(tmp_path / "unet")
    inner = [(key, name) for key in ("hardware", "error", "peak_bytes") for name in SESSION[key]]
    keys = [(key,) for key in SESSION] + inner
    made = refused = 0
    for key in keys:
        for value in (5, "x", "\ud800", {}, [], [{}], None):
            session = copy.deepcopy(SESSION)
            node = session if len(key) == 1 else session[key[0]]
            node[key[-1]] = value
            document = {"schema": "zoo.run/1", "sessions": [session], "metrics": None}
            (run / "run.json").write_text(json.dumps(document))
            try:
                page = report([run], tmp_path / "report.html", pictures=0).read_text("utf-8")
            except DataError as error:
                refused += error.message.startswith("cannot read 'run.json': ")
                continue
            made += "</html>" in page
    assert made + refused == 7 * len(keys)
    assert min(made, refused) > 20
