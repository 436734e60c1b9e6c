# SPDX-License-Identifier: Apache-2.0
"""What the page says where something is missing, cut or of no value; and how it draws extremes."""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from zoo_run_report.charts import line_chart
from zoo_run_report.report import report

pytestmark = pytest.mark.filterwarnings("error")

PIXELS = {"confusion": [[90, 2], [3, 5]]}
EMPTY = {"confusion": [[100, 0], [0, 0]]}
MADE_UP = {"confusion": [[90, 10], [0, 0]]}


def write(path: Path, rows: list[dict[str, Any]], **document: Any) -> Path:
    """Write a test whose images are numbered."""
    images = [
        {"file": f"images/{index:05}.png", "values": {"dice_lung": 0.5}, **row}
        for index, row in enumerate(rows)
    ]
    facts = {"split": "test", "classes": ["background", "lung"], "metrics": {"dice_lung": 0.5}}
    whole = {"schema": "zoo.test/1", **facts, "per_image": images, **document}
    path.write_text(json.dumps(whole))
    return path


def told(tmp_path: Path, rows: list[dict[str, Any]], **document: Any) -> str:
    """Return the text of the page of a test, without its tags."""
    test = write(tmp_path / "t.json", rows, **document)
    page = report([test], tmp_path / "r.html", pictures=0).read_text("utf-8")
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def write_log(run: Path) -> None:
    """Make a folder the work dir of a run."""
    log = run / "20240101_000000" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 1}\n')


@pytest.mark.parametrize(
    ("rows", "headline"),
    [
        ([PIXELS] * 6, "0.6667 95 % interval 0.6667 to 0.6667"),
        ([PIXELS] * 6 + [EMPTY] * 3, "mean of 6 images; 3 more have no score: nothing is there"),
        ([PIXELS] * 6 + [EMPTY], "mean of 6 images; 1 more has no score: nothing is there"),
        ([PIXELS] * 6 + [MADE_UP] * 6, "0.3333 95 % interval"),
    ],
    ids=["none", "three", "one", "made up"],
)
def test_empty_images_have_no_score_as_in_the_metric(
    tmp_path: Path, rows: list[dict[str, Any]], headline: str
) -> None:
    """`zoo.DiceMetric` leaves out a class absent from both sides, and counts 0 if it is made up."""
    assert headline in told(tmp_path, rows)


@pytest.mark.parametrize(
    ("row", "score"),
    [
        ({"true": [], "predicted": []}, None),
        ({"true": [], "predicted": [[0, 0.1, -1, 0.0]]}, None),  # below the least score
        ({"true": [], "predicted": [[0, 0.9, -1, 0.0]]}, "0"),
        ({"true": [[0, 90, -1]], "predicted": []}, "0"),
        ({"true": [[0, 90, 0]], "predicted": [[0, 0.9, 0, 0.8]]}, "1"),
    ],
    ids=["empty", "unsure", "made up", "missed", "found"],
)
def test_images_without_objects_have_no_f1(
    tmp_path: Path, row: dict[str, Any], score: str | None
) -> None:
    """As `zoo.CocoMetric`, which gives F1 to an image with a true or a predicted object."""
    found = {"true": [[0, 90, 0]], "predicted": [[0, 0.9, 0, 0.8]]}

    text = told(tmp_path, [row, found], classes=["tank", "ship"])

    (shown,) = re.findall(r"images/00000\.png (\S+) 0\.5", text)
    assert shown == ("–" if score is None else score)
    assert ("1 more has no score" in text) == (score is None)


@pytest.mark.parametrize(
    ("checkpoints", "notice"),
    [
        ({"best_mean_dice_iter_9.pth": b"tested"}, ""),
        ({"renamed.pth": b"tested"}, ""),
        ({}, ""),
        ({"best_mean_dice_iter_9.pth": b"tested", "iter_10.pth": b"later"}, ""),
        (
            {"best_mean_dice_iter_5.pth": b"tested", "best_mean_dice_iter_9.pth": b"better"},
            "another checkpoint than 'best_mean_dice_iter_9.pth', the run's present best one",
        ),
        (
            {"iter_5.pth": b"tested", "iter_10.pth": b"later"},
            "another checkpoint than 'iter_10.pth', the run's present last one",
        ),
    ],
    ids=["same", "renamed", "gone", "best", "better", "later"],
)
def test_page_says_which_checkpoint_was_measured(
    tmp_path: Path, checkpoints: dict[str, bytes], notice: str
) -> None:
    """And whether a test of the run would measure another one by now."""
    write_log(tmp_path)
    for name, content in checkpoints.items():
        (tmp_path / name).write_bytes(content)
    digest = hashlib.sha256(b"tested").hexdigest()
    facts = {"checkpoint": "best.pth", "checkpoint_sha256": digest}

    text = told(tmp_path, [PIXELS], **facts, tta=True, cfg_options=["a.b=1", "c=[<i>]"])

    assert f"checkpoint best.pth sha256 {digest[:12]} --tta yes" in text
    assert "--cfg-options a.b=1 c=[<i>]" in text
    assert ("This test measured" in text, notice in text) == (bool(notice), True)


