# SPDX-License-Identifier: Apache-2.0
"""Which panels a plot has, what they mark, and that it is written whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

pytestmark = [pytest.mark.mm, pytest.mark.slow]


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


def curves(axes: Any) -> dict[str, Any]:
    """Return the lines that the legend names."""
    return {
        line.get_label(): line
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def marks(axes: Any) -> list[tuple[int, str]]:
    """Return where lines cross a panel from edge to edge, and what is written at each."""
    places = [
        line.get_xdata()[0]
        for line in axes.get_lines()
        if list(line.get_ydata()) == [0, 1] and len(set(line.get_xdata())) == 1
    ]
    texts = {text.xy[0]: text.get_text() for text in axes.texts if text.xy[1] == 1}
    return [(place, texts.get(place, "")) for place in places]


def test_run_gives_losses_metrics_and_rates(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo_run_plots.plot import plot

    path = plot([write_run(tmp_path / "unet")], tmp_path / "sub/p.png")

    found = panels(figures[0])
    assert path.read_bytes().startswith(b"\x89PNG")
    # First the metric that the log names first, as mmengine's save_best="auto" takes it.
    assert list(found) == ["validation", "training loss", "validation, 0 to 1", "learning rate"]
    lines = curves(found["training loss"])
    assert set(lines) == {"training"}
    assert lines["training"].get_xdata().tolist() == list(range(10, 101, 10))
    assert lines["training"].get_ydata()[0] == pytest.approx(0.1)


def test_best_value_is_marked_with_a_star(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo_run_plots.plot import plot

    plot([write_run(tmp_path / "unet")], tmp_path / "p.png")

    axes = panels(figures[0])["validation, 0 to 1"]
    (star,) = [line for line in axes.get_lines() if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (50, pytest.approx(0.85))
    assert list(curves(axes)) == ["dice, best 0.85 at 50"]


def test_many_metrics_are_parted_by_what_they_measure(
    tmp_path: Path, figures: list[Figure]
) -> None:
    from zoo_run_plots.plot import plot

    run = write_run(tmp_path / "unet")
    names = [f"{kind}_{name}" for kind in ("val/dice", "iou") for name in "abcd"]
    values = {name: 0.1 + index / 20 for index, name in enumerate(names)}
    with next(run.glob("*/vis_data/scalars.json")).open("a") as log:
        log.write(json.dumps({**values, "step": 100}) + "\n")

    plot([run], tmp_path / "p.png")

    titles = [title for title in panels(figures[0]) if "0 to 1" in title]
    assert titles == ["validation, 0 to 1: dice", "validation, 0 to 1: iou"]


def write_staged_run(work_dir: Path, *, kept: str | None = None) -> Path:
    """Write 12 epochs of 10 steps in two stages; the validation loss rises from epoch 7 on."""
    path = work_dir / "20240101_000000/vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    for epoch in range(1, 13):
        rate, step = (2e-4 if epoch <= 6 else 2e-5), 10 * epoch
        parts = {"loss_cls": 1 / epoch, "loss_mask": 2 / epoch}
        where = {"epoch": epoch, "iter": step, "step": step}
        lines.append({"lr": rate, "loss": 3 / epoch, **parts, **where})
        lost = 1 / epoch + 0.05 * max(0, epoch - 6)
        parts = {"val/loss": 2 * lost, "val/loss_cls": lost, "val/loss_mask": lost}
        scores = {"coco/segm_mAP": epoch / 20, "coco/segm_mAP_l": -1.0}
        lines.append({**scores, **parts, "step": epoch})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if kept is not None:
        (work_dir / kept).touch()
    return work_dir


def test_validation_loss_lies_in_the_panel_of_the_training_loss(
    tmp_path: Path, figures: list[Figure]
) -> None:
    """The sums in one panel, the parts in the next; COCO's -1 for what is not there is no curve."""
    from zoo_run_plots.plot import plot

    plot([write_staged_run(tmp_path / "staged")], tmp_path / "p.png")

    found = panels(figures[0])
    assert list(found) == [
        "validation, 0 to 1",
        "training and validation loss",
        "parts of the loss",
        "learning rate",
    ]
    sums = curves(found["training and validation loss"])
    assert list(sums) == ["training", "validation, best 0.3333 at epoch 6"]
    assert list(sums.values())[1].get_xdata().tolist() == list(range(1, 13))  # the run's epochs
    assert list(sums.values())[1].get_ydata()[0] == pytest.approx(2.0)
    parts = found["parts of the loss"]
    assert list(curves(parts)) == ["loss_cls", "loss_mask", "of validation"]
    drawn = [line for line in parts.get_lines() if len(line.get_xdata()) == 12]
    colors = [line.get_color() for line in drawn]
    assert (len(drawn), colors[0], colors[2]) == (4, colors[1], colors[3])
    assert list(curves(found["validation, 0 to 1"])) == ["coco/segm_mAP, best 0.6 at epoch 12"]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ("best_val_loss_epoch_5.pth", (5, "kept: epoch 5")),
        ("best_coco_segm_mAP_epoch_11.pth", (11, "kept: epoch 11")),
        (None, (12, "best: epoch 12")),
        ("best_other_epoch_6.pth", (12, "best: epoch 12")),
        ("best_val_loss_epoch_40.pth", (12, "best: epoch 12")),
    ],
)
def test_best_step_is_marked_across_all_panels(
    tmp_path: Path, figures: list[Figure], kept: str | None, expected: tuple[int, str]
) -> None:
    """That of the checkpoint which was kept, else of the first metric; and where the rate fell."""
    from zoo_run_plots.plot import plot

    plot([write_staged_run(tmp_path / "staged", kept=kept)], tmp_path / "p.png")

    for axes in panels(figures[0]).values():
        assert marks(axes) == [(6, ""), expected]


