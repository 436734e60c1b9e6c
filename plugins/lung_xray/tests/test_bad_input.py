# SPDX-License-Identifier: Apache-2.0
"""Bad X-rays through the installed command: one message, the source untouched, nothing left.

Each row changes one thing of six good pairs. What the rules are is tested elsewhere, function by
function; here the command is.
"""

import ctypes
import json
import os
import resource
import signal
import stat
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.data import encode_png

Files = dict[str, np.ndarray | bytes | None]
Refused = Callable[..., str]
RunZoo = Callable[..., subprocess.CompletedProcess[str]]
WriteRaw = Callable[..., Path]

PREPARE = ("data", "prepare", "lung_xray")
PLUGINS = "lung_xray"
SHARES = ("--shares", "1,0,0")
IMAGE, MASK = "CXR_png/MCUCXR_0002_0.png", "masks/MCUCXR_0002_0.png"


def label_map(levels: int) -> np.ndarray:
    """Return a mask of equally frequent grey levels."""
    values = np.linspace(0, 255, levels).astype(np.uint8)
    return np.sort(np.resize(values, 256)).reshape(16, 16)


def noise(height_px: int, width_px: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height_px, width_px), np.uint8)


ROWS: dict[str, tuple[Files, str, str]] = {
    # what of the six pairs changes (None: not there), the guilty file, what is said
    "a label map of three": ({MASK: label_map(3)}, MASK, "found 3 grey levels"),
    "a label map of eight": ({MASK: label_map(8)}, MASK, "found 8 grey levels"),
    "sizes differ": ({MASK: label_map(2)[:12]}, MASK, "has 16x12 px, expected the image's 16x16"),
    "truncated image": ({IMAGE: encode_png(noise(16, 16))[:-20]}, IMAGE, "truncated PNG"),
    "truncated mask": ({MASK: encode_png(label_map(2))[:-9]}, MASK, "truncated PNG"),
    "image of zero bytes": ({IMAGE: b""}, IMAGE, "found an empty file"),
    "mask of zero bytes": ({MASK: b""}, MASK, "found an empty file"),
    "no picture": ({IMAGE: b"<html>not found</html>"}, IMAGE, "cannot decode 'MCUCXR_0002_0.png'"),
    "image twice": ({IMAGE[:-4] + ".jpg": noise(16, 16)}, "MCUCXR_0002_0.jpg", "expected one."),
    "mask twice": ({MASK[:-4] + "_mask.png": label_map(2)}, "MCUCXR_0002_0_mask", "expected one."),
}


@pytest.mark.parametrize(("change", "guilty", "says"), ROWS.values(), ids=ROWS)
def test_prepare_when_a_file_is_bad_then_refused(
    write_raw: WriteRaw,
    pairs: Files,
    check_refused: Refused,
    change: Files,
    guilty: str,
    says: str,
) -> None:
    """The guilty file is named."""
    source = write_raw(pairs | change)

    args = (*PREPARE, "--source", source, "--out", "new/out", *SHARES)
    message = check_refused(*args, guilty=guilty, plugins=PLUGINS)

    assert says in message


@pytest.mark.parametrize(
    ("keep", "guilty"),
    [("CXR_png", "Lung Segmentation/CXR_png"), ("masks", "Lung Segmentation/masks")],
)
def test_prepare_when_there_are_no_masks_or_no_images_then_refused(
    write_raw: WriteRaw, pairs: Files, check_refused: Refused, keep: str, guilty: str
) -> None:
    """What was found instead, and what was looked for."""
    source = write_raw({name: data for name, data in pairs.items() if name.startswith(keep)})

    args = (*PREPARE, "--source", source, "--out", "out")
    message = check_refused(*args, guilty=guilty, plugins=PLUGINS)

    assert "expected a folder with 'CXR_png' and 'masks'" in message


