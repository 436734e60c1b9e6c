# SPDX-License-Identifier: Apache-2.0
"""Each rule of the planners: what it chooses where it matters, and that it says why."""

import ast
import dataclasses
import math
import re
from typing import Any

import mmengine.optim
import pytest
import torch
from mmengine.config import Config
from zoo_auto_fit.budget import format_time, parse_time
from zoo_auto_fit.instance_rules import (
    plan_anchors,
    plan_rotation,
    plan_windows,
    plan_zoom,
)
from zoo_auto_fit.instance_rules import plan_crop as plan_instance_crop
from zoo_auto_fit.rules import plan_batch, plan_rate, plan_schedule
from zoo_auto_fit.semantic import plan_for
from zoo_auto_fit.semantic_rules import (
    plan_class_weights,
    plan_colours,
    plan_crop,
    plan_network,
    plan_scale,
)

from zoo.errors import DataError
from zoo.interfaces import Allowance, ClassFacts, Machine, Measured, Spread

from .conftest import CPU, GPU, facts, same

pytestmark = pytest.mark.mm

MEASURED = Measured(
    batch_size=4, start_s=10.0, step_s=0.5, val_s=6.0, save_s=1.0, test_s=20.0, memory_bytes=2**30
)


def test_scale_fits_the_image_where_objects_are_large() -> None:
    assert plan_scale(facts(), CPU)[0] == 320 / 512
    assert plan_scale(facts(), GPU)[0] == 1.0


@pytest.mark.parametrize("size", [100.0, 320.0])
def test_images_are_never_enlarged(size: float) -> None:
    thin = Spread(1.0, 1.0, 1.0)

    scale, _ = plan_scale(facts(height_px=same(size), width_px=same(size), thickness_px=thin), CPU)

    assert scale == 1.0


def test_thin_structures_keep_three_pixels() -> None:
    """A tenth of them have 4 px or less in an image of 2000 px: it is not shrunk by more."""
    data = facts(height_px=same(2000.0), width_px=same(2000.0), thickness_px=Spread(4.0, 8.0, 20.0))

    scale, reason = plan_scale(data, CPU)

    assert 4.0 * scale >= 3.0
    assert "4.0 px wide" in reason.why


def test_tiny_objects_keep_eight_pixels() -> None:
    data = facts(
        height_px=same(4000.0),
        width_px=same(4000.0),
        object_px=Spread(10.0, 12.0, 20.0),
        thickness_px=Spread(9.0, 10.0, 11.0),
    )

    scale, reason = plan_scale(data, CPU)

    assert 10.0 * scale >= 8.0
    assert "side of 10.0 px" in reason.why


def test_thin_structures_get_a_network_of_full_resolution() -> None:
    network, reason = plan_network(facts(thickness_px=same(3.0)), CPU, 1.0, imagenet=True)

    assert network.full_resolution
    assert "3.0 px" in reason.why


@pytest.mark.parametrize(
    ("machine", "imagenet", "base"),
    [
        (CPU, True, "unet_efficientnet-lite0"),
        (GPU, True, "unet_efficientnet-lite0"),
        (CPU, False, "unet_small"),
        (GPU, False, "unet_s5-d16"),
    ],
)
def test_network_is_pretrained_if_its_weights_are_there(
    machine: Machine, imagenet: bool, base: str
) -> None:
    network, _ = plan_network(facts(), machine, 1.0, imagenet=imagenet)

    assert network.base == base


def test_images_of_one_size_are_seen_whole_and_others_in_crops() -> None:
    """Huge images and images of several sizes; sides are multiples of the network's stride."""
    whole, _ = plan_crop(facts(), CPU, 320 / 512)
    huge, _ = plan_crop(facts(height_px=same(9000.0), width_px=same(9000.0)), CPU, 0.5)
    mixed, _ = plan_crop(facts(height_px=Spread(200.0, 300.0, 500.0)), CPU, 0.6)

    assert (whole.is_whole, whole.width_px, whole.height_px) == (True, 320, 320)
    assert (huge.is_whole, huge.width_px, huge.height_px) == (False, 320, 320)
    assert not mixed.is_whole
    assert mixed.width_px % 32 == mixed.height_px % 32 == 0