def test_rate_of_each_stage_is_written_beside_it(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo_run_plots.plot import plot

    plot([write_staged_run(tmp_path / "staged")], tmp_path / "p.png")

    axes = panels(figures[0])["learning rate"]
    assert [text.get_text() for text in axes.texts if text.xy[1] != 1] == ["2e-4", "2e-5"]
    assert [line.get_drawstyle() for line in axes.lines if len(line.get_xdata()) == 12] == [
        "steps-pre"
    ]


def test_losses_that_begin_far_above_the_rest_are_logarithmic(
    tmp_path: Path, figures: list[Figure]
) -> None:
    """Else one step at 300 makes a line of all that follows; nothing leaves the panel."""
    from zoo_run_plots.plot import plot

    run = write_run(tmp_path / "unet")
    log = next(run.glob("*/vis_data/scalars.json"))
    first = {"lr": 0.1, "loss": 300.0, "iter": 1, "step": 1}
    log.write_text(json.dumps(first) + "\n" + log.read_text())

    plot([run], tmp_path / "p.png")

    axes = panels(figures[0])["training loss"]
    assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "logarithmic")
    low, high = axes.get_ylim()
    assert low < 0.01 < 300 < high


def test_several_runs_with_validation_have_a_colour_and_a_mark_each(
    tmp_path: Path, figures: list[Figure]
) -> None:
    from zoo_run_plots.plot import plot

    runs = [
        write_staged_run(tmp_path / "a", kept="best_val_loss_epoch_6.pth"),
        write_staged_run(tmp_path / "b", kept="best_val_loss_epoch_7.pth"),
    ]

    plot(runs, tmp_path / "p.png")

    found = panels(figures[0])
    assert "parts of the loss" not in found
    axes = found["training and validation loss"]
    lines = curves(axes)
    assert list(lines) == [
        "a: training",
        "a: validation, best 0.3333 at epoch 6",
        "b: training",
        "b: validation, best 0.3333 at epoch 6",
    ]
    colors = [line.get_color() for line in lines.values()]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    assert marks(axes) == [(6, "kept: epoch 6"), (7, "kept: epoch 7")]


def test_several_runs_are_overlaid_by_name(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo_run_plots.plot import plot

    runs = [write_run(tmp_path / "a/unet"), write_run(tmp_path / "b/unet", shift=1)]

    plot(runs, tmp_path / "p.png")

    lines = curves(panels(figures[0])["training loss"])
    assert list(lines) == ["unet (1): training", "unet (2): training"]
    colors = {line.get_color() for line in lines.values()}
    assert len(colors) == 2


def test_loss_that_is_not_finite_is_marked_where_it_was(
    tmp_path: Path, figures: list[Figure]
) -> None:
    from zoo_run_plots.plot import plot

    plot([write_run(tmp_path / "unet", broken_step=60)], tmp_path / "p.png")

    axes = panels(figures[0])["training loss"]
    crosses = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert [line.get_xdata() for line in crosses] == [[60]]
    assert crosses[0].get_label() == "not finite"


def test_per_image_values_get_an_axis_for_each_scale(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo_run_plots.plot import plot

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
    from zoo_run_plots.plot import plot

    values = [0.0, 1.0, 3.0, 7.0, 724.0]
    rows = [
        {"file": f"{i}.png", "values": {"hd95_px_lung": value, "nsd_2px_lung": 1 - i / 10}}
        for i, value in enumerate(values)
    ]
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))

    plot([path], tmp_path / "p.png")

    shares, lengths = (axes for axes in figures[0].axes if axes.axison)
    assert lengths.get_ylabel() == "px, logarithmic above 1"
    assert lengths.texts[0].get_text() == "4.png: 724"
    places = lengths.transData.transform([(0, value) for value in values])[:, 1]
    assert (places[1:] - places[:-1]).min() > 0.05 * lengths.bbox.height
    assert (shares.get_ylabel(), shares.texts[0].get_text()) == ("", "4.png: 0.6")


