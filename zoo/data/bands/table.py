# SPDX-License-Identifier: Apache-2.0
"""Which bands the images of a data set have, and their statistics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import DataError
from zoo.fields import Fields

__all__ = ["COLORS", "DTYPES", "MOST_BANDS", "Band", "BandChoice", "BandTable", "plain_name"]

COLORS = ("red", "green", "blue")
"""Names of the bands that a picture shows, in its order."""
DTYPES = ("uint8", "uint16", "int16", "float32")
"""Types of samples that are kept as stored."""
MOST_BANDS = 64
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MOST_LETTERS = 40
_NUMBERED = "band_"


def plain_name(text: str, number: int) -> str:
    """Return the name of a band: lower-case letters, digits and ``_``; ``band_5`` without a name.

    Args:
        text: The description of the band in its file, or ``""``.
        number: Its number in the file, from 1.
    """
    words = re.findall(r"[a-z0-9]+", text.casefold())
    name = "_".join(words)[:_MOST_LETTERS].rstrip("_")
    if name[:1].isdigit():
        name = f"{_NUMBERED}{name}"[:_MOST_LETTERS].rstrip("_")
    return name if _NAME.fullmatch(name) else f"{_NUMBERED}{number}"


@dataclass(frozen=True, slots=True)
class BandChoice:
    """The bands that a model reads, in their order, of files that are alike.

    Args:
        names: Name of each band, see `plain_name`.
        numbers: Number of each band in the source's files, from 1.
        count: How many bands the source's files have.
        dtype: Type of the samples, one of `DTYPES`.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    count: int
    dtype: str

    def find(self, names: Sequence[str], dtype: str, where: str) -> tuple[int, ...]:
        """Return the numbers of these bands in a file, from 1.

        By name if the file names all of them; by number if it names none and has as many bands as
        the source's files.

        Args:
            names: Names of the bands of the file, see `plain_name`.
            dtype: Type of the file's samples.
            where: How error messages name the file.

        Raises:
            DataError: The samples are of another type, or the bands are others.
        """
        wanted = f"{self.count} bands of {self.dtype} ({', '.join(self.names)})"
        found = f"{len(names)} of {dtype} ({', '.join(names)})"
        short = where.replace("!", "/").rsplit("/", 1)[-1]
        message = f"cannot read {short!r}: found {found}, expected {wanted}."
        if dtype != self.dtype:
            hint = "give a file of the same type: values of another have another meaning."
            raise DataError(message, path=where, hint=hint)
        if set(self.names) <= set(names):
            return tuple(names.index(name) + 1 for name in self.names)
        is_unnamed = all(name == f"{_NUMBERED}{n}" for n, name in enumerate(names, start=1))
        if is_unnamed and len(names) == self.count:
            return self.numbers
        hint = "give a file with these bands, or name its bands (gdal_edit, rasterio descriptions)."
        raise DataError(message, path=where, hint=hint)


@dataclass(frozen=True, slots=True)
class Band:
    """One band of a data set, over the pixels of the train split that have data.

    Args:
        name: Its name.
        number: Its number in the source's files, from 1.
        mean: Mean of its samples.
        std: Standard deviation of its samples.
        minimum: Least sample.
        maximum: Largest sample.
        missing_share: Share of its pixels without data, in ``[0, 1]``.
    """

    name: str
    number: int
    mean: float
    std: float
    minimum: float
    maximum: float
    missing_share: float


@dataclass(frozen=True, slots=True)
class BandTable:
    """The bands of a prepared folder, as ``dataset.json`` keeps them.

    Args:
        dtype: Type of the samples, one of `DTYPES`.
        count: How many bands the source's files have.
        bands: The chosen bands.
        nodata: Values that mean missing data in some files, sorted; NaN is missing anyway.
    """

    dtype: str
    count: int
    bands: tuple[Band, ...]
    nodata: tuple[float, ...] = ()

    @property
    def choice(self) -> BandChoice:
        """The bands without their statistics."""
        names = tuple(band.name for band in self.bands)
        numbers = tuple(band.number for band in self.bands)
        return BandChoice(names, numbers, self.count, self.dtype)

    def to_loader(self) -> dict[str, Any]:
        """Return the plain values that a loading transform needs, as configs and records state."""
        choice = self.choice
        return {
            "names": list(choice.names),
            "numbers": list(choice.numbers),
            "count": choice.count,
            "dtype": choice.dtype,
            "mean": [band.mean for band in self.bands],
            # A constant band has no spread to divide by.
            "std": [band.std or 1.0 for band in self.bands],
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``dataset.json``."""
        rows = [{key: getattr(band, key) for key in Band.__slots__} for band in self.bands]
        nodata = list(self.nodata)
        return {"dtype": self.dtype, "count": self.count, "nodata": nodata, "rows": rows}

    @staticmethod
    def from_fields(fields: Fields) -> BandTable:
        """Return the table of an entry of ``dataset.json``; raises `DocumentError`.

        Args:
            fields: The entry.
        """
        dtype = fields.choice("dtype", DTYPES)
        count = fields.whole("count", 1)
        nodata = fields.items("nodata")
        if not all(type(value) in (int, float) for value in nodata):
            fields.fail("nodata", "numbers")
        bands = tuple(_parse_band(row) for row in fields.rows("rows"))
        if not bands or len({band.name for band in bands}) < len(bands):
            fields.fail("rows", "one row for each band")
        fields.done()
        return BandTable(dtype, count, bands, tuple(float(value) for value in nodata))


def _parse_band(row: Fields) -> Band:
    wanted = "a name of lower-case letters, digits and _"
    name = row.text("name", pattern=_NAME.pattern, wanted=wanted)
    number = row.whole("number", 1)
    values = {}
    for key in ("mean", "std", "minimum", "maximum", "missing_share"):
        value = row.take(key)
        if type(value) not in (int, float):
            row.fail(key, "a number")
        values[key] = float(value)
    row.done()
    return Band(name, number, **values)
