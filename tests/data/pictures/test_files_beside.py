# SPDX-License-Identifier: Apache-2.0
"""What lies beside a raster, or is named in it, is not read: GDAL would follow it anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm
rasterio = pytest.importorskip("rasterio")

import numpy as np  # noqa: E402 (after the skip)

from zoo.data import parse_tiling, tile_windows  # noqa: E402
from zoo.engine.scenes import opening as scenes  # noqa: E402
from zoo.engine.scenes import scene as scene_size  # noqa: E402
from zoo.errors import DataError  # noqa: E402

_SECRET = 211
_VRT = """<VRTDataset rasterXSize="80" rasterYSize="60">{}<VRTRasterBand dataType="Byte" band="1">
<SimpleSource><SourceFilename relativeToVRT="{}">{}</SourceFilename><SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""
_ITEM = '<Metadata domain="OVERVIEWS"><MDI key="Overview_File">{}</MDI></Metadata>'


def _write(path: Path, value: int, scale: int = 1, other: Path | None = None) -> Path:
    height, width = 60 // scale, 80 // scale
    pixels = np.full((height, width), value, np.uint8)
    how = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": height, "width": width}
    with rasterio.open(path, "w", **how) as raster:
        raster.write(pixels, 1)
        if other is not None:
            raster.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=str(other))
    return path


def _pam(path: Path, secret: Path) -> Path:
    Path(f"{path}.aux.xml").write_text(f"<PAMDataset>{_ITEM.format(secret)}</PAMDataset>")
    return path


def _copies(path: Path, secret: Path) -> Path:
    shutil.copy(secret, f"{path}.ovr")
    return path


def _copies_of_vrt(path: Path, secret: Path) -> Path:
    Path(f"{path}.ovr").write_text(_VRT.format("", 0, secret))
    return path


def _mask_of_vrt(path: Path, secret: Path) -> Path:
    flags = '<Metadata><MDI key="INTERNAL_MASK_FLAGS_1">2</MDI></Metadata>'
    Path(f"{path}.msk").write_text(_VRT.format(flags, 0, secret.with_name("none.tif")))
    return path


@pytest.mark.parametrize("lay", [_pam, _copies, _copies_of_vrt, _mask_of_vrt])
def test_scene_when_other_files_lie_beside_it_then_its_own_pixels_alone(
    lay: Callable[[Path, Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Smaller copies and masks beside a TIFF may be a VRT that names any file or address."""
    monkeypatch.setattr(scene_size, "MOST_SHOWN_PX", 40)
    secret = _write(tmp_path / "secret.tif", _SECRET, 2)
    path = lay(_write(tmp_path / "a.tif", 7), secret)
    with scenes.open_scene(path) as scene:
        part = scene.read(next(iter(tile_windows(80, 60, parse_tiling("tiles", 32, 8, 0.3)))))
        shown = scene.shown()
    assert shown.shape == (30, 40)
    assert (set(np.unique(shown)), set(np.unique(part))) == ({7}, {7})
    assert ("a.tif is read without a.tif." in caplog.text) == (lay in (_pam, _mask_of_vrt))


def _tag(folder: Path, secret: Path) -> Path:
    return _write(folder / "a.tif", 7, other=secret)


def _vrt(folder: Path, secret: Path) -> Path:
    _write(folder / "b.tif", 7)
    path = folder / "a.vrt"
    path.write_text(_VRT.format(_ITEM.format(secret), 1, "b.tif"))
    return path


def _source(folder: Path, secret: Path) -> Path:
    _write(folder / "b.tif", 7, other=secret)
    path = folder / "a.vrt"
    path.write_text(_VRT.format("", 1, "b.tif"))
    return path


@pytest.mark.parametrize("make", [_tag, _vrt, _source])
def test_scene_when_its_metadata_names_another_file_then_refused(
    make: Callable[[Path, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name of smaller copies leads GDAL to any file of the machine, whose pixels it shows."""
    monkeypatch.setattr(scene_size, "MOST_SHOWN_PX", 40)
    path = make(tmp_path, _write(tmp_path / "secret.tif", _SECRET, 2))
    with (
        pytest.raises(DataError, match="found the name of another file in it"),
        scenes.open_scene(path) as scene,
    ):
        scene.shown()
