# SPDX-License-Identifier: Apache-2.0
"""What a plot's axes, legends and order of panels promise, read from the figure that is saved."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

pytestmark = pytest.mark.mm

Values = Mapping[str, Sequence[float]]


def write_log(
    work_dir: Path,
    metrics: Values,
    *,
    losses: Sequence[float] = (2.0, 1.5, 1.2, 1.0),
    epoch_steps: int | None = None,
    interval: int = 10,
    save_best: str | None = None,
) -> Path:
    """Write a run of ten steps a validation, logged every ``interval`` steps.

    Args:
        work_dir: To make.
        metrics: Name -> value at each validation.
        losses: Of training, from one validation to the next.
        epoch_steps: Steps of an epoch, after each of which it validates; None counts iterations.
        interval: Steps from one line of the log to the next, within an epoch.
        save_best: What the run's config names.
    """
    path = work_dir / "20240101_000000/vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    stride = epoch_steps or 10
    for turn, loss in enumerate(losses):
        for inner in range(interval, stride + 1, interval):
            step = turn * stride + inner
            where = {"iter": step, "step": step} | ({"epoch": turn + 1} if epoch_steps else {})
            lines.append({"lr": 4e-4, "base_lr": 4e-4, "loss": loss, **where})
        values = {name: series[turn] for name, series in metrics.items() if turn < len(series)}
        lines.append({**values, "step": turn + 1 if epoch_steps else (turn + 1) * stride})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if save_best:
        text = f"default_hooks = dict(checkpoint=dict(interval=1, save_best='{save_best}'))\n"
        (path.parent / "config.py").write_text(text)
    return work_dir


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Figure]:
    """Return a function that plots sources and gives the figure that was saved."""
    from matplotlib.figure import Figure
    from zoo_run_plots.plot import plot

    saved: list[Figure] = []
    real = Figure.savefig

    def savefig(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        real(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    monkeypatch.setattr("zoo_run_plots.plot.DPI", 40)  # quicker, and the same figure

    def drawn(*sources: Path) -> Figure:
        plot(sources, tmp_path / "p.png")
        return saved[-1]

    return drawn


def panels(figure: Figure) -> dict[str, Any]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}


def labels(axes: Any) -> list[str]:
    """Return what the legend says, best values left out."""
    legend = axes.get_legend()
    return [text.get_text().split(", best")[0] for text in legend.get_texts()]


LUNG = {
    "dice_background": [0.7, 0.8, 0.9, 0.95],
    "dice_lung": [0.3, 0.6, 0.8, 0.9],
    "iou_background": [0.6, 0.7, 0.85, 0.91],
    "iou_lung": [0.2, 0.5, 0.7, 0.82],
    "mean_dice": [0.5, 0.7, 0.85, 0.925],
    "mean_iou": [0.4, 0.6, 0.775, 0.865],
    "pooled_dice_lung": [0.31, 0.61, 0.81, 0.91],
    "val/loss": [2.1, 1.6, 1.4, 1.3],
}
TANKS = {
    "coco/bbox_mAP": [0.1, 0.3, 0.4, 0.5],
    "coco/bbox_AR@100": [0.2, 0.4, 0.5, 0.6],
    "coco/bbox_AR@1000": [0.2, 0.4, 0.5, 0.6],
    "coco/segm_mAP": [0.15, 0.35, 0.45, 0.55],
    "coco/segm_AR@100": [0.25, 0.45, 0.55, 0.65],
    "coco/segm_AR@1000": [0.25, 0.45, 0.55, 0.65],
    "coco/count_error_relative": [0.5, 0.3, 0.2, 0.1],
    "coco/count_bias": [3.0, -1.0, 0.5, 0.2],
}


@pytest.mark.parametrize(
    ("metrics", "save_best", "panel", "leading"),
    [
        (LUNG, "mean_dice", "validation, 0 to 1: dice", ["dice_lung", "mean_dice"]),
        (LUNG, "mean_iou", "validation, 0 to 1: iou", ["iou_lung", "mean_iou"]),
        (LUNG, "dice_background", "validation, 0 to 1: dice", ["dice_background", "dice_lung"]),
        (LUNG, "val/loss", "training and validation loss", ["training", "validation"]),
        (TANKS, "coco/segm_mAP", "validation, 0 to 1: segm", ["coco/segm_mAP"]),
        (TANKS, "coco/count_bias", "validation", ["coco/count_bias"]),
        (TANKS, None, "validation, 0 to 1: bbox", ["coco/bbox_mAP"]),
    ],
)
def test_metric_that_save_best_names_leads(
    tmp_path: Path,
    draw: Callable[..., Figure],
    metrics: Values,
    save_best: str | None,
    panel: str,
    leading: list[str],
) -> None:
    """Its panel is the first; a mean over the background and one class comes after that class."""
    run = write_log(tmp_path / "run", metrics, save_best=save_best)

    figure = draw(run)

    first = next(iter(panels(figure)))
    assert first == panel
    assert labels(panels(figure)[first])[: len(leading)] == leading


def test_kept_checkpoint_says_what_leads_before_the_config(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    run = write_log(tmp_path / "run", TANKS, save_best="coco/bbox_mAP")
    (run / "best_coco_segm_mAP_iter_40.pth").touch()

    assert next(iter(panels(draw(run)))) == "validation, 0 to 1: segm"


def test_equal_curves_are_one_curve_with_both_names(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """In a panel each curve is drawn once, and so is a rate that is logged under two names."""
    figure = draw(write_log(tmp_path / "run", TANKS))

    found = panels(figure)
    assert labels(found["validation, 0 to 1: bbox"]) == [
        "coco/bbox_mAP",
        "coco/bbox_AR@100 = coco/bbox_AR@1000",
    ]
    assert labels(found["learning rate"]) == ["lr"]


def test_panel_that_repeats_another_is_left_out(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """Its names stand at the curves that it would repeat, constant ones too."""
    copied = {f"pooled_{name}": values for name, values in LUNG.items() if "dice" in name}
    constant = {"area_a": [0.5] * 4, "area_b": [0.5] * 4}

    figure = draw(write_log(tmp_path / "run", {**LUNG, **copied, **constant}))

    found = panels(figure)
    assert "validation, 0 to 1: pooled dice" not in found
    dices = labels(found["validation, 0 to 1: dice"])
    assert dices[0].endswith("dice_background = pooled_dice_background")
    assert labels(found["validation, 0 to 1: area"]) == ["area_a = area_b"]


@pytest.mark.parametrize(
    ("values", "limits", "says"),
    [
        ([0.2, 0.5, 0.7, 0.9], (0, 1), ""),
        ([0.05, 0.06, 0.07, 0.08], (0, 1), ""),
        ([0.5, 0.5, 0.5, 0.5], (0, 1), ""),
        ([0.95, 0.96, 0.97, 0.98], (0.947, 0.983), "axis begins at 0.947, not at 0"),
        ([0.94, 0.97, 0.99, 1.0], (0.934, 1), "axis begins at 0.934, not at 0"),
        ([40.0, 60.0, 80.0, 90.0], (0, 99), ""),
        ([90.0, 91.0, 92.0, 94.0], (89.6, 94.4), "axis begins at 89.6, not at 0"),
        ([-1.0, 0.5, 0.2, 2.0], (-1.3, 2.3), ""),
        ([math.nan, 0.5, 0.7, 0.9], (0, 1), ""),
    ],
)
def test_axis_of_a_metric_begins_at_0_or_says_that_it_does_not(
    tmp_path: Path,
    draw: Callable[..., Figure],
    values: list[float],
    limits: tuple[float, float],
    says: str,
) -> None:
    """Shares go from 0 to 1; a cut is written beside the axis and drawn at its foot."""
    figure = draw(write_log(tmp_path / "run", {"score": values}))

    axes = next(iter(panels(figure).values()))
    assert axes.get_ylim() == pytest.approx(limits, abs=1e-9)
    assert axes.get_ylabel() == says
    strokes = [line for line in axes.lines if line.get_transform() == axes.transAxes]
    assert len(strokes) == (1 if says else 0)


def test_axis_of_an_error_begins_at_0_and_ends_where_it_does(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """An error of 0.1 to 0.5 is no share of which 1 would be the best."""
    figure = draw(write_log(tmp_path / "run", {"count_error": [0.5, 0.3, 0.2, 0.1]}))

    assert next(iter(panels(figure).values())).get_ylim() == pytest.approx((0, 0.55))


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([2.0, 1.5, 1.2, 1.0], "linear"),
        ([1.0, 0.5, 0.2, 0.1], "linear"),
        ([5.0, 1.0, 0.3, 0.1], "log"),
        ([900.0, 20.0, 1.0, 0.002], "log"),
        ([9.0, 0.3, 0.01, 0.0], "symlog"),
        ([3.0, 0.1, -0.2, -0.5], "linear"),
    ],
)
def test_loss_that_spans_a_decade_is_logarithmic(
    tmp_path: Path, draw: Callable[..., Figure], losses: list[float], scale: str
) -> None:
    """Every value lies in the panel; a linear axis of losses above 0 begins at 0."""
    figure = draw(write_log(tmp_path / "run", {}, losses=losses))

    axes = panels(figure)["training loss"]
    assert axes.get_yscale() == scale
    assert ("logarithmic" in axes.get_ylabel()) == (scale != "linear")
    low, high = axes.get_ylim()
    assert low <= min(losses) < max(losses) <= high
    if scale == "linear" and min(losses) > 0:
        assert low == 0


def test_ticks_of_the_learning_rate_are_scientific(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    figure = draw(write_log(tmp_path / "run", {}))

    ticks = [text.get_text() for text in panels(figure)["learning rate"].get_yticklabels()]
    assert "0" in ticks
    assert len(ticks) > 2
    assert all("e-" in tick for tick in ticks if tick != "0")
    assert [float(tick) for tick in ticks] == sorted({float(tick) for tick in ticks})


@pytest.mark.parametrize(("epoch_steps", "interval"), [(10, 10), (93, 20), (7, 1), (12, 5)])
def test_run_that_counts_epochs_has_them_on_its_axes(
    tmp_path: Path, draw: Callable[..., Figure], epoch_steps: int, interval: int
) -> None:
    """Validations lie at the epochs' ends, training between them, whatever the log leaves out."""
    run = write_log(
        tmp_path / "run", {"dice": [0.2, 0.5, 0.7, 0.8]}, epoch_steps=epoch_steps, interval=interval
    )

    figure = draw(run)

    found = panels(figure)
    assert {axes.get_xlabel() for axes in found.values()} == {"epoch"}
    dice, loss = (found[title].get_lines() for title in ("validation, 0 to 1", "training loss"))
    curve = next(line for line in dice if len(line.get_xdata()) == 4)
    assert curve.get_xdata().tolist() == [1, 2, 3, 4]
    steps = [
        turn * epoch_steps + inner
        for turn in range(4)
        for inner in range(interval, epoch_steps + 1, interval)
    ]
    places = next(line for line in loss if len(line.get_xdata()) == len(steps)).get_xdata()
    assert np.allclose(places, np.array(steps) / epoch_steps, rtol=0.04)