def test_per_image_counts_name_no_worst_and_their_errors_do(
    tmp_path: Path, figures: list[Figure]
) -> None:
    """A picture of few tanks is no worse than one of many."""
    from zoo_run_plots.plot import plot

    rows = [
        {"file": f"{i}.png", "values": {"count_true": 5 * i + 2, "count_error": 3 * i + 2}}
        for i in range(5)
    ]
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))

    plot([path], tmp_path / "p.png")

    texts = [text.get_text() for axes in figures[0].axes for text in axes.texts]
    assert texts == ["4.png: 14"]


def test_per_image_lengths_that_lie_close_keep_a_plain_axis(
    tmp_path: Path, figures: list[Figure]
) -> None:
    from zoo_run_plots.plot import plot

    rows = [{"file": f"{i}.png", "values": {"hd95_mm_lung": 3.0 + i}} for i in range(5)]
    path = tmp_path / "test.json"
    path.write_text(json.dumps({"schema": "zoo.test/1", "metrics": {}, "per_image": rows}))

    plot([path], tmp_path / "p.png")

    axes = figures[0].axes[0]
    assert (axes.get_yscale(), axes.get_ylabel()) == ("linear", "mm")


def test_runs_and_tests_may_be_given_together(tmp_path: Path, figures: list[Figure]) -> None:
    from zoo_run_plots.plot import plot

    sources = [write_run(tmp_path / "unet"), write_test(tmp_path / "test.json")]

    plot(sources, tmp_path / "p.png")

    assert len([axes for axes in figures[0].axes if axes.axison]) == 7


@pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_other_formats_are_written(tmp_path: Path, suffix: str, start: bytes) -> None:
    from zoo_run_plots.plot import plot

    path = plot([write_run(tmp_path / "unet")], tmp_path / f"p{suffix}")

    assert path.read_bytes().startswith(start)


def test_format_that_is_none_of_these_is_refused(tmp_path: Path) -> None:
    from zoo_run_plots.plot import plot

    with pytest.raises(DataError, match=r"expected a name that ends in .png, .pdf, .svg"):
        plot([write_run(tmp_path / "unet")], tmp_path / "p.gif")


def test_source_that_does_not_exist_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    from zoo_run_plots.plot import plot

    with pytest.raises(DataError, match="there is no such folder or file"):
        plot([write_run(tmp_path / "unet"), tmp_path / "no"], tmp_path / "p.png")

    assert not (tmp_path / "p.png").exists()


def test_run_without_a_value_to_draw_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    from zoo_run_plots.plot import plot

    path = tmp_path / "run/vis_data/scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"step": 1, "time": 0.5}\n')

    with pytest.raises(DataError, match="its log has no losses, metrics or rates"):
        plot([tmp_path / "run"], tmp_path / "p.png")

    assert not (tmp_path / "p.png").exists()


def test_metrics_of_very_many_kinds_are_not_drawn(tmp_path: Path) -> None:
    """Each kind has a panel, and a picture has room for some tens of them."""
    log = tmp_path / "vis_data" / "scalars.json"
    log.parent.mkdir()
    metrics = {f"k{number}_m": float(number) for number in range(200)}
    log.write_text("".join(f"{json.dumps({'step': step, **metrics})}\n" for step in (1, 2)))

    from zoo_run_plots.plot import plot

    with pytest.raises(DataError, match="panels, expected at most 40"):
        plot([tmp_path], tmp_path / "x.png")


