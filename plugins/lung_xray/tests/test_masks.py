# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from zoo_lung_xray.masks import binarize_mask, unite_masks

from zoo.errors import DataError

Mask = NDArray[np.uint8 | np.uint16]
Labels = NDArray[np.uint8]

LABELS = np.array([[0, 0, 1, 1], [0, 1, 1, 1]], np.uint8)
EMPTY = np.zeros((2, 4), np.uint8)


@pytest.mark.parametrize(
    "mask",
    [
        LABELS,
        LABELS * 255,
        LABELS * 2,
        LABELS * 100 + 10,
        LABELS.astype(np.uint16) * 65535,
        LABELS.astype(np.uint16) * 255,
        np.repeat(LABELS[..., None] * 255, 3, axis=2),
        LABELS[..., None] * np.array([0, 128, 0], np.uint8),
    ],
    ids=["0/1", "0/255", "0/2", "10/110", "16 bit", "8 in 16 bit", "RGB", "green"],
)
def test_binarize_mask_when_two_values_gives_labels(mask: Mask) -> None:
    """Whatever the two values are, the brighter is lung."""
    labels, _ = binarize_mask(mask)

    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS)


@given(hnp.arrays(np.uint8, (12, 12), elements=st.sampled_from([0, 255])), st.integers(0, 2**32))
def test_binarize_mask_when_edges_are_interpolated_cuts_at_half(core: Labels, seed: int) -> None:
    """Rare grey levels along an edge are cut at 127.5, as in NumPy; the rest keeps its label."""
    mask = np.repeat(np.repeat(core, 4, axis=0), 4, axis=1)
    edge = np.random.default_rng(seed).integers(0, 48, (9, 2))
    mask[edge[:, 0], edge[:, 1]] = [1, 30, 60, 100, 127, 128, 160, 200, 254]
    mask[0, 0] = 255

    labels, how = binarize_mask(mask)

    np.testing.assert_array_equal(labels, mask > 127)
    assert how == "grey levels, lung above 127.5"


@given(hnp.arrays(np.uint8, (6, 6), elements=st.integers(0, 1)))
def test_binarize_mask_when_scaled_or_deepened_gives_the_same(labels: Labels) -> None:
    """0/1, 0/255 and 0/65535 are three ways to write one mask."""
    written = [labels, labels * 255, labels.astype(np.uint16) * 65535]

    for mask in written:
        np.testing.assert_array_equal(binarize_mask(mask)[0], labels)


@given(hnp.arrays(np.uint16, (40, 40), elements=st.integers(0, 65535), fill=st.just(0)))
def test_binarize_mask_when_anything_gives_labels_or_refuses(mask: Mask) -> None:
    """The result is 0 and 1 in the mask's shape, or a DataError; nothing else."""
    try:
        labels, _ = binarize_mask(mask)
    except DataError:
        return

    assert labels.shape == mask.shape
    assert set(np.unique(labels)) <= {0, 1}


@pytest.mark.parametrize("levels", [3, 8])
def test_binarize_mask_when_levels_are_few_and_large_refuses(levels: int) -> None:
    """A label map names the number of its levels and the way out."""
    mask = np.repeat(np.linspace(0, 255, levels).astype(np.uint8), 10)[None]

    with pytest.raises(DataError) as caught:
        binarize_mask(mask)

    assert str(caught.value) == (
        f"cannot read mask: found {levels} grey levels that fill over 1 % of the pixels each, "
        "expected 2, lung and background.\n"
        "HINT: this is a label map; keep one class of it, or prepare it with folder_data."
    )


def test_binarize_mask_when_colours_are_three_refuses() -> None:
    """Red and green lungs on black are a label map too, though each channel has two values."""
    mask = np.zeros((3, 4, 3), np.uint8)
    mask[0, :, 0] = 255
    mask[1, :, 1] = 255

    with pytest.raises(DataError, match="found 3 colours"):
        binarize_mask(mask)


def test_binarize_mask_when_two_levels_are_large_accepts() -> None:
    """A third level below 1 % of the pixels is an edge, not a class."""
    mask = np.zeros((20, 20), np.uint8)
    mask[:, :10] = 255
    mask[3, 10] = 90

    assert binarize_mask(mask)[0].sum() == 200


def test_binarize_mask_when_dark_everywhere_refuses() -> None:
    """No lung above half, but a large grey area: an error, not an empty mask."""
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20] = 100
    mask[0, 0] = 3

    with pytest.raises(DataError, match=r"its brightest value is 100, expected more than 127\.5\."):
        binarize_mask(mask)


@pytest.mark.parametrize("speck", [0, 90])
def test_binarize_mask_when_empty_is_kept(speck: int) -> None:
    """An empty mask stays, and so does one with a speck of noise below half."""
    mask = np.zeros((40, 40), np.uint8)
    mask[0, :2] = (0, speck)
    mask[1, 1] = speck // 2

    assert not binarize_mask(mask)[0].any()


def test_unite_masks_when_left_and_right_gives_union() -> None:
    """Each side is read by its own range; a pixel of both counts once."""
    left, right = np.array([[255, 255, 0, 0]], np.uint8), np.array([[0, 1, 0, 1]], np.uint8)

    labels, repairs = unite_masks([left, right])

    assert labels.tolist() == [[1, 1, 0, 1]]
    assert repairs == ["two values, 255 is lung", "merged 2 masks"]


def test_unite_masks_when_sizes_differ_refuses() -> None:
    """The message holds both sizes, width x height."""
    with pytest.raises(DataError, match="found 4x2 and 4x3, expected one size"):
        unite_masks([EMPTY, np.zeros((3, 4), np.uint8)])
