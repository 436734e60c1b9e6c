# SPDX-License-Identifier: Apache-2.0
"""TIFFs of five 16-bit bands become a prepared folder and a model's input, against rasterio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
rasterio = pytest.importorskip("rasterio")

from zoo_folder_data.loading_bands import LoadBands  # noqa: E402
from zoo_folder_data.prepare_bands import prepare  # noqa: E402
from zoo_folder_data.sample_bands import write_sample  # noqa: E402

from zoo.data import (  # noqa: E402 (after the skip)
    Shares,
    check_prepared,
    decode_image,
    read_prepared,
    show_prepared,
)
from zoo.errors import ConfigError, DataError  # noqa: E402

SHARES = Shares(0.6, 0.2, 0.2)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_sample(tmp_path / "raw", count=12, size_px=40)
    return tmp_path / "raw"


def _read(path: Path) -> Any:
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_prepare_when_bands_are_chosen_then_samples_statistics_and_masks_are_those_of_the_source(
    raw: Path, tmp_path: Path
) -> None:
    """Missing pixels are unknown in masks and left out of the train split's statistics."""
    out = tmp_path / "out"

    prepare(raw, out, shares=SHARES, bands="nir,2")

    found = read_prepared(out)
    assert found.bands is not None
    assert found.bands.choice.names == ("nir", "green")
    trained = []
    for row in found.files:
        source = _read(raw / "images" / f"{row.stem}.tif")
        assert np.array_equal(_read(out / "images" / f"{row.stem}.tif"), source[[4, 1]])
        mask = decode_image((out / "masks" / f"{row.stem}.png").read_bytes(), "mask")
        given = decode_image((raw / "masks" / f"{row.stem}.png").read_bytes(), "mask")
        is_missing = (source[[4, 1]] == 0).any(axis=0)
        assert np.array_equal(mask, np.where(is_missing, 255, given))
        if row.split == "train":
            trained.append(source[[4, 1]].reshape(2, -1))
    samples = np.concatenate(trained, axis=1).astype(np.float64)
    assert (samples == 0).any()
    for band, values in zip(found.bands.bands, samples, strict=True):
        valid = values[values != 0]
        assert (band.mean, band.std) == pytest.approx((valid.mean(), valid.std()), rel=1e-9)
        assert (band.minimum, band.maximum) == (valid.min(), valid.max())
        assert band.missing_share == pytest.approx(np.mean(values == 0))
    assert check_prepared(out) == []
    assert show_prepared(out, tmp_path / "sheet").is_file()
    assert prepare(raw, out, shares=SHARES, bands="nir,2").unchanged
    with pytest.raises(DataError, match="option keep_bands was 'nir,2', is 'all'"):
        prepare(raw, out, shares=SHARES)


def test_loader_when_samples_are_missing_then_gives_the_mean_of_the_band(
    raw: Path, tmp_path: Path
) -> None:
    """From the prepared file and from the source's own, which has other bands too."""
    prepare(raw, tmp_path / "out", shares=SHARES, bands="nir,green")
    table = read_prepared(tmp_path / "out").bands
    assert table is not None
    loader = LoadBands(table.to_loader())

    for folder in (raw, tmp_path / "out"):
        results = loader({"img_path": str(folder / "images" / "tile000.tif")})
        assert results is not None
        source = np.moveaxis(_read(raw / "images" / "tile000.tif")[[4, 1]], 0, 2)
        mean = np.array([band.mean for band in table.bands], np.float32)
        assert results["img"].dtype == np.float32
        assert np.array_equal(results["img"], np.where(source == 0, mean, source))
        assert results["ori_shape"] == (40, 40)

    with pytest.raises(ConfigError, match=r"does not know those of the data"):
        LoadBands()({"img_path": "a.tif"})
    with pytest.raises(DataError, match="the model knows its own"):
        loader({"img_path": str(raw / "images" / "tile000.tif"), "bands": (3, 2, 1)})


def test_prepare_when_an_image_has_other_bands_then_it_is_named(raw: Path, tmp_path: Path) -> None:
    path = raw / "images" / "tile007.tif"
    pixels = _read(path)[:4]
    size = {"count": 4, "height": 40, "width": 40, "dtype": "uint16"}
    with (
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(path, "w", driver="GTiff", photometric="MINISBLACK", **size) as dataset,
    ):
        dataset.write(pixels)

    with pytest.raises(DataError, match=r"'tile007.tif': found 4 of uint16 .*, expected 5 bands"):
        prepare(raw, tmp_path / "out", shares=SHARES)
    assert not (tmp_path / "out").exists()


def test_folder_when_its_table_is_changed_then_is_refused(raw: Path, tmp_path: Path) -> None:
    prepare(raw, tmp_path / "out", shares=SHARES)
    path = tmp_path / "out" / "dataset.json"
    content = json.loads(path.read_text())
    content["bands"]["rows"][0]["mean"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"cannot trust dataset\.json"):
        read_prepared(tmp_path / "out")