def test_names_of_a_log_are_no_formulas(tmp_path: Path) -> None:
    """What a metric is called goes into the picture as it is written, and draws without a word."""
    from zoo_run_plots.plot import plot

    log = tmp_path / "vis_data" / "scalars.json"
    log.parent.mkdir()
    names = ["loss_$\\frac{", "\x1b[2Jloss", "loss\n\u202e", "loss_\ud800"]
    records = [{"step": step, **dict.fromkeys(names, 1.0)} for step in (1, 2)]
    log.write_text("".join(f"{json.dumps({'loss': 1.0, **record})}\n" for record in records))

    assert plot([tmp_path], tmp_path / "x.png").stat().st_size > 1_000


@pytest.mark.parametrize("text", ["x" * 300, "x/" * 3_000, "a\0b", "~nosuchuser/x", "\ud800"])
@pytest.mark.parametrize("suffix", ["", ".json"])
def test_name_that_no_file_can_have_is_an_error_of_zoo(text: str, suffix: str) -> None:
    """Whoever calls it from Python catches ``ZooError`` alone."""
    from zoo_run_plots.plot import plot

    with pytest.raises(DataError, match="there is no such folder or file"):
        plot([f"{text}{suffix}"], "x.png")


PANEL = """
[[panel]]
name = "{name}"
target = "zoo_wide.panels:{name}"
"""
PANELS = '''
def steps(runs, tests):
    """One panel for each run, of its learning rate against its loss."""
    for run in runs:
        def draw(axes, run=run):
            steps = sorted(run.losses["loss"])
            axes.plot(steps, [run.losses["loss"][step] for step in steps])
            axes.set_title(f"{run.name}: {len(steps)} steps, config of {len(run.config)} keys")
        yield draw


def worst(runs, tests):
    for test in tests:
        values = test.values["dice"]
        yield lambda axes: axes.set_title(f"worst of {test.name}: {min(values, key=values.get)}")


def raises(runs, tests):
    raise RuntimeError("no runs\\nat all")


def cannot(runs, tests):
    yield lambda axes: axes.plot(1 / 0)


def endless(runs, tests):
    while True:
        yield lambda axes: axes.set_title("again")
'''


@pytest.fixture
def add_panels(
    write_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Return a function that writes a plugin with some of the panels, where zoo finds it."""

    def add(*names: str) -> None:
        rows = "".join(PANEL.format(name=name) for name in names)
        package = write_plugin("wide", rows, panels=PANELS)
        monkeypatch.setenv("ZOO_PLUGIN_PATH", str(package.parent))

    return add


def test_panels_of_other_plugins_follow_the_own(
    tmp_path: Path, figures: list[Figure], add_panels: Callable[..., None]
) -> None:
    """They get the runs and tests as zoo reads them; each yields as many as it wants."""
    from zoo_run_plots.plot import plot

    plain = [write_run(tmp_path / "a"), write_run(tmp_path / "b"), write_test(tmp_path / "t.json")]
    plot(plain, tmp_path / "plain.png")
    add_panels("steps", "worst")

    plot(plain, tmp_path / "x.png")

    own, all_ = (list(panels(figure)) for figure in figures)
    assert all_[: len(own)] == own
    assert all_[len(own) :] == [
        "a: 10 steps, config of 0 keys",
        "b: 10 steps, config of 0 keys",
        "worst of t: 0.png",
    ]


@pytest.mark.parametrize(
    ("name", "added", "said"),
    [
        ("raises", [], "the panel wide.raises is left out: RuntimeError: no runs"),
        ("absent", [], "the panel wide.absent is left out: LoadError: cannot load panel 'absent'"),
        (
            "cannot",
            ["wide.cannot cannot be drawn"],
            "the panel wide.cannot cannot be drawn: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_panel_with_a_fault_is_named_and_the_others_are_drawn(
    tmp_path: Path,
    figures: list[Figure],
    add_panels: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    name: str,
    added: list[str],
    said: str,
) -> None:
    """One warning, in words; the picture is written."""
    from zoo_run_plots.plot import plot

    add_panels(name, "steps")

    plot([write_run(tmp_path / "a")], tmp_path / "x.png")

    titles = [place.get_title(loc="left") for place in figures[-1].axes]
    (record,) = caplog.records
    assert record.getMessage().startswith(said)
    assert [title for title in titles if "wide" in title] == added
    assert "a: 10 steps, config of 0 keys" in titles


def test_panel_that_never_ends_is_cut(
    tmp_path: Path, figures: list[Figure], add_panels: Callable[..., None]
) -> None:
    from zoo_run_plots.plot import plot

    add_panels("endless")

    plot([write_run(tmp_path / "a")], tmp_path / "x.png")

    titles = [place.get_title(loc="left") for place in figures[-1].axes]
    assert titles.count("again") == 10