def test_class_of_one_percent_weighs_more() -> None:
    """The median share by its own: 0.5 / 0.002 is capped at 10."""
    names = [("ground", 0.898), ("common", 0.1), ("rare", 0.002), ("absent", 0.0)]
    data = facts(
        classes=tuple(
            ClassFacts(name=n, pixel_share=s, images=int(s > 0), objects=1) for n, s in names
        )
    )

    weights, reason = plan_class_weights(data)

    assert weights == (round(0.1 / 0.898, 3), 1.0, 10.0, 1.0)
    assert "'rare' has 0.2 %" in reason.why


def test_balanced_classes_weigh_the_same() -> None:
    assert plan_class_weights(facts())[0] is None


def test_grey_images_have_no_hue() -> None:
    assert plan_colours(facts(channels=1))[0] is False
    assert plan_colours(facts(channels=3))[0] is True


@pytest.mark.parametrize(
    ("machine", "images", "limit", "batch"),
    [
        (CPU, 100, None, 4),
        (CPU, 3, None, 3),
        (CPU, 100, 2, 2),
        (CPU, 100, 9, 4),
        (GPU, 100, None, 16),
        (Machine(2, 2**30), 100, None, 1),
        (Machine(2, 0), 100, None, 1),
    ],
)
def test_batch_is_what_memory_images_and_an_earlier_failure_leave(
    machine: Machine, images: int, limit: int | None, batch: int
) -> None:
    allowance = Allowance(seconds=60.0, batch_size=limit)

    found, _ = plan_batch(machine, allowance, images, crop_px=320**2, byte_per_px=3000, cpu=4)

    assert found == batch


def test_rate_follows_the_root_of_the_batch() -> None:
    assert plan_rate(1e-3, 4, 4)[0] == 1e-3
    assert plan_rate(1e-3, 16, 4)[0] == 2e-3
    assert plan_rate(1e-3, 1, 4)[0] == 5e-4


@pytest.mark.parametrize("seconds", [60.0, 300.0, 1800.0, 36000.0])
@pytest.mark.parametrize("batch", [1, 4])
def test_steps_validations_and_test_fit_into_the_time(seconds: float, batch: int) -> None:
    """What is planned takes at most the time, and, with enough of it, at least nine tenths."""
    schedule, _ = plan_schedule(facts(), Allowance(seconds=seconds, measured=MEASURED), batch)

    pauses = math.ceil(schedule.steps / schedule.val_interval)
    saves = schedule.steps / schedule.save_interval
    whole = 10.0 + schedule.steps * 0.5 * batch / 4 + pauses * 6.0 + saves + 20.0
    assert whole <= seconds
    assert schedule.clock_s <= seconds - 30.0
    assert 1 <= pauses <= 10
    assert schedule.val_interval % schedule.save_interval == 0
    if schedule.steps < 40_000 and seconds >= 300:
        assert whole >= 0.9 * seconds
        assert pauses * 7.0 <= 0.1 * (seconds - 30.0) or pauses == 1


def test_schedule_reaches_beyond_what_the_probe_promises() -> None:
    """A probe on a busy machine said 2.6 s for steps of 1.7 s, and a third of the time was unused.

    The clock ends the schedule, so it may hold half as many steps again.
    """
    allowance = Allowance(seconds=373.0, measured=MEASURED)

    plan = plan_for(facts(), CPU, allowance, imagenet=False)

    most = int(re.findall(r"^max_iters = (\d+)$", plan.config, re.MULTILINE)[0])
    assert most == math.ceil(1.5 * plan.steps)
    assert 'type="zoo.training_hooks.TimeBudget"' in plan.config


