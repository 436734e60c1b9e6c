# SPDX-License-Identifier: Apache-2.0
"""Mutated headers of pictures: ``python header_fuzz.py COUNT SEED`` prints what came of them.

A process of its own, since a decoder that fails in C takes its process along. What is read is
compared with other decoders: Pillow for PNG, JPEG and BMP, GDAL for TIFF and JPEG 2000.
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rasterio.io import MemoryFile

sys.path.append(str(Path(__file__).parent))
from png_writer import chunk, png

from zoo.data import decode_picture
from zoo.data.decoders.raster import open_raster
from zoo.data.pictures.formats import JP2_DRIVER, read_header
from zoo.data.pictures.turning import turn_upright
from zoo.errors import DataError

_PNGS = [(0, 1), (0, 8), (0, 16), (2, 8), (2, 16), (3, 4), (3, 8), (4, 8), (6, 8), (6, 16)]
_VALUES = (0, 1, 2, 3, 4, 8, 16, 32, 127, 128, 254, 255)
_SLOW_S = 5.0


def _pngs() -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    made = {}
    for color, depth in _PNGS:
        most = 2 ** min(depth, 6) if color == 3 else 2**depth
        samples = generator.integers(0, most, (9, 13, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]))
        before = chunk(b"PLTE", bytes(range(3 * most))) if color == 3 else b""
        is_odd = bool(depth % 3)
        made[f"png {color} {depth}"] = png(samples, color, depth, interlaced=is_odd, before=before)
    return made


def _by_pillow() -> dict[str, bytes]:
    y, x = np.mgrid[0:24, 0:40]
    image = Image.fromarray(np.dstack([x * 3, y * 5, x + y]).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    jobs: list[tuple[str, str, dict[str, Any]]] = [
        *(("jpeg", mode, {}) for mode in ("L", "RGB", "CMYK")),
        *(("jpeg", "RGB", how) for how in ({"progressive": True}, {"exif": exif.tobytes()})),
        *(("bmp", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        ("tiff", "RGB", {"compression": "jpeg"}),
        *(
            ("tiff", mode, {"compression": method})
            for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK")
            for method in ("raw", "tiff_lzw", "tiff_deflate")
        ),
    ]
    made = {}
    for number, (kind, mode, how) in enumerate(jobs):
        stream = io.BytesIO()
        image.convert(mode).save(stream, kind, **how)
        made[f"{kind} {mode} {number}"] = stream.getvalue()
    return made


def _by_gdal() -> dict[str, bytes]:
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    jobs: dict[str, tuple[int, str, dict[str, Any]]] = {
        "tiff zstd": (1, "uint16", {"compress": "zstd", **tiles}),
        "tiff bands": (3, "uint16", {"interleave": "band", "photometric": "RGB"}),
        "tiff big": (4, "uint8", {"BIGTIFF": "YES"}),
        "tiff deep": (5, "uint16", {"compress": "deflate", "predictor": 2, "ENDIANNESS": "BIG"}),
        "tiff jpeg": (3, "uint8", {"compress": "jpeg", **tiles}),
        "tiff plain deep": (3, "uint16", {"photometric": "RGB", "compress": "lzw"}),
        "tiff nodata": (1, "uint16", {"nodata": 7}),
        "jp2": (3, "uint8", {"driver": "JP2OpenJPEG"}),
    }
    generator = np.random.default_rng(1)
    made = {}
    for name, (count, dtype, how) in jobs.items():
        bands = generator.integers(0, np.iinfo(dtype).max, (count, 24, 40)).astype(dtype)
        size = {"width": 40, "height": 24, "count": count, "dtype": dtype}
        with MemoryFile() as memory:
            with memory.open(**{"driver": "GTiff", **size, **how}) as dataset:
                dataset.write(bands)
            made[name] = memory.read()
    return made


def _places(name: str, data: bytes) -> range | list[int]:
    """Return where a file's header lies."""
    if name.startswith("tiff"):
        order, is_big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
        offset, count, entry = ("Q", "Q", 20) if is_big else ("I", "H", 12)
        (at,) = struct.unpack_from(order + offset, data, 8 if is_big else 4)
        (number,) = struct.unpack_from(order + count, data, at)
        end = at + struct.calcsize(count) + entry * number + struct.calcsize(offset)
        return [*range(16 if is_big else 8), *range(at, min(end, len(data)))]
    most = {"png": 80, "bmp": 70, "jp2": 250}.get(name[:3])
    return range(min(len(data), most or data.index(b"\xff\xda") + 14))


