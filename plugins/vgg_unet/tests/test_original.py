# SPDX-License-Identifier: Apache-2.0
"""The U-Net of 2015: the paper's sizes, its parameters, its crop."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

from zoo.errors import DataError  # noqa: E402


@pytest.fixture
def narrow() -> Any:
    from zoo_vgg_unet.original import OriginalUNet

    torch.manual_seed(0)
    return OriginalUNet(base_channels=2).eval()


def _sizes_of(modules: Any, image: Any, network: Any) -> list[int]:
    """Return the sides of what each module gives while the network runs."""
    sides: list[int] = []
    handles = [
        one.register_forward_hook(lambda _, inputs, output: sides.append(output.shape[-1]))
        for one in modules
    ]
    network(image)
    for handle in handles:
        handle.remove()
    return sides


def test_sizes_of_the_contracting_path_are_the_papers(narrow: Any) -> None:
    """Figure 1, left: two valid convolutions a level, then a pooling."""
    image = torch.zeros(1, 3, 572, 572)
    convolutions = [one for level in narrow.encoder for one in list(level)[:2]]

    found = _sizes_of(convolutions, image, narrow)

    assert found == [570, 568, 282, 280, 138, 136, 66, 64, 30, 28]


def test_sizes_after_the_poolings_are_the_papers(narrow: Any) -> None:
    assert _sizes_of([narrow.pool], torch.zeros(1, 3, 572, 572), narrow) == [284, 140, 68, 32]


def test_sizes_of_the_up_convolutions_are_the_papers(narrow: Any) -> None:
    assert _sizes_of(narrow.ups, torch.zeros(1, 3, 572, 572), narrow) == [56, 104, 200, 392]


def test_sizes_of_the_outputs_are_the_papers(narrow: Any) -> None:
    maps = narrow(torch.zeros(1, 3, 572, 572))

    assert [one.shape[-1] for one in maps] == [28, 52, 100, 196, 388]
    assert [one.shape[1] for one in maps] == [32, 16, 8, 4, 2]


def test_parameters_are_as_many_as_the_formula_says() -> None:
    """About 31 million, from the figure alone: 3x3, up 2x2 and 1x1 convolutions with biases."""
    from zoo_vgg_unet.original import OriginalUNet

    with torch.device("meta"):  # counted, not filled
        unet = OriginalUNet(in_channels=1)
    widths = [64, 128, 256, 512, 1024]
    down = sum(
        9 * before * width + width + 9 * width * width + width
        for before, width in zip([1, *widths], widths, strict=False)
    )
    up = sum(
        4 * 2 * width * width + width + 9 * 2 * width * width + width + 9 * width * width + width
        for width in widths[:-1]
    )

    assert sum(one.numel() for one in unet.parameters()) == down + up
    assert round((down + up + 64 * 2 + 2) / 1e6) == 31


def test_pixel_of_the_output_sees_the_window_of_188_px(narrow: Any) -> None:
    """The gradient of a corner of the output reaches into the corner of the image, not beyond."""
    image = torch.randn(1, 3, 204, 204, requires_grad=True)

    narrow(image)[-1][..., :4, :4].sum().backward()

    seen = image.grad.abs().sum((0, 1)) > 0
    rows = seen.any(1).nonzero().flatten()
    assert (int(rows.min()), int(rows.max())) == (0, 187)


@pytest.mark.parametrize("size", [(100, 572), (187, 188), (189, 188), (512, 512)])
def test_size_that_does_not_halve_is_refused(narrow: Any, size: tuple[int, int]) -> None:
    with pytest.raises(DataError) as caught:
        narrow(torch.zeros(1, 3, *size))

    text = str(caught.value)
    assert f"cannot run OriginalUNet on {size[1]}x{size[0]} px" in text
    assert "at least 188 px, and more by steps of 16 px." in text


def test_hint_names_the_nearest_size_that_works(narrow: Any) -> None:
    with pytest.raises(DataError, match="train on 508x188 px"):
        narrow(torch.zeros(1, 3, 100, 512))

    assert narrow(torch.zeros(1, 3, 188, 508))[-1].shape[-2:] == (4, 324)


@pytest.mark.parametrize(("depth", "least"), [(1, 20), (2, 44), (3, 92), (4, 188)])
def test_least_size_of_any_depth_gives_four_pixels(depth: int, least: int) -> None:
    from zoo_vgg_unet.original import OriginalUNet

    unet = OriginalUNet(base_channels=2, depth=depth).eval()

    found = unet(torch.zeros(1, 3, least, least + 2**depth))[-1]

    assert (unet.least_px, tuple(found.shape[-2:])) == (least, (4, 4 + 2**depth))


def test_dropout_stands_at_the_two_coarsest_levels() -> None:
    from zoo_vgg_unet.original import OriginalUNet

    unet = OriginalUNet(base_channels=2)

    found = [any(isinstance(one, torch.nn.Dropout) for one in level) for level in unet.encoder]
    assert found == [False, False, False, True, True]


def test_crop_takes_the_middle() -> None:
    from zoo_vgg_unet.original import crop_centre

    x = torch.arange(42).reshape(1, 6, 7)

    assert crop_centre(x, (2, 3)).tolist() == [[[16, 17, 18], [23, 24, 25]]]


@pytest.mark.parametrize("size", [(8, 3), (3, 3), (2, 2)])
def test_crop_that_has_no_middle_is_refused(size: tuple[int, int]) -> None:
    from zoo_vgg_unet.original import crop_centre

    with pytest.raises(DataError, match="cannot crop 7x6 px to its middle"):
        crop_centre(torch.zeros(1, 6, 7), size)