@pytest.mark.parametrize("val", [0, 10])
@pytest.mark.parametrize("save_s", [0.1, 1.0, 20.0])
def test_checkpoints_are_minutes_apart_however_rare_validations_are(
    val: int, save_s: float
) -> None:
    """A crash loses a minute, or, where a checkpoint takes seconds, what makes it 2 %."""
    data = facts(images={"train": 100, "val": val, "test": 10})
    known = dataclasses.replace(MEASURED, val_s=600.0 if val else 0.0, save_s=save_s)

    schedule, _ = plan_schedule(data, Allowance(seconds=7200.0, measured=known), 4)

    between_s = schedule.save_interval * known.step_s
    assert between_s < 2 * max(60.0, 50 * save_s)
    assert (
        between_s > 0.99 * max(60.0, 50 * save_s) or schedule.save_interval == schedule.val_interval
    )
    assert schedule.val_interval % schedule.save_interval == 0
    assert save_s > 1.0 or schedule.val_interval >= 3 * schedule.save_interval


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 19, 26, 27, 39, 40, 41, 2000])
def test_schedule_of_any_length_falls_from_the_rate_to_its_end(steps: int) -> None:
    """mmengine's own schedulers follow it; a run too short for a warm-up has none."""
    known = dataclasses.replace(MEASURED, step_s=10.0)
    seconds = 30.0 + (10.0 * (steps + 0.5) + 7.0) / 0.97
    plan = plan_for(facts(), CPU, Allowance(seconds=seconds, measured=known), imagenet=False)
    config = Config.fromstring(re.sub(r"_base_ = .*", "", plan.config), ".py")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    rows = [dict(row) for row in config.param_scheduler]

    schedulers = [getattr(mmengine.optim, row.pop("type"))(optimizer, **row) for row in rows]
    rates = []
    for _ in range(config.max_iters):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for each in schedulers:
            each.step()

    assert abs(plan.steps - steps) <= max(1, 0.1 * steps)
    assert max(rates) > 0.9
    assert rates[-1] < 0.1 or config.max_iters == 1


def test_validations_cost_nothing_without_images() -> None:
    data = facts(images={"train": 30, "val": 0, "test": 5})

    schedule, _ = plan_schedule(data, Allowance(seconds=300.0, measured=MEASURED), 4)

    assert schedule.reserve_s == MEASURED.save_s


@pytest.mark.parametrize(
    ("spread", "zoom"),
    [
        (Spread(25.0, 35.0, 46.0), 1.5),
        (Spread(5.0, 8.0, 12.0), 2.0),
        (Spread(36.0, 40.0, 60.0), 1.0),
        (Spread(300.0, 600.0, 1000.0), 0.12),
        (Spread(310.0, 600.0, 1000.0), 0.12),
        (Spread(22.0, 100.0, 210.0), 1.0),
        (Spread(72.0, 72.0, 72.0), 0.5),
        (Spread(9.0, 90.0, 3000.0), 0.085),
    ],
)
def test_zoom_brings_small_objects_to_36_px(spread: Spread, zoom: float) -> None:
    """Or large ones to 256 px, or the image to twice its size, whatever is the least."""
    found, _ = plan_zoom(facts(object_px=spread))

    assert found == zoom
    assert spread.high * found <= 256
    assert spread.low * found >= 36 or found == 2 or spread.high * found > 0.8 * 256


def test_window_shows_the_network_512_px_and_shares_more_than_an_object() -> None:
    """Sides are px of the image: an image that is shrunk needs larger windows."""
    for zoom in (0.12, 0.25, 1.0, 2.0):
        for side in (20.0, 160.0, 1000.0):
            data = facts(
                object_px=same(side), width_px=same(3e3 / zoom), height_px=same(3e3 / zoom)
            )

            windows, _ = plan_windows(data, zoom)

            assert windows is not None
            assert windows[0] * zoom >= 512
            assert windows[1] > side
            assert windows[0] >= 2 * windows[1]
            assert windows[0] % 32 == windows[1] % 32 == 0


def test_bounds_are_those_of_the_largest_image() -> None:
    """One image in a hundred is enough to fill the memory; sides of two images make no area."""
    huge = facts(width_px=Spread(900.0, 900.0, 900.0, 900.0, 5000.0), area_px=same(25e6))
    mixed = facts(width_px=same(5000.0), height_px=same(5000.0), area_px=same(3e6))

    with pytest.raises(DataError, match="up to 5000x512 px"):
        plan_windows(huge, 1.0)
    assert plan_windows(mixed, 1.0)[0] is None


