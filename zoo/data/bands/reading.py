# SPDX-License-Identifier: Apache-2.0
"""Read and write the bands of a TIFF as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.bands.table import COLORS, DTYPES, MOST_BANDS, BandChoice, plain_name
from zoo.data.decoders.faults import check_size, undecodable
from zoo.data.decoders.raster import explaining, opened_dataset
from zoo.data.decoders.tiff import read_tiff
from zoo.data.decoders.tiff_tags import TIFF_STARTS
from zoo.data.source.reading import read_file
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BandImage", "choose_bands", "encode_bands", "read_bands"]

_ROWS = 64
_EXPORT = "gdal_translate IN OUT.tif makes a TIFF of it."
_FLOAT = "gdal_translate -ot Float32 IN.tif OUT.tif converts it."
_UPRIGHT = "gdal_translate IN.tif OUT.tif writes it without its rotation."


@dataclass(frozen=True, slots=True, eq=False)
class BandImage:
    """The chosen bands of one image.

    Args:
        samples: ``(H, W, n)`` as stored.
        missing: ``(H, W, n)``, true where a sample has no data: nodata, masked, NaN or infinite.
        names: Name of each band.
        nodata: The file's own value of missing data, or None.
        place: Coordinate reference system and transform, as rasterio gives them, to write again.
    """

    samples: NDArray[Any]
    missing: NDArray[np.bool_]
    names: tuple[str, ...]
    nodata: float | None = None
    place: tuple[Any, Any] = (None, None)

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """``(H, W)``, true where any band has no data."""
        import numpy as np

        return np.asarray(self.missing.any(axis=2))


def choose_bands(data: bytes, where: str, wanted: str) -> BandChoice:
    """Return the chosen bands of a file.

    Args:
        data: All bytes of a TIFF.
        where: How error messages name the file.
        wanted: ``all``, or names and numbers (from 1) with commas between them.

    Raises:
        DataError: It is not a TIFF of `DTYPES`, or lacks a band.
    """
    _check_file(data, where)
    with opened_dataset(data, where, driver="GTiff") as dataset:
        names, dtype = _names_of(dataset), _dtype_of(dataset, where)
    numbers = _numbers(names, wanted, where)
    return BandChoice(tuple(names[n - 1] for n in numbers), numbers, len(names), dtype)


def _numbers(names: tuple[str, ...], wanted: str, where: str) -> tuple[int, ...]:
    if wanted.strip().casefold() == "all":
        numbers = tuple(range(1, len(names) + 1))
    else:
        numbers = tuple(_number(names, part.strip(), where) for part in wanted.split(","))
    if len(set(numbers)) < len(numbers) or len(numbers) > MOST_BANDS:
        message = f"cannot choose the bands {wanted!r}: found {len(numbers)} numbers, expected at "
        message += f"most {MOST_BANDS}, each once."
        raise DataError(message, where="--bands", hint="use for example --bands 4,3,2.")
    return numbers


def _number(names: tuple[str, ...], part: str, where: str) -> int:
    if part.isascii() and part.isdigit() and 1 <= int(part[:6]) <= len(names):
        return int(part)
    if not part.isdigit() and plain_name(part, 0) in names:
        return names.index(plain_name(part, 0)) + 1
    message = f"cannot choose the band {part!r}: the image has {', '.join(names)}."
    hint = f"choose from these names, or from 1 to {len(names)}."
    raise DataError(message, path=where, hint=hint)


def read_bands(file: bytes | Path, where: str, choice: BandChoice) -> BandImage:
    """Return the chosen bands of a TIFF as they are stored.

    Args:
        file: All bytes of a TIFF, or its path.
        where: How error messages name the file.
        choice: The bands, see `BandChoice.find`.

    Raises:
        DataError: It is damaged, not a TIFF, too large or turned, its samples are of another type,
            or its bands are others; or rasterio is not installed.
    """
    import numpy as np

    data = read_file(file) if isinstance(file, Path) else file
    _check_file(data, where)
    with opened_dataset(data, where, driver="GTiff") as dataset:
        numbers = choice.find(_names_of(dataset), _dtype_of(dataset, where), where)
        with explaining(where, "read"):
            samples = np.moveaxis(dataset.read(list(numbers)), 0, 2)
            missing = np.stack([_missing(dataset, number) for number in numbers], axis=2)
        place = (dataset.crs, dataset.transform)
        nodata = dataset.nodata
    if samples.dtype.kind == "f":
        missing = missing | ~np.isfinite(samples)
    return BandImage(np.ascontiguousarray(samples), missing, choice.names, nodata, place)


def _missing(dataset: Any, number: int) -> NDArray[np.bool_]:
    import numpy as np
    from rasterio.enums import MaskFlags

    flags = dataset.mask_flag_enums[number - 1]
    # Transparency is a band of its own, as in the rest of zoo.
    if MaskFlags.all_valid in flags or MaskFlags.alpha in flags:
        return np.zeros((dataset.height, dataset.width), bool)
    return np.asarray(dataset.read_masks(number) == 0)


def _check_file(data: bytes, where: str) -> None:
    if data[:4] not in TIFF_STARTS:
        fault = "found another format, expected a TIFF, which can hold any number of bands"
        raise undecodable(where, fault, _EXPORT)
    page = read_tiff(data, where, any_pixels=True)
    check_size(where, "TIFF", page.header.width_px, page.header.height_px)
    page.check_whole()
    if page.header.orientation != 1:
        raise undecodable(where, "found a turned TIFF, expected an upright one", _UPRIGHT)


def _dtype_of(dataset: Any, where: str) -> str:
    kinds = sorted(set(dataset.dtypes))
    if len(kinds) > 1 or kinds[0] not in DTYPES:
        fault = f"found {', '.join(kinds)} pixels, expected {', '.join(DTYPES)}"
        raise undecodable(where, fault, _FLOAT)
    return str(kinds[0])


def _names_of(dataset: Any) -> tuple[str, ...]:
    """Return the names: of the descriptions, else red, green and blue of the colours, else numbers.

    Names that are not unique are left out.
    """
    colors = [each.name if each.name in COLORS else "" for each in dataset.colorinterp]
    if not set(COLORS) <= set(colors):
        colors = [""] * dataset.count
    texts = list(dataset.descriptions)
    stated = [texts[i] or ("" if any(texts) else colors[i]) for i in range(dataset.count)]
    names = [plain_name(text, number) for number, text in enumerate(stated, start=1)]
    return tuple(
        name if names.count(name) == 1 else plain_name("", number)
        for number, name in enumerate(names, start=1)
    )


def encode_bands(image: BandImage) -> bytes:
    """Encode bands as a compressed TIFF without loss, with their names and missing data.

    Args:
        image: The bands.
    """
    import numpy as np
    import rasterio
    from rasterio.io import MemoryFile

    height_px, width_px, count = image.samples.shape
    dtype = str(image.samples.dtype)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": height_px,
        "width": width_px,
        "count": count,
        "dtype": dtype,
        "photometric": "MINISBLACK",
        "compress": "deflate",
        "predictor": 3 if dtype.startswith("float") else 2,
        # Strips: tiles beyond the image's edge would hold bytes that differ from run to run.
        "blockysize": min(_ROWS, height_px),
        "nodata": image.nodata,
        "crs": image.place[0],
        "transform": image.place[1],
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            # All at once: band by band, GDAL may write strips half full, and then again elsewhere,
            # wherever threads share its cache: larger files, whose bytes differ from run to run.
            dataset.write(np.moveaxis(image.samples, 2, 0))
            for number, name in enumerate(image.names, start=1):
                dataset.set_band_description(number, name)
            if image.nodata is None and image.missing.any():
                dataset.write_mask(~image.is_missing)
        return bytes(memory.read())
