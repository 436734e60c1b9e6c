# SPDX-License-Identifier: Apache-2.0
"""Bad input through the installed ``zoo`` command: one message, nothing lost, nothing left."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder beside which nothing lies; the commands find the checkout's plugins."""
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(Path(__file__).resolve().parents[2]))
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def raw(make_raw: Callable[..., Path], place: Path) -> Path:
    """A sound raw folder."""
    return Path(shutil.copytree(make_raw(), place / "raw"))


def _run(
    source: Path, out: Path, *options: str, setup: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("zoo")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "zoo"]
    command += ["data", "prepare", "folder_data", "--source", str(source), "--out", str(out)]
    return subprocess.run(
        [*command, "--shares", "0.6,0.2,0.2", *options],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=setup,
    )


def _list(root: Path) -> list[tuple[str, int]]:
    found = [path for path in root.rglob("*") if path.name != "spoilt"]
    return sorted((str(path.relative_to(root)), path.lstat().st_mtime_ns) for path in found)


def _no_masks(raw: Path) -> str:
    shutil.rmtree(raw / "masks")
    (raw / "masks").mkdir()
    (raw / "masks" / "readme.txt").touch()
    return "no masks at all"


def _no_partners(raw: Path) -> str:
    for path in (raw / "masks").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    return "none of equal stem"


def _size_differs(raw: Path) -> str:
    cv2.imwrite(str(raw / "masks" / "s3_1.png"), np.zeros((9, 14), np.uint8))
    return "masks/s3_1.png"


def _truncated(raw: Path) -> str:
    path = raw / "masks" / "s3_1.png"
    path.write_bytes(path.read_bytes()[:-30])
    return "masks/s3_1.png"


def _zero_bytes(raw: Path) -> str:
    (raw / "images" / "s3_1.jpg").write_bytes(b"")
    return "images/s3_1.jpg"


def _strange_value(raw: Path) -> str:
    cv2.imwrite(str(raw / "masks" / "s3_1.png"), np.full((10, 14), 8, np.uint8))
    return "8 (140 px)"


def _same_stem(raw: Path) -> str:
    shutil.copy(raw / "images" / "s3_1.jpg", raw / "images" / "s3_1.png")
    return "'images/s3_1.jpg' and 'images/s3_1.png'"


def _unknown_key(raw: Path) -> str:
    (raw / "classes.toml").write_text('[[class]]\nname = "a"\nvalu = 0')
    return "classes.toml"


@pytest.mark.parametrize(
    "spoil",
    [
        _no_masks,
        _no_partners,
        _size_differs,
        _truncated,
        _zero_bytes,
        _strange_value,
        _same_stem,
        _unknown_key,
    ],
)
def test_prepare_when_folder_is_bad_then_one_message(
    place: Path, raw: Path, spoil: Callable[[Path], str]
) -> None:
    """Exit code 1, the guilty file or value, a hint; source as it was, no output."""
    told = spoil(raw)
    before = _list(place)

    run = _run(raw, place / "new" / "out")

    assert run.returncode == 1
    assert told in run.stderr
    assert run.stderr.count("HINT: ") == 1
    assert "Traceback" not in run.stderr
    assert _list(place) == before


@pytest.mark.parametrize(
    ("name", "mode", "told"),
    [
        ("../x.png", stat.S_IFREG, "climbs out of the archive"),
        ("/x.png", stat.S_IFREG, "has an absolute name"),
        ("images/x.png", stat.S_IFLNK, "is a link"),
        ("images/bomb.bmp", stat.S_IFREG, "unpacks from"),
    ],
)
def test_prepare_when_archive_is_hostile_then_refused(
    place: Path, raw: Path, name: str, mode: int, told: str
) -> None:
    """One bad entry among good ones."""
    archive = Path(shutil.make_archive(str(place / "set"), "zip", raw))
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (mode | 0o644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(entry, bytes(65 * 2**20 if "bomb" in name else 10))
    before = _list(place)

    run = _run(archive, place / "out")

    assert run.returncode == 1
    assert f"entry {name!r} {told}" in run.stderr
    assert "HINT: " in run.stderr
    assert _list(place) == before


@pytest.mark.parametrize("out", ["raw", "raw/prepared", "."])
def test_prepare_when_out_overlaps_source_then_refused(place: Path, raw: Path, out: str) -> None:
    """Equal, inside, around."""
    before = _list(place)

    run = _run(raw, place / out)

    assert run.returncode == 1
    assert "cannot prepare into" in run.stderr
    assert "HINT: give another --out" in run.stderr
    assert _list(place) == before


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_prepare_when_file_is_unreadable_then_named(place: Path, raw: Path) -> None:
    """No rights stop root, who meets a file instead that no one can read from its beginning."""
    path = raw / "images" / "s3_1.jpg"
    if os.geteuid() == 0:
        path.unlink()
        path.symlink_to("/proc/self/mem")
    else:
        path.chmod(0)
    before = _list(place)

    run = _run(raw, place / "out")

    assert run.returncode == 1
    assert "error: cannot read 's3_1.jpg': " in run.stderr
    assert f"where: {path}" in run.stderr
    assert "HINT: " in run.stderr
    assert _list(place) == before


def test_prepare_when_disk_is_full_then_nothing_left(place: Path, raw: Path) -> None:
    """A limit on the size of files stands for the disk."""
    big = np.random.default_rng(0).integers(0, 256, (100, 100), dtype=np.uint8)
    cv2.imwrite(str(raw / "images" / "s3_1.jpg"), big)
    cv2.imwrite(str(raw / "masks" / "s3_1.png"), np.zeros((100, 100), np.uint8))
    before = _list(place)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    run = _run(raw, place / "out", setup=limit)

    assert run.returncode == 1
    assert "cannot write 's3_1.png': File too large." in run.stderr
    assert "HINT: free some space" in run.stderr
    assert _list(place) == before


def test_prepare_when_unpaired_and_empty_then_done_and_reported(place: Path, raw: Path) -> None:
    """What can be left out or kept without a guess is, and the user is told."""
    (raw / "masks" / "s0_0.png").rename(raw / "masks" / "lonely.png")
    cv2.imwrite(str(raw / "masks" / "s1_0.png"), np.zeros((10, 14), np.uint8))

    run = _run(raw, place / "out")

    assert run.returncode == 0, run.stderr
    assert "dropped 1: image without a mask (images/s0_0.jpg)" in run.stdout
    assert "mask without an image called 'lonely' (masks/lonely.png)" in run.stdout
    assert "empty mask: nothing but 'ground' (masks/s1_0.png)" in run.stdout
    assert (place / "out" / "masks" / "s1_0.png").exists()


def test_prepare_when_run_twice_then_second_says_unchanged(place: Path, raw: Path) -> None:
    """And one with another option says what differs."""
    _run(raw, place / "out")
    before = _list(place)

    again, other = _run(raw, place / "out"), _run(raw, place / "out", "--size", "8")

    assert (again.returncode, other.returncode) == (0, 1)
    assert "unchanged" in again.stdout
    assert "option size was None, is [8, 8]" in other.stderr
    assert _list(place) == before
