# SPDX-License-Identifier: Apache-2.0
"""Files that would hang a reader, or fill the memory: refused before a pixel is decoded."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
pytest.importorskip("cv2")

sys.path.append(str(Path(__file__).parent))
from png_writer import START, chunk, png  # noqa: E402

from zoo.data import decode_image, open_source, read_file, read_picture  # noqa: E402
from zoo.engine.prediction_files.inputs import find_inputs  # noqa: E402
from zoo.engine.scenes.opening import open_scene  # noqa: E402
from zoo.errors import DataError  # noqa: E402

_MEMORY_BYTES = 3 * 2**30  # of the process; OpenCV and NumPy map about one of them by themselves


def _open(path: Path) -> None:
    with open_scene(path):
        pass


@pytest.mark.parametrize("read", [read_file, read_picture, _open], ids=["file", "picture", "scene"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.timeout(20)
def test_special_file_when_read_then_refused_at_once(
    tmp_path: Path, read: Callable[[Path], object], kind: str
) -> None:
    """A pipe without a writer would wait, and a device never end."""
    path = tmp_path / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()

    with pytest.raises(DataError, match=r"^cannot read 'a\.png': ") as caught:
        read(path)

    assert caught.value.hint


@pytest.mark.timeout(20)
def test_folder_when_it_holds_a_pipe_then_it_is_not_asked_what_it_is(tmp_path: Path) -> None:
    """A plugin looks into files without a suffix; by its suffix a pipe is an input that fails."""
    os.mkfifo(tmp_path / "scan")
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b").write_bytes(b"x")
    asked: list[str] = []

    def reads(path: Path) -> bool:
        asked.append(path.name)
        return True

    found = find_inputs([tmp_path], reads=reads)

    assert [image.path.name for image in found] == ["a.png", "b"]
    assert asked == ["b"]


@pytest.mark.timeout(20)
def test_file_when_of_10_gigabytes_then_refused_before_it_is_read(tmp_path: Path) -> None:
    """Sparse, as no test should write so much; as an image of a batch and of a source."""
    path = tmp_path / "a.png"
    with path.open("wb") as stream:
        stream.truncate(10 * 10**9)

    for read in (read_file, read_picture):
        with pytest.raises(DataError, match="10,000,000,000 bytes, expected at most"):
            read(path)
    with (
        pytest.raises(DataError, match="10,000,000,000 bytes"),
        open_source(tmp_path) as source,
    ):
        source.read("a.png")


def _black_png(side: int) -> bytes:
    """Return a PNG of a few hundred bytes, ``side`` x ``side`` px, 16 bits of four channels."""
    head = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    rows = zlib.compress(bytes(10**5))
    return START + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _bomb_chunk(kind: bytes, head: bytes) -> bytes:
    """Return a chunk of a few megabytes that unpacks to 4 GiB."""
    pump = zlib.compressobj(9)
    first = pump.compress(bytes(2**24)) + pump.flush(zlib.Z_FULL_FLUSH)
    again = pump.compress(bytes(2**24)) + pump.flush(zlib.Z_FULL_FLUSH)
    return chunk(kind, head + first + again * 255)


def _jpeg(width: int, height: int, scans: int = 1) -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, 0xC2, 11, 8, height, width, 1) + b"\1\x11\0"
    scan = b"\xff\xda\0\x08\1\1\0\0\0\0"
    return b"\xff\xd8" + frame + scan * scans + b"\xff\xd9"


def _tiff(*tags: tuple[int, int, int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def _page(width: int, height: int, *more: tuple[int, int, int, int]) -> bytes:
    taken = {tag for tag, *_ in more}
    usual = (
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (273, 4, 1, 8),
        (279, 4, 1, 9),
    )
    return _tiff(*(tag for tag in usual if tag[0] not in taken), *more)


def _chain(number: int) -> bytes:
    """Return a TIFF of empty directories, each leading to the next."""
    links = (struct.pack("<HI", 0, 8 + 6 * (at + 1)) for at in range(number))
    return b"II*\0" + struct.pack("<I", 8) + b"".join(links)


_BOMBS = {
    "PNG of 30000^2 px": lambda: _black_png(30_000),
    "PNG of 2^31 px a side": lambda: _black_png(2**31 - 1),
    "JPEG of 65500^2 px": lambda: _jpeg(65_500, 65_500),
    "JPEG of 2000 scans": lambda: _jpeg(16_000, 16_000, 2000),
    "TIFF of 2^31 px a side": lambda: _page(2**31 - 1, 2**31 - 1),
    "TIFF of 10^5 directories": lambda: _chain(100_000),
    "TIFF of 2^32 strips": lambda: _page(64, 64, (273, 4, 2**32 - 1, 8)),
    "TIFF of 2^32 bands": lambda: _page(64, 64, (258, 3, 2**32 - 1, 8), (277, 3, 1, 65535)),
    "TIFF of one tile of 2^31 px": lambda: _page(64, 64, (322, 4, 1, 2**31), (323, 4, 1, 2**31)),
    "BMP of 2^31 px a side": lambda: (
        struct.pack("<2sIHHI", b"BM", 99, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"II+\0\x08\0\0\0" + b"\xff" * 8, "truncated or damaged TIFF"),
        (b"II+\0\x08\0\0\0" + b"\0" * 8, "it has no page"),
        (b"II*\0\x08\0\0\0", "truncated or damaged TIFF"),
        (b"MM\0*", "truncated or damaged TIFF"),
        (_page(0, 64), "its size is 0x64 px"),
        (_page(64, 64, (258, 3, 1, 0)), "found uint0 pixels"),
        (_page(64, 64, (322, 4, 1, 0), (323, 4, 1, 16), (324, 4, 1, 8)), "tiles have no pixels"),
        (png(np.zeros((2, 2, 1), int), 0, 8)[:40], "truncated PNG"),
        (START + chunk(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0])), "of 0 bits"),
        (START + chunk(b"IHDR", bytes(13)), "damaged PNG of 0x0 px"),
        (START + chunk(b"IEND", b""), "does not start with its header"),
        (b"\xff\xd8\xff", "truncated JPEG"),
        (b"\xff\xd8\xff\xc0\0\2\xff\xda\0\2\xff\xd9", "frame header is too short"),
        (_jpeg(0, 9), "damaged JPEG of 0x9 px"),
        (b"BM", "damaged BMP"),
        (b"BM" + b"\xff" * 80, "damaged BMP"),
    ],
)
def test_header_when_it_says_the_impossible_then_one_message(data: bytes, found: str) -> None:
    """Offsets of 2^64 - 1, no bits, no pixels, no header: what is wrong is said in words."""
    with pytest.raises(DataError, match=r"^cannot decode 'x': ") as caught:
        decode_image(data, "x")

    assert found in caught.value.message
    assert caught.value.hint


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


@pytest.mark.timeout(60)
def test_bombs_when_decoded_then_refused_within_memory_and_time(tmp_path: Path) -> None:
    """In a process that may not map more than 3 GB, and 20 s for all of them."""
    for number, make in enumerate(_BOMBS.values()):
        (tmp_path / f"{number:02d}").write_bytes(make())
    script = (
        "import sys, pathlib\n"
        "from zoo.data import decode_image\n"
        "from zoo.errors import DataError\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n"
        "        print('read', decode_image(path.read_bytes(), path.name).shape)\n"
        "    except DataError as error:\n"
        "        print(error.message)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        preexec_fn=_limit_memory,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == len(_BOMBS)
    for name, line in zip(_BOMBS, lines, strict=True):
        assert line.startswith(("cannot decode ", "cannot open ")), (name, line)


@pytest.mark.timeout(60)
def test_png_when_its_profile_or_comment_is_a_bomb_then_its_pixels_are_read(
    tmp_path: Path,
) -> None:
    """The chunks never reach a decoder, so nothing unpacks them."""
    samples = np.arange(48).reshape(4, 4, 3)
    before = _bomb_chunk(b"iCCP", b"x\0\0") + _bomb_chunk(b"zTXt", b"x\0\0")

    data = png(samples, 2, 8, before=before)

    assert len(data) < 10**7
    assert np.array_equal(samples, decode_image(data, "x"))