def test_runs_of_which_one_counts_iterations_have_iterations_on_their_axes(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    dice = {"dice": [0.2, 0.5, 0.7, 0.8]}
    runs = [write_log(tmp_path / "a", dice, epoch_steps=10), write_log(tmp_path / "b", dice)]

    found = panels(draw(*runs))

    assert {axes.get_xlabel() for axes in found.values()} == {"iteration"}
    assert {axes.get_xlim() for axes in found.values()} == {(-1.2, 41.2)}


@pytest.mark.parametrize("count", [1, 2, 5, pytest.param(12, marks=pytest.mark.slow)])
def test_legend_lies_below_its_panel_and_inside_the_picture(
    tmp_path: Path, draw: Callable[..., Figure], count: int
) -> None:
    """It covers no curve, no axis label and no neighbour, of many runs with long names too."""
    names = [f"unet_small_lung-512_a_rather_long_name_lr{n}_seed{n}" for n in range(count)]

    figure = draw(*[write_log(tmp_path / name, LUNG) for name in names])

    height, width = figure.bbox.height, figure.bbox.width
    boxes = []
    for axes in panels(figure).values():
        box = axes.get_legend().get_window_extent()
        assert box.y1 <= axes.xaxis.label.get_window_extent().y0 + 1
        assert box.y0 >= 0
        assert box.x0 >= 0
        assert box.x1 <= width
        boxes.append((axes.get_window_extent(), box))
        assert axes.get_window_extent().height > 0.1 * height / len(figure.axes)
    for area, _ in boxes:
        assert not any(area.overlaps(box) for _, box in boxes)


def test_first_validation_of_which_all_is_0_still_makes_a_picture(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """A detector that finds nothing has twenty equal metrics: of their names three are shown."""
    kinds = ("mAP", "mAP_50", "mAP_75", "mAP_under12px", "mAP_12to24px", "mAP_over48px", "AR@100")
    names = [f"coco/{part}_{kind}" for part in ("segm", "bbox") for kind in kinds]

    figure = draw(write_log(tmp_path / "run", dict.fromkeys(names, [0.0] * 4)))

    (axes,) = (axes for title, axes in panels(figure).items() if title.startswith("validation"))
    assert labels(axes) == ["coco/segm_mAP = coco/segm_mAP_50 = coco/segm_mAP_75 = 11 more"]
    box = axes.get_legend().get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


@pytest.mark.slow
def test_many_runs_are_told_apart(tmp_path: Path, draw: Callable[..., Figure]) -> None:
    """Each has a look and a short name of its own; losses of training and validation are apart."""
    names = [f"mask_rcnn_small_tanks-384_synthetic_lr1e-3_seed{n}" for n in range(12)]
    runs = []
    for number, name in enumerate(names):
        metrics = {key: [v - number / 100 for v in values] for key, values in LUNG.items()}
        runs.append(write_log(tmp_path / name, metrics))

    found = panels(draw(*runs))

    assert {"training loss", "validation loss"} < set(found)
    for axes in found.values():
        curves = [line for line in axes.get_lines() if len(line.get_xdata()) == 4]
        assert len(curves) == 12
        assert len({(line.get_color(), str(line._dash_pattern)) for line in curves}) == 12
        assert labels(axes) == [f"...seed{n}" for n in range(12)]


@pytest.mark.parametrize(
    "names",
    [
        ["unet_small_lung-512_seed0_on_the_montgomery_set", "test"],
        [f"unet_small_lung-512_seed{n}_on_the_montgomery_set" for n in range(3)],
        [f"a_long_name_of_a_run_{n}_with_a_long_end_and_more" for n in (1, 2)] + ["short"],
        ["x" * 40 + str(n) + "y" * 40 for n in range(4)],
        ["same"] * 3,
        ["same_name_of_a_run_that_is_rather_long_indeed"] * 2,
    ],
)
def test_short_names_of_runs_stay_apart_by_what_tells_them_apart(names: list[str]) -> None:
    """Equal names alone are numbered: a number would hide which run is which."""
    from zoo_run_plots.names import shorten_runs

    short = shorten_runs(names)

    assert len(set(short)) == len(names)
    assert all(" (" in name for name in short) == (len(set(names)) == 1)
    assert max(map(len, short)) <= max(map(len, names)) + 4


def test_runs_of_endless_names_still_make_a_picture(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """The legend ends inside the picture, however long a name must be to tell runs apart."""
    names = ["a" * 90 + str(n) + "b" * 90 for n in range(2)]

    figure = draw(*[write_log(tmp_path / name, {"dice": [0.1, 0.2, 0.3, 0.4]}) for name in names])

    for axes in panels(figure).values():
        box = axes.get_legend().get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert axes.get_window_extent().height > 0


def test_names_of_endless_metrics_are_shortened(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """The beginning and the end stay, which tell names apart."""
    name = "dice_" + "upper_lobe_of_the_right_lung_" * 5 + "seen_from_behind"

    figure = draw(write_log(tmp_path / "run", {name: [0.2, 0.5, 0.7, 0.8]}))

    (label,) = labels(next(iter(panels(figure).values())))
    assert len(label) == 40
    head, tail = label.split("...")
    assert name.startswith(head)
    assert name.endswith(tail)


def write_counts(path: Path, pairs: Sequence[tuple[int, int]]) -> Path:
    rows = [
        {
            "file": f"images/site_{n:03d}.jpg",
            "values": {
                "count_true": true,
                "count_predicted": found,
                "count_error": abs(true - found),
                "segm_F1_50": 0.5 + n / 100,
            },
        }
        for n, (true, found) in enumerate(pairs)
    ]
    path.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))
    return path


def test_counts_of_scenes_are_pairs_on_equal_axes_with_the_line_of_agreement(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """A dot a scene at (true, found), named where they are few; no box of six values."""
    pairs = [(0, 0), (12, 14), (40, 38), (33, 33), (60, 55), (48, 48)]

    figure = draw(write_counts(tmp_path / "test.json", pairs))

    axes = panels(figure)["counts, image by image"]
    dots = next(line for line in axes.get_lines() if line.get_marker() == "o")
    assert list(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == pairs
    line = next(line for line in axes.get_lines() if line.get_marker() == "None")
    assert list(line.get_xdata()) == list(line.get_ydata())
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_aspect() == 1
    assert {text.get_text() for text in axes.texts} == {f"site_{n:03d}" for n in range(6)}
    assert labels(axes)[0] == "test: 6 images, 193 true, 188 found"
    ticks = [text.get_text() for panel in figure.axes for text in panel.get_xticklabels()]
    assert {"count_true", "count_predicted"}.isdisjoint(ticks)
    assert [patch for panel in figure.axes for patch in panel.patches] == []


def test_test_without_a_value_is_not_in_that_panels_legend(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    rows = [{"file": f"{n}.png", "values": {"hd95_mm_lung": 3.0 + n}} for n in range(3)]
    lungs = tmp_path / "lungs.json"
    lungs.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))

    figure = draw(lungs, write_counts(tmp_path / "tanks.json", [(3, 3), (4, 5)]))

    entries = {axes.get_ylabel(): labels(axes) for axes in figure.axes if axes.axison}
    assert entries["mm"] == ["lungs (3 images)", "median"]
    assert entries["found (count_predicted)"][0].startswith("tanks: 2 images")
    assert not any("lungs" in text for text in entries["found (count_predicted)"])


def test_counts_of_many_scenes_name_the_one_that_is_furthest_off(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    pairs = [(n, n + (n % 3)) for n in range(40)]
    pairs[17] = (17, 3)

    figure = draw(write_counts(tmp_path / "test.json", pairs))

    axes = panels(figure)["counts, image by image"]
    assert [text.get_text() for text in axes.texts] == ["site_017"]


@pytest.mark.parametrize("decades", [2, 5, 9, 14, 30])
def test_loss_axis_has_ticks_however_many_decades_it_spans(
    tmp_path: Path, draw: Callable[..., Figure], decades: int
) -> None:
    """A run that burst is read by its numbers too."""
    losses = (1.0, 10.0**decades, 0.7, 0.5)

    figure = draw(write_log(tmp_path / "run", {}, losses=losses))

    axes = panels(figure)["training loss"]
    low, high = axes.get_ylim()
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert 2 <= len(ticks) <= 12


def test_loss_that_is_never_finite_has_an_axis_without_numbers(
    tmp_path: Path, draw: Callable[..., Figure]
) -> None:
    """What matplotlib makes up around 0 was not measured."""
    figure = draw(write_log(tmp_path / "run", {}, losses=(math.nan, math.inf, math.nan)))

    axes = panels(figure)["training loss"]
    assert list(axes.get_yticks()) == []
    assert axes.get_ylabel() == "no finite value"
