# SPDX-License-Identifier: Apache-2.0
"""Render a radiograph from outlines: sum the absorption, expose the film, add artefacts.

Absorption is in units of the thickest soft tissue of the chest: 1.0 in the mediastinum, less at
the edges of the body, less by the air in the lungs, more by bone. The film's curve turns it into
grey: much absorption is bright. Exposure, contrast, gamma, blur, noise, collimation and markers
differ between images and between the two hospitals that the sample imitates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo_lung_xray.anatomy import Chest
from zoo_lung_xray.curves import Line, Points, Rng

__all__ = ["Exposure", "draw_exposure", "render_mask", "render_radiograph"]

Image = NDArray[np.float32]
SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Exposure:
    """The exposure settings of an image; see the module docstring for the units."""

    level: float
    width: float
    gamma: float
    black: float
    white: float
    air: float
    bone: float
    noise: float
    blur_px: float
    tilt: float
    style: str


def draw_exposure(rng: Rng, style: str) -> Exposure:
    """Return random settings of a hospital: ``montgomery`` films are harder than ``shenzhen``.

    Args:
        rng: Random generator.
        style: ``montgomery`` or ``shenzhen``.
    """
    hard = style == "montgomery"
    return Exposure(
        level=rng.normal(0.62 if hard else 0.52, 0.05),
        width=rng.uniform(0.10, 0.15) if hard else rng.uniform(0.15, 0.24),
        gamma=rng.uniform(0.8, 1.35),
        black=rng.uniform(0.0, 0.05) if hard else rng.uniform(0.0, 0.14),
        white=rng.uniform(0.86, 1.0),
        air=rng.uniform(0.50, 0.66),
        bone=rng.uniform(0.75, 1.25),
        noise=rng.uniform(0.006, 0.02),
        blur_px=rng.uniform(0.3, 1.1),
        tilt=rng.normal(0.0, 0.06),
        style=style,
    )


def render_mask(chest: Chest) -> NDArray[np.uint8]:
    """Return the lungs as ``(size, size)`` uint8, 255 inside, grey along the edge.

    The mask is drawn at 1.5 times the size and shrunk, so its edge has the interpolated grey levels
    of published masks; the outline is at one half.

    Args:
        chest: Outlines in pixels.
    """
    large = chest.size_px * 3 // 2
    canvas = np.zeros((large, large), np.uint8)
    _fill(canvas, [lung * (large / chest.size_px) for lung in chest.lungs], 255)
    sides = (chest.size_px, chest.size_px)
    return np.asarray(cv2.resize(canvas, sides, interpolation=cv2.INTER_LINEAR), np.uint8)


def render_radiograph(
    chest: Chest, exposure: Exposure, rng: Rng, *, opacities: int
) -> NDArray[np.uint8]:
    """Return the image as ``(size, size)`` uint8 grey.

    Args:
        chest: Outlines in pixels.
        exposure: Exposure settings.
        rng: Random generator of noise, opacities, borders and markers.
        opacities: Number of opacities in the lungs.
    """
    absorption = _soft_tissue(chest, rng)
    lungs = _air(chest)
    absorption -= exposure.air * lungs
    absorption += _lung_texture(chest, rng) * lungs
    absorption += _opacities(chest, rng, opacities) * lungs
    absorption += exposure.bone * _bones(chest)
    grey = _expose(absorption, exposure, rng)
    _collimate(grey, chest, exposure, rng)
    _mark(grey, exposure, rng)
    return (grey * 255 + 0.5).astype(np.uint8)


def _fill(canvas: NDArray[np.uint8], polygons: Iterable[Points], value: int) -> None:
    fixed = [np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32) for points in polygons]
    for points in fixed:
        cv2.fillPoly(canvas, [points], value, cv2.LINE_AA, SUBPIXEL_BITS)


def _layer(chest: Chest, polygons: Iterable[Points], blur_px: float = 0.0) -> Image:
    """Return filled polygons as ``(size, size)`` float32 in [0, 1], softened by ``blur_px``."""
    canvas = np.zeros((chest.size_px, chest.size_px), np.uint8)
    _fill(canvas, polygons, 255)
    return _soften(canvas.astype(np.float32) / np.float32(255), blur_px * chest.size_px / 512)


def _soften(image: Image, sigma_px: float) -> Image:
    """Return a Gaussian blur; wide ones use a smaller image, which is much faster."""
    if sigma_px < 0.2:
        return image
    shrink = max(1, int(sigma_px // 3))
    if shrink == 1:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)
    height, width = image.shape
    small = cv2.resize(image, (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / shrink)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32)


def _tubes(chest: Chest, lines: Iterable[Line], rim: float) -> Image:
    """Return bones: a filled band with a brighter rim, as cortical bone has, or no rim."""
    canvas = np.zeros((chest.size_px, chest.size_px), np.uint8)
    inner = int(255 * (1 - rim))
    for points, width_px in lines:
        fixed = [np.round(points * 16).astype(np.int32)]
        outer_px = max(1, round(width_px))
        rim_px = max(1, round(width_px * 0.14))
        band = np.zeros_like(canvas) if rim else canvas
        cv2.polylines(band, fixed, False, 255, outer_px, cv2.LINE_AA, SUBPIXEL_BITS)
        if rim and outer_px > 2 * rim_px:
            cv2.polylines(
                band, fixed, False, inner, outer_px - 2 * rim_px, cv2.LINE_AA, SUBPIXEL_BITS
            )
        if rim:
            np.maximum(canvas, band, out=canvas)
    return canvas.astype(np.float32) / np.float32(255)


def _thickness(region: Image, depth_px: float) -> Image:
    """Return the thickness of a round body: 0 at its edge, 1 from ``depth_px`` inwards."""
    distance = cv2.distanceTransform((region > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    inward = np.clip(1 - distance / depth_px, 0, 1)
    return np.asarray(np.sqrt(1 - inward * inward), np.float32)


def _soft_tissue(chest: Chest, rng: Rng) -> Image:
    unit = chest.half_width_px
    tissue = _soften(0.92 * _thickness(_layer(chest, [chest.torso]), 0.40 * unit), 0.02 * unit)
    tissue += 0.13 * _layer(chest, [chest.heart], 5)
    tissue += 0.22 * _layer(chest, [chest.abdomen], 1.5) * tissue
    for breast in chest.breasts:
        tissue += 0.13 * _thickness(_layer(chest, [breast], 4), 0.4 * unit)
    tissue -= 0.17 * _layer(chest, chest.gas, 2)
    tissue -= _soften(0.13 * _tubes(chest, chest.airway, 0.0), 0.018 * unit)
    small = rng.standard_normal((9, 9), np.float32)
    clouds = cv2.resize(small, tissue.shape[::-1], interpolation=cv2.INTER_CUBIC)
    clouded: Image = tissue * (1 + 0.025 * clouds)
    return clouded


def _air(chest: Chest) -> Image:
    """Return the depth of air in [0, 1]: steep at the wall, and thinner towards the bases."""
    region = _layer(chest, chest.lungs)
    air = _thickness(region, 0.30 * chest.half_width_px)
    return _soften(air, 0.008 * chest.half_width_px)


def _lung_texture(chest: Chest, rng: Rng) -> Image:
    vessels = np.zeros((chest.size_px, chest.size_px), np.float32)
    for low, high, strength in ((0.0, 0.01, 0.06), (0.01, 0.02, 0.08), (0.02, 1.0, 0.11)):
        unit = chest.half_width_px
        some = [line for line in chest.vessels if low * unit <= line[1] < high * unit]
        vessels = np.maximum(vessels, strength * _tubes(chest, some, 0.0))
    side = chest.size_px // 3
    grain: Image = cv2.resize(
        rng.standard_normal((side, side), np.float32), vessels.shape, interpolation=cv2.INTER_CUBIC
    )
    return _soften(vessels, 0.007 * chest.half_width_px) + 0.012 * grain


def _opacities(chest: Chest, rng: Rng, count: int) -> Image:
    """Return cloudy spots, each some overlapping blobs, anywhere in either lung."""
    spots = np.zeros((chest.size_px, chest.size_px), np.float32)
    for _ in range(count):
        lung = chest.lungs[int(rng.integers(2))]
        mix = rng.dirichlet(np.ones(3))
        centre = mix @ lung[rng.integers(0, len(lung), 3)]
        radius = rng.uniform(0.04, 0.16) * chest.half_width_px
        for _ in range(int(rng.integers(2, 6))):
            at = np.round(centre + rng.normal(0, 0.8 * radius, 2)).astype(int).tolist()
            cv2.circle(spots, at, max(1, round(radius * rng.uniform(0.5, 1.0))), 1.0, -1)
    return rng.uniform(0.18, 0.42) * _soften(spots, 0.045 * chest.half_width_px)


def _bones(chest: Chest) -> Image:
    unit = chest.half_width_px
    bones = 0.115 * _tubes(chest, chest.ribs_behind, 0.40)
    bones += 0.065 * _tubes(chest, chest.ribs_before, 0.40)
    bones += 0.17 * _tubes(chest, chest.clavicles, 0.40)
    bones += 0.26 * _tubes(chest, chest.arms, 0.35)
    bones += 0.13 * _layer(chest, chest.vertebrae, 1.2)
    blade = _layer(chest, chest.scapulae)
    bones += 0.06 * blade + 0.08 * np.clip(blade - _soften(blade, 0.03 * unit), 0, 1)
    return _soften(bones, 0.006 * unit)


def _expose(absorption: Image, exposure: Exposure, rng: Rng) -> Image:
    size = absorption.shape[0]
    slope = np.linspace(-exposure.tilt, exposure.tilt, size, dtype=np.float32)
    grey = 1 / (1 + np.exp((exposure.level + slope - absorption) / exposure.width))
    grey = exposure.black + (exposure.white - exposure.black) * grey**exposure.gamma
    noise = rng.standard_normal(grey.shape, np.float32) * exposure.noise
    grey += cv2.GaussianBlur(noise, (0, 0), 0.6) * (0.6 + grey)
    return np.clip(_soften(grey, exposure.blur_px * size / 512), 0, 1)


def _collimate(grey: Image, chest: Chest, exposure: Exposure, rng: Rng) -> None:
    """Blacken strips along the edges, as collimation and square padding do; lungs stay."""
    size = grey.shape[0]
    everything = np.concatenate(chest.lungs)
    (left, _), (right, bottom) = everything.min(axis=0), everything.max(axis=0)
    if exposure.style == "montgomery":
        if rng.random() < 0.35:
            grey[int(max(size * rng.uniform(0.80, 0.95), bottom + 1)) :] = 0
        if rng.random() < 0.35:
            strip = size * rng.uniform(0.01, 0.06)
            grey[:, : max(0, int(min(strip, left - 1)))] = 0
            grey[:, int(max(size - strip, right + 1)) :] = 0
    elif rng.random() < 0.4:
        drop = rng.uniform(0, 0.025) * size
        corners = np.array([(0, size - drop), (size, size), (0, size)])
        cv2.fillPoly(grey, [corners.astype(np.int32)], 0.0)


def _mark(grey: Image, exposure: Exposure, rng: Rng) -> None:
    """Write the side marker, and on hard films the view in a white box."""
    size = grey.shape[0]
    scale, pen = size / 512, max(1, round(size / 256))
    hard = exposure.style == "montgomery"
    letter, x = ("R", 0.14) if rng.random() < 0.6 else ("L", 0.71 if hard else 0.84)
    x += rng.uniform(-0.10, 0.04)
    at = (int(x * size), int(rng.uniform(0.06, 0.14) * size))
    cv2.putText(grey, letter, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, 0.95, pen, cv2.LINE_AA)
    if hard and rng.random() < 0.7:
        left, top = int(size * rng.uniform(0.78, 0.85)), int(size * 0.03)
        cv2.rectangle(grey, (left, top), (left + int(64 * scale), top + int(38 * scale)), 1.0, -1)
        for row, word in enumerate(("PA", "ERECT")):
            corner = (left + int(3 * scale), top + int((16 + 18 * row) * scale))
            cv2.putText(
                grey, word, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5 * scale, 0.0, 1, cv2.LINE_AA
            )