def test_one_image_of_another_shape_is_not_squeezed() -> None:
    same_size = Spread(512.0, 512.0, 512.0, 512.0, 512.0)
    one_more = Spread(512.0, 512.0, 512.0, 512.0, 700.0)

    assert plan_crop(facts(width_px=same_size), CPU, 0.625)[0].is_whole
    assert not plan_crop(facts(width_px=one_more), CPU, 0.625)[0].is_whole
    assert not plan_crop(facts(height_px=one_more), CPU, 0.625)[0].is_whole


def test_data_without_objects_is_refused() -> None:
    with pytest.raises(DataError, match="none of the images that were read has an object"):
        plan_zoom(facts(object_px=None))


def test_crop_of_instances_holds_large_objects_and_is_within_the_image() -> None:
    small = facts(object_px=Spread(20.0, 20.0, 20.0))
    large = facts(
        object_px=Spread(100.0, 200.0, 400.0), width_px=same(3000.0), height_px=same(3000.0)
    )
    tiny = facts(width_px=same(64.0), height_px=same(64.0))

    assert plan_instance_crop(small, CPU, 1.0)[0] == 384
    assert plan_instance_crop(small, GPU, 1.0)[0] == 512
    assert plan_instance_crop(large, CPU, 1.0)[0] == 800
    assert plan_instance_crop(tiny, CPU, 1.0)[0] == 64


def test_only_round_objects_turn_freely() -> None:
    assert plan_rotation(facts(aspect=Spread(1.0, 1.1, 1.2)))[0] == 180
    assert plan_rotation(facts(aspect=Spread(1.0, 1.5, 3.0)))[0] == 15


def test_long_objects_get_long_anchors() -> None:
    assert plan_anchors(facts(aspect=same(1.1)), 1.0)[1] == (1.0,)
    assert plan_anchors(facts(aspect=Spread(1.0, 1.5, 3.0)), 1.0)[1] == (0.5, 1.0, 2.0)


def test_large_images_are_tested_in_windows_and_huge_ones_refused() -> None:
    """Windows share more than a large object."""
    sizes = {"object_px": Spread(20.0, 40.0, 150.0)}
    large = facts(width_px=same(3000.0), height_px=same(3000.0), **sizes)
    huge = facts(width_px=same(9000.0), height_px=same(9000.0), **sizes)

    assert plan_windows(facts(), 1.0)[0] is None
    assert plan_windows(large, 1.0)[0] == (512, 160)
    with pytest.raises(DataError, match="9000x9000 px") as caught:
        plan_windows(huge, 1.0)
    assert "--layout tiles" in str(caught.value.hint)


@pytest.mark.parametrize(
    "over",
    [
        {},
        {"thickness_px": same(2.0)},
        {"height_px": same(9000.0), "width_px": same(7000.0)},
        {"height_px": same(50.0), "width_px": same(40.0)},
        {"images": {"train": 30, "val": 0, "test": 0}},
        {"object_px": None, "thickness_px": None, "aspect": None},
    ],
)
@pytest.mark.parametrize("machine", [CPU, GPU])
def test_plan_is_python_with_each_reason_as_a_comment(
    over: dict[str, Any], machine: Machine
) -> None:
    plan = plan_for(facts(**over), machine, Allowance(seconds=600.0), imagenet=False)

    ast.parse(plan.config)
    assert {each.rule for each in plan.reasons} >= {"scale", "network", "crop", "batch", "steps"}
    for each in plan.reasons:
        assert f"# {each.rule}: {each.value}"[:60] in plan.config.replace("\n#    ", "")


def test_validation_loss_of_images_of_several_sizes_is_that_of_crops() -> None:
    """Whole ones cannot be one batch, and their sides are no multiples of the stride."""
    mixed = facts(height_px=Spread(200.0, 300.0, 500.0))

    plans = [
        plan_for(data, CPU, Allowance(seconds=600.0), imagenet=False).config
        for data in (facts(), mixed)
    ]

    losses = [plan.partition("val_loss_dataloader")[2].partition("model = ")[0] for plan in plans]
    assert ["RandomCrop" in loss for loss in losses] == [False, True]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), (" 2M ", 120), ("1h 5s", 3605)],
)
def test_time_is_read_and_written(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds
    assert parse_time(format_time(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "-5m", "0s", "5 minutes", "1e9h", "nan", "30m!"])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time above 0 such as 30m"):
        parse_time(text)
