# SPDX-License-Identifier: Apache-2.0
"""Mutated DICOM headers: each is read, or refused in one message without the patient."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("pydicom")

from zoo_lung_xray.dicom import read_dicom

from zoo.errors import DataError

_VALUES = (0, 1, 2, 8, 16, 127, 128, 254, 255)


def _mutate(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 3])):
        at = dice.randrange(128, len(changed) - 2 * 24 * 40)
        length = dice.choice([1, 1, 2, 4])
        changed[at : at + length] = bytes([dice.choice(_VALUES)]) * length
    return bytes(changed[: dice.randrange(len(changed))] if dice.random() < 0.05 else changed)


@pytest.mark.timeout(120)
def test_dicom_when_its_header_is_mutated_then_read_or_refused(
    dicom_bytes: Callable[..., bytes],
) -> None:
    """No other error, and no element that says who the patient is."""
    pixels = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40)
    seeds = [
        dicom_bytes(pixels),
        dicom_bytes(pixels, WindowCenter=400, WindowWidth=300, PixelSpacing=[0.2, 0.2]),
        dicom_bytes(pixels, RescaleSlope=2, RescaleIntercept=-100, PixelPaddingValue=7),
        dicom_bytes(pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=10, HighBit=9),
    ]
    dice, refusals, read = random.Random(0), list[str](), 0

    for number in range(1200):
        data = _mutate(seeds[number % len(seeds)], dice)
        try:
            image, _ = read_dicom(data, "x.dcm")
        except DataError as caught:
            refusals.append(str(caught))
            continue
        assert image.dtype == np.uint8
        read += 1

    assert not [text for text in refusals if "SECRET" in text]
    assert min(read, len(refusals)) > 200