@pytest.mark.parametrize("value", [None, 5, "x", [], [1], {}, {"a": [1]}])
def test_facts_of_a_test_may_be_anything(tmp_path: Path, value: Any) -> None:
    """Each is shown, or left open."""
    write_log(tmp_path)
    (tmp_path / "best_mean_dice_iter_9.pth").write_bytes(b"best")
    names = ("checkpoint", "checkpoint_sha256", "tta", "cfg_options")

    assert "--tta –" in told(tmp_path, [PIXELS], **dict.fromkeys(names, value))


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_few_images_say_why_there_is_no_interval(tmp_path: Path, count: int) -> None:
    """Two values are no distribution."""
    text = told(tmp_path, [PIXELS] * count)

    many = "images are 1 image," if count == 1 else f"images are {count} images,"
    why = f"No intervals: the {many} and an interval needs at least 5"
    assert (why in text, "95 % interval" in text) == (count < 5, count >= 5)


@pytest.mark.parametrize(
    ("rows", "document", "reason"),
    [
        ([{}] * 6, {"classes": None}, "written by an earlier version of zoo"),
        ([{}] * 6, {"classes": [f"c{i}" for i in range(51)]}, "it has 51 classes, and pixels"),
        ([{}] * 6, {}, "No scores of classes: this test kept no counts of its images"),
        ([{"true": [], "predicted": []}] * 6, {}, "no true object, and none was predicted"),
        ([PIXELS] * 6, {"tta": True}, "No calibration plot: --tta merges predictions"),
        ([PIXELS] * 6, {"scores": "of masks"}, "No calibration plot: its model adds up the scores"),
        ([PIXELS] * 6, {"tta": False}, "No calibration plot: this test kept no scores"),
        ([EMPTY] * 6, {}, "No size plot: no true pixel is of a class other than the background"),
        ([{"true": [[0, 9, -1]]}] * 6, {}, "No calibration plot: no object was predicted"),
        ([{"predicted": [[0, 0.5, -1, 0]]}] * 6, {}, "No size plot: there is no true object"),
        (
            [{"true": [[70, 9, -1]]}] * 6,
            {"classes": [f"c{i}" for i in range(80)]},
            "No confusion table: a table of 80 classes is unreadable",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_is_given_its_own_reason(
    tmp_path: Path, rows: list[dict[str, Any]], document: dict[str, Any], reason: str
) -> None:
    """Never the advice to test again with the version that wrote the file."""
    text = told(tmp_path, rows, **document)

    assert reason in text
    assert "Test again" not in text


@pytest.mark.parametrize("count", [1, 4_999, 5_001])
def test_cut_table_says_how_many_images_there_are(tmp_path: Path, count: int) -> None:
    """The worst are listed; the caption does not call them all."""
    text = told(tmp_path, [{}] * count, classes=None)

    shown = {1: "1 image,", 4_999: "4,999 images,", 5_001: "5,000 of 5,001 images,"}
    assert f"{shown[count]} the worst first" in text


def test_values_without_a_direction_order_nothing(tmp_path: Path) -> None:
    """A count of objects is neither good nor bad."""
    values = {"values": {"count_predicted": 3.0}}

    text = told(tmp_path, [values] * 6, classes=None, metrics={})

    assert "6 images, by name: no value says which is the worst" in text


def test_errors_keep_their_sign(tmp_path: Path) -> None:
    """The lower the better: the headline is the mean as it is, and the worst is the largest."""
    rows = [{"values": {"hd95_lung": float(index)}} for index in range(6)]

    text = told(tmp_path, rows, classes=None, metrics={})

    assert "2.5 95 % interval" in text
    assert "-2.5" not in text
    assert text.index("images/00005.png") < text.index("images/00000.png")


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 1e308, -1e308],
        [1e308, 1e308],
        [-1.7e308, 1.7e308, 0.0],
        [5e-324, 1e308],
        [0.0, 5e-324],
        [1e-310, 1e-310],
        [math.nan, 1.0, math.inf, 0.5, -math.inf],
        [1.0, 1.0 + 2e-16],
    ],
    ids=str,
)
def test_curve_of_extreme_values_is_drawn(values: list[float]) -> None:
    """A loss that overflows is a run that a report is made to explain."""
    curve = {float(step): value for step, value in enumerate(values)}

    chart = line_chart("loss", {"training": curve}, x_name="step")

    assert chart is not None
    (line,) = chart.lines
    places = [float(each) for each in re.findall(r"-?[\d.]+", line.path)]
    finite = sum(map(math.isfinite, values))
    assert len(places) == 2 * finite
    assert all(0 <= place <= max(chart.width, chart.height) for place in places)
    assert ("infinite or no number" in chart.note) == (finite < len(values))
    if finite < len(values):
        assert f"training: {len(values) - finite} of {len(values)} values" in chart.note


def test_run_that_diverged_says_so(tmp_path: Path) -> None:
    """Values that are no numbers are not drawn as if the run had ended there."""
    log = tmp_path / "run" / "20240101_000000" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    losses = [1.0, 0.5, 1e308, math.inf, math.nan]
    lines = [json.dumps({"loss": loss, "step": i + 1}) for i, loss in enumerate(losses)]
    log.write_text("\n".join(lines))

    page = report([tmp_path / "run"], tmp_path / "r.html").read_text("utf-8")

    assert "2 of 5 values are infinite or no number, the first at 4." in page
