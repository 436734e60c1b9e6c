# SPDX-License-Identifier: Apache-2.0
"""Which panels a plot has, what they mark, and that it is written whole."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

pytestmark = pytest.mark.mm


def write_run(work_dir: Path, *, shift: float = 0.0, broken_step: int = -1) -> Path:
    path = work_dir / "20240101_000000/vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    lines = []
    for step in range(10, 101, 10):
        loss = math.nan if step == broken_step else 1 / step + shift
        part = {"loss": loss, "decode.loss_ce": loss / 2}
        lines.append({"lr": 0.1 / step, **part, "iter": step, "step": step})
        if step % 50 == 0:
            lines.append({"mDice": step / 2 + 1, "dice": 0.9 - step / 1000, "step": step})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return work_dir


def write_test(path: Path, count: int = 5) -> Path:
    rows = [
        {"file": f"{i}.png", "values": {"dice": i / 10, "iou": 10.0 * i, "area": 1000 + i}}
        for i in range(count)
    ]
    path.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))
    return path


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return a list that every figure is put into as it is saved."""
    from matplotlib.figure import Figure

    saved: list[Figure] = []
    real = Figure.savefig

    def savefig(self: Figure, *args: Any, **kwargs: Any) -> None:
        saved.append(self)
        real(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


def panels(figure: Figure) -> dict[str, Any]:
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}


def test_run_gives_losses_metrics_and_rates(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo.engine.plot import plot

    path = plot([write_run(tmp_path / "unet")], tmp_path / "sub/p.png")

    found = panels(figures[0])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(found) == ["training loss", "validation, 0 to 1", "validation", "learning rate"]
    lines = {line.get_label(): line for line in found["training loss"].get_lines()}
    assert set(lines) == {"loss", "decode.loss_ce"}
    assert lines["loss"].get_xdata().tolist() == list(range(10, 101, 10))
    assert lines["loss"].get_ydata()[0] == pytest.approx(0.1)


def test_best_value_is_marked_with_a_star(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo.engine.plot import plot

    plot([write_run(tmp_path / "unet")], tmp_path / "p.png")

    axes = panels(figures[0])["validation, 0 to 1"]
    star, curve = axes.get_lines()
    assert star.get_marker() == "*"
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (50, pytest.approx(0.85))
    assert curve.get_label() == "dice, best 0.85 at 50"


def test_many_metrics_are_parted_by_their_first_word(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo.engine.plot import plot

    run = write_run(tmp_path / "unet")
    names = [f"{kind}_{name}" for kind in ("val/dice", "iou") for name in "abcd"]
    with next(run.glob("*/vis_data/scalars.json")).open("a") as log:
        log.write(json.dumps({**dict.fromkeys(names, 0.5), "step": 100}) + "\n")

    plot([run], tmp_path / "p.png")

    titles = [title for title in panels(figures[0]) if "0 to 1" in title]
    assert titles == ["validation, 0 to 1: dice", "validation, 0 to 1: iou"]


def test_best_of_a_loss_or_distance_is_the_lowest() -> None:
    from matplotlib.figure import Figure

    from zoo.engine.plot import _mark_best

    axes = Figure().subplots()
    _mark_best(axes, "val/hd95", {10: 5.0, 20: 3.0, 30: math.nan, 40: 4.0}, "red")

    assert axes.get_lines()[0].get_xdata()[0] == 20


def test_several_runs_are_overlaid_by_name(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo.engine.plot import plot

    runs = [write_run(tmp_path / "a/unet"), write_run(tmp_path / "b/unet", shift=1)]

    plot(runs, tmp_path / "p.png")

    axes = panels(figures[0])["training loss (loss)"]
    assert [line.get_label() for line in axes.get_lines()] == ["unet (1)", "unet (2)"]
    colors = {line.get_color() for line in axes.get_lines()}
    assert len(colors) == 2


def test_loss_that_is_not_finite_is_marked_where_it_was(
    tmp_path: Path, figures: list[Figure]
) -> None:
    from zoo.engine.plot import plot

    plot([write_run(tmp_path / "unet", broken_step=60)], tmp_path / "p.png")

    axes = panels(figures[0])["training loss"]
    crosses = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert [line.get_xdata() for line in crosses] == [[60], [60]]
    assert crosses[0].get_label() == "not finite"


def test_per_image_values_get_an_axis_for_each_scale(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo.engine.plot import plot

    plot([write_test(tmp_path / "test.json")], tmp_path / "p.png")

    shown = [axes for axes in figures[0].axes if axes.axison]
    ticks = [[tick.get_text() for tick in axes.get_xticklabels()] for axes in shown]
    assert ticks == [["dice"], ["iou"], ["area"]]
    assert shown[0].get_legend().get_texts()[0].get_text() == "test (5 images)"
    dots = next(line for line in shown[0].get_lines() if line.get_alpha() == 0.55)
    assert dots.get_ydata().tolist() == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert shown[0].texts[0].get_text() == "0.png: 0"


def test_per_image_lengths_have_an_axis_in_their_unit_and_the_longest_is_named(
    tmp_path: Path, figures: list[Figure]
) -> None:
    """Distances of which one is the image's size stay readable; of lengths the largest is worst."""
    from zoo.engine.plot import plot

    values = [0.0, 1.0, 3.0, 7.0, 724.0]
    rows = [
        {"file": f"{i}.png", "values": {"hd95_px_lung": value, "nsd_2px_lung": 1 - i / 10}}
        for i, value in enumerate(values)
    ]
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))

    plot([path], tmp_path / "p.png")

    lengths, shares = (axes for axes in figures[0].axes if axes.axison)
    assert lengths.get_ylabel() == "px, logarithmic above 1"
    assert lengths.texts[0].get_text() == "4.png: 724"
    places = lengths.transData.transform([(0, value) for value in values])[:, 1]
    assert (places[1:] - places[:-1]).min() > 0.05 * lengths.bbox.height
    assert (shares.get_ylabel(), shares.texts[0].get_text()) == ("", "4.png: 0.6")


def test_per_image_lengths_that_lie_close_keep_a_plain_axis(
    tmp_path: Path, figures: list[Figure]
) -> None:
    from zoo.engine.plot import plot

    rows = [{"file": f"{i}.png", "values": {"hd95_mm_lung": 3.0 + i}} for i in range(5)]
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))

    plot([path], tmp_path / "p.png")

    axes = figures[0].axes[0]
    assert (axes.get_yscale(), axes.get_ylabel()) == ("linear", "mm")


def test_runs_and_tests_may_be_given_together(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo.engine.plot import plot

    sources = [write_run(tmp_path / "unet"), write_test(tmp_path / "test.json")]

    plot(sources, tmp_path / "p.png")

    assert len([axes for axes in figures[0].axes if axes.axison]) == 7


@pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_other_formats_are_written(tmp_path: Path, suffix: str, start: bytes) -> None:
    from zoo.engine.plot import plot

    path = plot([write_run(tmp_path / "unet")], tmp_path / f"p{suffix}")

    assert path.read_bytes().startswith(start)


def test_format_that_is_none_of_these_is_refused(tmp_path: Path) -> None:
    from zoo.engine.plot import plot

    with pytest.raises(DataError, match=r"expected a name that ends in .png, .pdf, .svg"):
        plot([write_run(tmp_path / "unet")], tmp_path / "p.gif")


def test_source_that_does_not_exist_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    from zoo.engine.plot import plot

    with pytest.raises(DataError, match="there is no such folder or file"):
        plot([write_run(tmp_path / "unet"), tmp_path / "no"], tmp_path / "p.png")

    assert not (tmp_path / "p.png").exists()