def test_prepare_when_no_image_has_a_mask_then_refused(
    write_raw: WriteRaw, pairs: Files, check_refused: Refused
) -> None:
    """Both folders are full, and nothing belongs together."""
    renamed = {name.replace("masks/", "masks/x"): data for name, data in pairs.items()}
    source = write_raw(renamed)

    args = (*PREPARE, "--source", source, "--out", "out")
    message = check_refused(*args, guilty=source, plugins=PLUGINS)

    assert "found 6 images and 6 masks, but no equal stems" in message


def test_prepare_when_some_are_alone_or_empty_then_done_and_reported(
    write_raw: WriteRaw, pairs: Files, run_zoo: RunZoo, tmp_path: Path
) -> None:
    """A mask without image, an image without mask, an empty mask: no reason to refuse the rest."""
    alone: Files = {
        "CXR_png/MCUCXR_0009_0.png": noise(16, 16),
        "masks/CHNCXR_0008_1_mask.png": label_map(2),
        MASK: np.zeros((16, 16), np.uint8),
    }
    source = write_raw(pairs | alone)

    args = (*PREPARE, "--source", source, "--out", "out", *SHARES)
    done = run_zoo(*args, plugins=PLUGINS)

    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    dropped = {Path(line["file"]).name: line["reason"] for line in report["dropped"]}
    assert dropped == {
        "MCUCXR_0009_0.png": "image without a mask",
        "CHNCXR_0008_1_mask.png": "mask without an image called 'CHNCXR_0008_1'",
    }
    assert all(name in done.stdout for name in dropped)
    assert [Path(line["file"]).name for line in report["notes"]] == [Path(MASK).name]
    assert (tmp_path / "out" / MASK).is_file()


def add_link(archive: zipfile.ZipFile) -> None:
    entry = zipfile.ZipInfo("Lung Segmentation/masks/link.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def add_bomb(archive: zipfile.ZipFile) -> None:
    archive.writestr("Lung Segmentation/masks/bomb.png", bytes(65 * 2**20), zipfile.ZIP_DEFLATED)


ARCHIVES: dict[str, tuple[Callable[[zipfile.ZipFile], None], str, str]] = {
    "climbs": (lambda zip_: zip_.writestr("../evil.png", b"x"), "../evil.png", "escapes"),
    "absolute": (lambda zip_: zip_.writestr("/evil.png", b"x"), "/evil.png", "absolute name"),
    "link": (add_link, "masks/link.png", "is a link"),
    "bomb": (add_bomb, "masks/bomb.png", "unpacks from"),
}


@pytest.mark.parametrize(("add", "guilty", "says"), ARCHIVES.values(), ids=ARCHIVES)
def test_prepare_when_archive_is_hostile_then_refused(
    pairs: Files,
    tmp_path: Path,
    check_refused: Refused,
    add: Callable[[zipfile.ZipFile], None],
    guilty: str,
    says: str,
) -> None:
    """The good pairs that it holds do not save it; nothing is unpacked anywhere."""
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for name, data in pairs.items():
            archive.writestr(f"Lung Segmentation/{name}", encode_png(data))
        add(archive)

    args = (*PREPARE, "--source", "raw.zip", "--out", "out")
    message = check_refused(*args, guilty=guilty, plugins=PLUGINS)

    assert says in message
    assert "raw.zip" in message


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("raw", "it is the source itself"),
        ("raw/prepared", "it is inside the source"),
        (".", "lies inside it"),
    ],
)
def test_prepare_when_source_and_out_overlap_then_refused(
    write_raw: WriteRaw, pairs: Files, check_refused: Refused, out: str, says: str
) -> None:
    """The source is never written to."""
    source = write_raw(pairs)

    args = (*PREPARE, "--source", source, "--out", out, *SHARES)
    message = check_refused(*args, guilty=f"where: {out}", plugins=PLUGINS)

    assert says in message


