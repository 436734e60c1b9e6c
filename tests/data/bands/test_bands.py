# SPDX-License-Identifier: Apache-2.0
"""Bands of TIFFs that rasterio wrote: chosen, read, counted and written, against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
rasterio = pytest.importorskip("rasterio")

from zoo.data.bands.counting import count_bands, make_table  # noqa: E402 (after the skip)
from zoo.data.bands.reading import BandImage, choose_bands, encode_bands, read_bands  # noqa: E402
from zoo.data.bands.showing import show_bands  # noqa: E402
from zoo.data.bands.table import BandChoice, BandTable, plain_name  # noqa: E402
from zoo.errors import DataError  # noqa: E402
from zoo.fields import Fields  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
NAMES = ("Blue", "green", "RED", "Red Edge", "B8A")
PLAIN = ("blue", "green", "red", "red_edge", "b8a")


def _write(path: Path, pixels: Any, names: Any = (), **how: Any) -> Path:
    """Write ``(n, H, W)`` with descriptions."""
    count, height, width = pixels.shape
    size = {"count": count, "height": height, "width": width, "dtype": pixels.dtype.name}
    how = {"photometric": "MINISBLACK", **how}
    with rasterio.open(path, "w", driver="GTiff", **size, **how) as dataset:
        dataset.write(pixels)
        for number, name in enumerate(names, start=1):
            dataset.set_band_description(number, name)
    return path


def _draw(dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 255 if dtype == "uint8" else 30000, (5, 20, 30))
    return (values - 15000 if dtype == "int16" else values).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_bands_when_read_and_written_again_then_are_those_of_the_file(
    tmp_path: Path, dtype: str
) -> None:
    """By name in any order, at their own type, with the value of missing data."""
    pixels = _draw(dtype)
    pixels[2, 3, 4] = pixels[0, 5, 6] = 7
    path = _write(tmp_path / "a.tif", pixels, NAMES, nodata=7)

    choice = choose_bands(path.read_bytes(), "a.tif", "b8a, red,2")
    image = read_bands(path, "a.tif", choice)

    wanted = np.moveaxis(pixels[[4, 2, 1]], 0, 2)
    assert choice == BandChoice(("b8a", "red", "green"), (5, 3, 2), 5, dtype)
    assert image.samples.dtype == dtype
    assert np.array_equal(image.samples, wanted)
    assert np.array_equal(image.missing, wanted == 7)
    again = read_bands(encode_bands(image), "again", choice)
    assert np.array_equal(again.samples, wanted)
    assert np.array_equal(again.missing, wanted == 7)


@pytest.mark.parametrize("nodata", [0.0, None])
def test_bands_when_encoded_beside_other_work_then_bytes_are_equal(nodata: float | None) -> None:
    """With no memory for blocks, GDAL writes each at once, as it may wherever threads share it."""
    samples = np.random.default_rng(0).integers(1, 30000, (96, 96, 5)).astype("uint16")
    missing = np.zeros(samples.shape, bool)
    missing[:20, :30] = True
    samples[missing] = 0
    image = BandImage(samples, missing, PLAIN, nodata)
    alone = encode_bands(image)

    with rasterio.Env(GDAL_CACHEMAX=0):
        beside = encode_bands(image)

    assert beside == alone
    assert len(alone) < samples.nbytes


def test_missing_when_nan_infinite_or_masked_then_each_counts(tmp_path: Path) -> None:
    """A mask hides every band; a band of floats hides its own samples."""
    pixels = _draw("float32")
    pixels[1, 0, 0], pixels[2, 0, 1] = np.nan, np.inf
    path, choice = tmp_path / "a.tif", BandChoice(PLAIN, (1, 2, 3, 4, 5), 5, "float32")
    plain = read_bands(_write(path, pixels, NAMES), "a", choice)
    assert np.array_equal(plain.missing, ~np.isfinite(np.moveaxis(pixels, 0, 2)))

    path = tmp_path / "b.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        _write(path, _draw("uint16"), NAMES)
        with rasterio.open(path, "r+") as dataset:
            hidden = np.zeros((20, 30), bool)
            hidden[4:6, 7:9] = True
            dataset.write_mask(~hidden)
    choice = choose_bands(path.read_bytes(), "b.tif", "all")
    masked = read_bands(path, "b", choice)
    assert np.array_equal(masked.missing, np.repeat(hidden[..., None], 5, axis=2))
    again = read_bands(encode_bands(masked), "again", choice)
    assert np.array_equal(again.is_missing, hidden)


def test_table_when_images_are_counted_apart_then_is_that_of_all_samples(tmp_path: Path) -> None:
    """NumPy on all samples at once; and the entry of dataset.json reads back equal."""
    arrays = [_draw("uint16", seed) for seed in range(3)]
    arrays[1][3, :10] = 0
    paths = [_write(tmp_path / f"{i}.tif", a, NAMES, nodata=0) for i, a in enumerate(arrays)]
    choice = choose_bands(paths[0].read_bytes(), "0.tif", "all")

    counts = [count_bands(read_bands(path, path.name, choice)) for path in paths]
    table = make_table(choice, counts, [0.0, 0.0])

    for place, band in enumerate(table.bands):
        whole = np.concatenate([array[place].ravel() for array in arrays]).astype(np.float64)
        valid = whole[whole != 0]
        assert (band.name, band.number) == (PLAIN[place], place + 1)
        assert band.mean == pytest.approx(valid.mean(), rel=1e-12)
        assert band.std == pytest.approx(valid.std(), rel=1e-12)
        assert (band.minimum, band.maximum) == (valid.min(), valid.max())
        assert band.missing_share == pytest.approx(np.mean(whole == 0))
    assert table.nodata == (0.0,)
    assert BandTable.from_fields(Fields(table.to_dict(), "bands")) == table


def test_choice_when_files_differ_then_goes_by_name_else_by_number() -> None:
    choice = BandChoice(("nir", "red"), (4, 1), 4, "uint16")
    assert choice.find(("red", "other", "nir"), "uint16", "a.tif") == (3, 1)
    assert choice.find(("band_1", "band_2", "band_3", "band_4"), "uint16", "a.tif") == (4, 1)
    refused = [
        (("band_1", "band_2"), "uint16", "found 2 of uint16 (band_1, band_2), expected 4 bands"),
        (("red", "green", "blue", "swir"), "uint16", "found 4 of uint16 (red, green, blue, swir)"),
        (("nir", "red"), "uint8", "found 2 of uint8 (nir, red), expected 4 bands of uint16"),
    ]
    for names, dtype, text in refused:
        with pytest.raises(DataError, match=r"cannot read 'a\.tif'") as caught:
            choice.find(names, dtype, "folder/a.tif")
        assert text in caught.value.message


@pytest.mark.parametrize(
    ("text", "name"),
    [("Red Edge", "red_edge"), ("B8A", "b8a"), ("", "band_4"), ("8", "band_8"), ("(µ)", "band_4")],
)
def test_name_when_described_then_is_plain(text: str, name: str) -> None:
    assert plain_name(text, 4) == name


def test_bands_when_unusable_then_the_reason_and_the_file_are_named(tmp_path: Path) -> None:
    choice = BandChoice(PLAIN, (1, 2, 3, 4, 5), 5, "uint16")
    path = _write(tmp_path / "a.tif", _draw("uint16").astype("float64"), NAMES)
    with pytest.raises(DataError, match=r"'a\.tif': found float64 pixels, expected uint8, uint16"):
        read_bands(path, str(path), choice)
    data = _write(tmp_path / "b.tif", _draw("uint16"), NAMES).read_bytes()
    with pytest.raises(DataError, match=r"'b\.tif': found a truncated or damaged TIFF"):
        read_bands(data[: len(data) // 2], "b.tif", choice)
    with pytest.raises(DataError, match=r"'c\.png': found another format, expected a TIFF"):
        read_bands(b"\x89PNG\r\n\x1a\n", "c.png", choice)
    with pytest.raises(DataError, match="the band 'swir': the image has blue, green, red"):
        choose_bands(data, "b.tif", "red,swir")
    with pytest.raises(DataError, match="each once"):
        choose_bands(data, "b.tif", "red,3")


def test_shown_when_named_then_red_green_and_blue_are_stretched_by_the_table() -> None:
    samples = np.random.default_rng(0).normal(100, 20, (6, 7, 4)).astype(np.float32)
    samples[0, 0] = np.nan
    mean, std = [100.0, 90.0, 110.0, 100.0], [20.0, 10.0, 30.0, 25.0]

    shown = show_bands(samples, ["nir", "blue", "green", "red"], mean, std)

    order = [3, 2, 1]
    low = np.take(mean, order) - 2 * np.take(std, order)
    wanted = (samples[..., order] - low) / (4 * np.take(std, order)) * 255
    wanted = np.rint(np.clip(np.where(np.isnan(wanted), 0, wanted), 0, 255))
    assert np.abs(shown.astype(int) - wanted).max() <= 1
    assert show_bands(samples[..., :2], ["vv", "vh"], mean[:2], std[:2]).shape == (6, 7)
