# SPDX-License-Identifier: Apache-2.0
"""VRT, the GDAL text format that combines rasters; only files next to it are allowed.

The text comes from outside, and GDAL follows it to any path, into archives and over the network. So
it is first checked against a list of allowed elements.

Source: GDAL, the VRT driver's documentation and ``gdalvrt.xsd``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.decoders.raster import check_source, has_rasterio
from zoo.data.source.reading import open_file, read_file
from zoo.errors import DataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["check_vrt", "is_vrt"]

_MOST_BYTES = 16 * 2**20
_START = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*\?>\s*)?<VRTDataset[\s>]")
_HINT = "gdal_translate IN.vrt OUT.tif makes one file of it, if you trust it."
# Elements of a mosaic or a selection of bands, without functions, warps and raw bytes.
_PLAIN = frozenset(
    {
        *("VRTDataset", "VRTRasterBand", "SRS", "GeoTransform", "Metadata", "MDI", "ColorInterp"),
        *("NoDataValue", "HideNoDataValue", "Description", "UnitType", "Offset", "Scale", "Entry"),
        *("CategoryNames", "Category", "ColorTable", "SimpleSource", "ComplexSource", "SourceBand"),
        *("SourceFilename", "SourceProperties", "SrcRect", "DstRect", "NODATA", "UseMaskBand"),
        *("MaskBand", "OverviewList", "Histograms", "HistItem", "HistMin", "HistMax"),
        *("BucketCount", "IncludeOutOfRange", "Approximate", "HistCounts", "BlockXSize"),
        *("BlockYSize", "GCPList", "GCP"),
    }
)
# First bytes of sources, and the GDAL driver that reads them.
_SOURCES = {
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "GTiff"),
    b"\x89PNG": "PNG",
    **dict.fromkeys((b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xdb"), "JPEG"),
    b"\xff\xd8\xff\xee": "JPEG",
    **dict.fromkeys((b"\0\0\0\x0c", b"\xff\x4f\xff\x51"), "JP2OpenJPEG"),
}


def is_vrt(start: bytes) -> bool:
    """Return whether a file is a VRT by its first bytes.

    Args:
        start: First bytes of the file.
    """
    return _START.match(start) is not None


def check_vrt(path: Path) -> None:
    """Refuse a VRT that refers outside its folder or does more than combine images.

    Args:
        path: The VRT file.

    Raises:
        DataError: It is not XML, contains an element that is not known to be harmless, or refers
            to a file other than a TIFF, PNG, JPEG or JPEG 2000 in its own folder or below.
    """
    root = _parse(path)
    for element in root.iter():
        if element.tag not in _PLAIN:
            raise _refused(path, f"found the element {element.tag[:40]!r}")
        if "subClass" in element.attrib:
            raise _refused(path, f"found a band of the class {element.attrib['subClass'][:40]!r}")
    for name in dict.fromkeys(_sources(root, path)):  # each band names all of them
        _check_source(path, name)


def _parse(path: Path) -> Element:
    from xml.etree import ElementTree

    data = read_file(path, most_bytes=_MOST_BYTES)
    if b"<!" in data.replace(b"<!--", b""):  # a DOCTYPE, whose entities may expand without limit
        raise _refused(path, "found a document type")
    try:
        return ElementTree.fromstring(data)  # noqa: S314 (no entities: see above)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise _refused(path, f"found XML that cannot be read ({error})") from error


def _sources(root: Element, path: Path) -> Iterator[str]:
    for element in root.iter("SourceFilename"):
        if element.get("relativeToVRT") != "1":
            raise _refused(path, "found a source that is not relative to it")
        yield element.text or ""


def _check_source(path: Path, name: str) -> None:
    folder = Path(os.path.realpath(path.parent))
    is_plain = name and not set(name) & set(':<>"|?*\0\n\\') and not name.startswith(("/", "vrt"))
    source = Path(os.path.realpath(folder / name)) if is_plain else folder
    if not is_plain or folder not in source.parents:
        raise _refused(path, f"found the source {name[:80]!r}, outside of its folder")
    with open_file(source) as stream:
        driver = _SOURCES.get(stream.read(4))
        if driver is None:
            raise _refused(
                path, f"found the source {name[:80]!r}, which is not a TIFF, PNG or JPEG"
            )
    if has_rasterio():  # nothing is read without it
        check_source(source, driver)


def _refused(path: Path, fault: str) -> DataError:
    message = f"cannot read {path.name!r}: {fault}, expected images in the VRT's own folder."
    return DataError(message, path=path, hint=_HINT)