def test_prepare_when_out_is_taken_then_refused(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path, check_refused: Refused
) -> None:
    """What lies there is someone's."""
    source = write_raw(pairs)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")

    args = (*PREPARE, "--source", source, "--out", "out", *SHARES)
    message = check_refused(*args, guilty="where: out", plugins=PLUGINS)

    assert "found a folder that is not a prepared data set" in message


def obey_permissions() -> None:
    """Take from root what lets it read everything; a child of a common user has it not."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_prepare_when_a_file_may_not_be_read_then_refused(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path, check_refused: Refused
) -> None:
    """The hint is about rights."""
    source = write_raw(pairs)
    secret = source / "Lung Segmentation" / IMAGE
    content = secret.read_bytes()
    secret.chmod(0)
    probe = subprocess.run(
        ["cat", secret], preexec_fn=obey_permissions, capture_output=True, check=False
    )
    if probe.stdout == content:
        secret.chmod(0o600)
        pytest.skip("this user may read everything")

    args = (*PREPARE, "--source", source, "--out", "out", *SHARES)
    try:
        message = check_refused(*args, guilty=secret, plugins=PLUGINS, before=obey_permissions)
    finally:
        secret.chmod(0o600)

    assert "Permission denied" in message
    assert "give yourself permission" in message


def fill_disk() -> None:
    """Let no file grow over 100 kB, which fails a write as a full disk does: half way."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_prepare_when_disk_is_full_then_refused(
    write_raw: WriteRaw, pairs: Files, check_refused: Refused
) -> None:
    """The pairs that were written before go too; one that failed stands for all."""
    big = {name: noise(400, 400) if "CXR_png" in name else np.eye(400) for name in pairs}
    source = write_raw(pairs | {name: big[name].astype(np.uint8) for name in sorted(big)[2:]})

    args = (*PREPARE, "--source", source, "--out", "new/out", *SHARES)
    message = check_refused(*args, guilty="new/", plugins=PLUGINS, before=fill_disk)

    assert message.count("cannot write") == 1
    assert "free some space" in message


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Write 60 pairs of 512 px, all links to one of each: enough to be interrupted in."""
    first = {"CXR_png": noise(512, 512), "masks": np.kron(label_map(2), np.ones((32, 32)))}
    for folder, picture in first.items():
        place = tmp_path / "raw" / folder
        place.mkdir(parents=True)
        origin = place / "MCUCXR_0001_0.png"
        origin.write_bytes(encode_png(picture.astype(np.uint8)))
        for number in range(2, 61):
            (place / f"MCUCXR_{number:04d}_0.png").hardlink_to(origin)
    return tmp_path / "raw"


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGKILL", -signal.SIGKILL)])
def test_prepare_when_ended_half_way_then_running_again_is_whole(
    many: Path,
    tmp_path: Path,
    start_zoo: Callable[..., subprocess.Popen[str]],
    run_zoo: RunZoo,
    name: str,
    code: int,
) -> None:
    """Ctrl-C leaves nothing; what a kill leaves is hidden, and gone after the next run."""
    args = (*PREPARE, "--source", many, "--out", "new/out", *SHARES)

    process = start_zoo(*args, plugins=PLUGINS)
    while process.poll() is None and not list(tmp_path.glob("new/.*/**/masks/*_0.png")):
        time.sleep(0.002)
    process.send_signal(getattr(signal, name))
    _, told = process.communicate(timeout=120)
    left = sorted(path.name for path in tmp_path.glob("new/*"))
    again = run_zoo(*args, plugins=PLUGINS)

    assert process.returncode == code, told
    assert "Traceback" not in told
    assert all(other.startswith(".out.") for other in left)
    assert not (left and name == "SIGINT")
    assert again.returncode == 0, again.stderr
    assert [path.name for path in tmp_path.glob("new/*")] == ["out"]
    assert len(list(tmp_path.glob("new/out/masks/*.png"))) == 60