def _mutate(name: str, data: bytes, dice: random.Random) -> bytes:
    changed, places = bytearray(data), _places(name, data)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        at, kind = dice.choice(places), dice.random()
        if kind < 0.4:
            changed[at] = dice.choice(_VALUES)
        elif kind < 0.7:
            changed[at] = dice.randrange(256)
        elif kind < 0.9:
            length = min(dice.choice([2, 4, 8]), len(changed) - at)
            changed[at : at + length] = bytes([dice.choice([0, 255])]) * length
        else:
            changed[at] ^= 1 << dice.randrange(8)
    mended = _with_checksums(bytes(changed)) if name.startswith("png") else bytes(changed)
    data = mended if dice.random() < 0.85 else bytes(changed)
    return data[: dice.randrange(len(data))] if dice.random() < 0.05 else data


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG whose chunks' checksums are right, so that their content is looked at."""
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        body = data[at + 4 : at + 8 + length]
        parts.append(data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join(parts) + data[at:]


def _ask_others(name: str, data: bytes) -> list[NDArray[Any]]:
    """Return what other decoders read, of those that do."""
    if name.startswith(("png", "jpeg", "bmp")):
        return _asked(_ask_pillow, data)
    if name.startswith("jp2"):
        return _asked(_ask_gdal, data, JP2_DRIVER)
    by_gdal = _asked(_ask_gdal, data, "GTiff")
    if name.startswith(("tiff RGBA", "tiff big")):  # OpenCV multiplies their colours by the fourth
        return by_gdal
    # Where a strip unpacks to more than it should, GDAL gives what lay in memory.
    return [*by_gdal, *_asked(_ask_opencv, data)]


def _asked(ask: Callable[..., NDArray[Any]], *args: Any) -> list[NDArray[Any]]:
    try:
        return [ask(*args)]
    except Exception:  # noqa: BLE001 (it may fail in any way)
        return []


def _ask_gdal(data: bytes, driver: str) -> NDArray[Any]:
    with open_raster(data, "x", driver=driver) as raster:
        return turn_upright(raster.read(), read_header(data, "x").orientation)


def _ask_opencv(data: bytes) -> NDArray[Any]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    return pixels[..., ::-1] if pixels.ndim == 3 else pixels


def _ask_pillow(data: bytes) -> NDArray[Any]:
    image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    mode = image.mode if image.mode.startswith("I") else "RGB"
    return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else mode))


def _judge(name: str, data: bytes, seed: bytes) -> str:
    """Return what came of a file."""
    try:
        pixels = decode_picture(data, "x").pixels
    except DataError as error:
        return "refused" if error.hint and str(error).startswith("cannot ") else "told badly"
    others = _ask_others(name, data)
    if not others:
        # Of tags that no decoder needs GDAL and Pillow refuse some.
        same = np.array_equal(pixels, decode_picture(seed, "x").pixels)
        return "unchanged" if same else "strange"
    if pixels.dtype == np.uint16 and name.startswith("png"):
        return "deep"  # Pillow has no colours of 16 bits
    # Palettes of 16 bits, and inks, are rounded by more than one rule.
    most = 1 if name.startswith(("tiff P", "tiff CMYK", "jpeg CMYK")) else 0
    for other in others:
        fits = pixels.shape == other.shape
        if fits and np.abs(pixels.astype(int) - other).max() <= most:
            return "equal"
    return "other pixels"


def main() -> None:
    count, seed = (int(value) for value in sys.argv[1:3])
    warnings.simplefilter("ignore")
    dice, outcomes, failed = random.Random(seed), Counter[str](), []
    seeds = {**_pngs(), **_by_pillow(), **_by_gdal()}
    with rasterio.Env():
        for number in range(count):
            name = sorted(seeds)[number % len(seeds)]
            data = _mutate(name, seeds[name], dice)
            begin = time.perf_counter()
            try:
                outcome = _judge(name, data, seeds[name])
            except Exception as error:  # noqa: BLE001 (that is what is looked for)
                outcome = f"{type(error).__name__}"
            if time.perf_counter() - begin > _SLOW_S:
                outcome = "slow"
            outcomes[outcome] += 1
            if outcome not in ("refused", "equal", "deep", "unchanged"):
                failed.append(f"{name} {number}: {outcome}")
    sys.stdout.write(json.dumps({"outcomes": outcomes, "failed": failed}) + "\n")


if __name__ == "__main__":
    main()
