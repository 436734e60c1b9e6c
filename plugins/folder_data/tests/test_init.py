# SPDX-License-Identifier: Apache-2.0
"""``--init`` writes a file of classes that fits the masks, as it is, whatever blurred them.

The oracle is the drawing that the masks were made from: its regions are known at eight times the
resolution, and away from their edges each pixel must get its class.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

from zoo_folder_data.class_names import parse_class_names  # noqa: E402
from zoo_folder_data.init import write_classes  # noqa: E402
from zoo_folder_data.prepare import prepare  # noqa: E402

from zoo.data import Shares, read_prepared  # noqa: E402 (after the skip)
from zoo.errors import DataError  # noqa: E402

RunZoo = Callable[..., subprocess.CompletedProcess[str]]
ALL = Shares(1, 0, 0)
SIDE, FINE = 80, 8
COLORS = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (64, 128, 192)], np.uint8)


def draw(number: int, classes: int) -> Any:
    """Return regions of ``classes`` classes besides 0, at eight times the resolution."""
    rng = np.random.default_rng(number)
    fine = np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)
    for index in range(1, classes + 1):
        for _ in range(2):
            centre = tuple(int(each) for each in rng.uniform(0.15, 0.85, 2) * SIDE * FINE)
            radius = rng.uniform(0.12, 0.2) * SIDE * FINE
            axes, angle = (int(radius), int(radius * 0.7)), float(rng.uniform(0, 180))
            cv2.ellipse(fine, centre, axes, angle, 0, 360, index, -1)
    return fine


def sharp(fine: Any) -> Any:
    return fine[FINE // 2 :: FINE, FINE // 2 :: FINE]


def smooth(values: Any) -> Any:
    """Return the mean over each pixel: anti-aliasing."""
    shape = (SIDE, FINE, SIDE, FINE, *values.shape[2:])
    return values.reshape(shape).mean(axis=(1, 3)).round()


def png(values: Any) -> bytes:
    values = values[..., ::-1] if values.ndim == 3 else values
    return bytes(cv2.imencode(".png", values)[1])


def jpeg(values: Any, quality: int) -> bytes:
    values = values[..., ::-1] if values.ndim == 3 else values
    return bytes(cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def void(labels: Any) -> Any:
    """Return labels with a thin border of 255 around class 2, as label maps have it."""
    region = (labels == 2).astype(np.uint8)
    border = cv2.dilate(region, np.ones((3, 3), np.uint8)) - cv2.erode(
        region, np.ones((3, 3), np.uint8)
    )
    return np.where(border == 1, 255, labels).astype(np.uint8)


# How a drawing becomes a mask: how many classes it has, its suffix, its bytes.
KINDS: dict[str, tuple[int, str, Callable[[Any], bytes]]] = {
    "0 and 1": (1, "png", lambda fine: png(sharp(fine))),
    "0 and 255": (1, "png", lambda fine: png(sharp(fine) * 255)),
    "anti-aliased": (1, "png", lambda fine: png(smooth(fine * 255.0).astype(np.uint8))),
    "anti-aliased, few greys": (
        1,
        "png",
        lambda fine: png((smooth(fine * 3.0) * 85).astype(np.uint8)),
    ),
    "anti-aliased, 16 bits": (1, "png", lambda fine: png(smooth(fine * 65535.0).astype(np.uint16))),
    "anti-aliased, 0 to 100": (1, "png", lambda fine: png(smooth(fine * 100.0).astype(np.uint8))),
    "soft edges": (
        1,
        "png",
        lambda fine: png(cv2.GaussianBlur(sharp(fine) * 255, (0, 0), 1.0)),
    ),
    "JPEG 50": (1, "jpg", lambda fine: jpeg(sharp(fine) * 255, 50)),
    "JPEG 98": (1, "jpg", lambda fine: jpeg(sharp(fine) * 255, 98)),
    "JPEG of anti-aliased": (
        1,
        "jpg",
        lambda fine: jpeg(smooth(fine * 255.0).astype(np.uint8), 85),
    ),
    "labels": (3, "png", lambda fine: png(sharp(fine))),
    "labels with void": (3, "png", lambda fine: png(void(sharp(fine)))),
    "labels of 16 bits": (3, "png", lambda fine: png(sharp(fine).astype(np.uint16) * 300)),
    "greys": (3, "png", lambda fine: png(sharp(fine) * 85)),
    "greys, anti-aliased": (3, "png", lambda fine: png(smooth(fine * 85.0).astype(np.uint8))),
    "greys, JPEG": (3, "jpg", lambda fine: jpeg(sharp(fine) * 85, 92)),
    "colours": (3, "png", lambda fine: png(COLORS[sharp(fine)])),
    "colours, anti-aliased": (
        3,
        "png",
        lambda fine: png(smooth(COLORS[fine].astype(float)).astype(np.uint8)),
    ),
    "colours, JPEG": (3, "jpg", lambda fine: jpeg(COLORS[sharp(fine)], 90)),
}


def write_raw(root: Path, kind: str = "anti-aliased", *, count: int = 8, end: str = "") -> Path:
    classes, suffix, encode = KINDS[kind]
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for number in range(count):
        fine = draw(number, classes)
        rng = np.random.default_rng([number, 1])
        image = np.clip(rng.normal(60, 9, (SIDE, SIDE)) + 50 * sharp(fine), 0, 255)
        (root / f"images/s{number}.png").write_bytes(png(image.astype(np.uint8)))
        (root / f"masks/s{number}{end}.{suffix}").write_bytes(encode(fine))
    return root


def inner(labels: Any) -> Any:
    """Return where all within two pixels is of one class."""
    kernel = np.ones((5, 5), np.uint8)
    return cv2.dilate(labels, kernel) == cv2.erode(labels, kernel)


@pytest.mark.parametrize("kind", KINDS)
def test_init_when_file_is_used_unedited_then_regions_have_their_classes(
    tmp_path: Path, kind: str
) -> None:
    raw, out = write_raw(tmp_path / "raw", kind), tmp_path / "out"

    draft = write_classes(raw)
    prepare(raw, out, shares=ALL)

    found = read_prepared(out)
    assert draft.path == raw / "classes.toml"
    assert len(found.classes) == KINDS[kind][0] + 1
    assert found.classes[0] == "background"
    colors = tomllib.loads(draft.path.read_text())["class"]
    for number in range(8):
        truth = sharp(draw(number, KINDS[kind][0]))
        labels = cv2.imread(str(out / f"masks/s{number}.png"), cv2.IMREAD_UNCHANGED)
        if kind.startswith("colours"):  # classes are in the order of their colours
            given = [bytes.fromhex(row["color"][1:]) for row in colors]
            near = [np.abs(COLORS.astype(int) - list(color)).sum(axis=1) for color in given]
            truth = np.argsort([int(each.argmin()) for each in near])[truth].astype(np.uint8)
        where = inner(truth) & (labels != 255) if "void" in kind else inner(truth)
        assert np.array_equal(labels[where], truth[where])
        assert (labels == 255).mean() < 0.1


def test_init_when_masks_are_anti_aliased_then_cut_in_the_middle(tmp_path: Path) -> None:
    """Each pixel goes where most of it lies: against the coverage of the drawing."""
    raw = write_raw(tmp_path / "raw")

    write_classes(raw)
    prepare(raw, tmp_path / "out", shares=ALL)

    for number in range(8):
        covered = smooth(draw(number, 1) * 255.0) >= 128
        labels = cv2.imread(str(tmp_path / f"out/masks/s{number}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(labels, covered.astype(np.uint8))


@pytest.mark.parametrize(
    ("folder", "end", "name"),
    [
        ("polyps", "", "polyps"),
        ("my_data", "", "foreground"),
        ("dataset_2", "_retina_vessel_mask", "retina_vessel"),
        ("polyps", "_mask", "polyps"),
        ("PolypData", "_seg", "polyp"),
        ("raw", "-LungMask", "lung"),
    ],
)
def test_init_when_ending_or_folder_says_what_then_named_so(
    tmp_path: Path, folder: str, end: str, name: str
) -> None:
    """The ending of the masks says more than the folder; words such as "mask" say nothing."""
    raw = write_raw(tmp_path / folder, count=3, end=end)

    draft = write_classes(raw)

    assert f"classes: background, {name}" in draft.lines
    assert draft.options == ({"--mask-suffix": end} if end else {})


ARRANGEMENTS = {
    "other folders": (("img", "annotations"), "--images img"),
    "keras-segmentation": (
        ("images_prepped_train", "annotations_prepped_train"),
        "--masks annotations_prepped_train",
    ),
    "deep": (("a/JPEGImages", "a/SegmentationClass"), "a/JPEGImages"),
    "one folder": (("all", "all"), "--mask-suffix _mask"),
    "top": ((".", "."), "--masks . --mask-suffix _mask"),
}


@pytest.mark.slow
@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_init_when_folders_have_other_names_then_the_next_command_runs(
    tmp_path: Path, run_zoo: RunZoo, arrangement: str
) -> None:
    """The command that is printed prepares the folder, typed as it is."""
    (images, masks), words = ARRANGEMENTS[arrangement]
    source = write_raw(tmp_path / "made", count=4, end="_mask" if images == masks else "")
    for kind, place in (("images", images), ("masks", masks)):
        target = tmp_path / "polyps" / place
        target.mkdir(parents=True, exist_ok=True)
        for file in (source / kind).iterdir():
            file.rename(target / file.name)
    args = ("data", "prepare", "folder_data", "--source", "polyps", "--shares", "1,0,0")

    refused = run_zoo(*args, "--out", "out", plugins="folder_data")
    done = run_zoo(*args, "--init", plugins="folder_data")
    command = done.stdout.splitlines()[-1].removeprefix("next: ")
    prepared = run_zoo(*shlex.split(command)[1:], plugins="folder_data")

    assert refused.returncode == 1
    assert words in refused.stderr
    assert done.returncode == 0, done.stderr
    assert words in command
    assert prepared.returncode == 0, prepared.stderr
    assert read_prepared(tmp_path / "data" / "polyps").classes == ("background", "polyps")


@pytest.mark.slow
def test_init_when_source_is_a_zip_then_file_lies_beside_it(
    tmp_path: Path, run_zoo: RunZoo
) -> None:
    """Nothing is written into an archive; the next command names the file."""
    shutil.make_archive(str(tmp_path / "tiles"), "zip", write_raw(tmp_path / "raw"))
    args = ("data", "prepare", "folder_data", "--source", "tiles.zip", "--shares", "1,0,0")

    done = run_zoo(*args, "--init", plugins="folder_data")
    command = done.stdout.splitlines()[-1].removeprefix("next: ")

    assert (tmp_path / "classes.toml").is_file()
    assert "--classes classes.toml" in command
    assert run_zoo(*shlex.split(command)[1:], plugins="folder_data").returncode == 0


@pytest.mark.parametrize("words", [(), ("--classes", "mine.toml")])
def test_init_when_file_is_there_then_it_stays(
    tmp_path: Path, check_refused: Callable[..., str], words: tuple[str, ...]
) -> None:
    """Whatever it holds."""
    raw = write_raw(tmp_path / "raw", count=2)
    path = tmp_path / words[1] if words else raw / "classes.toml"
    path.write_bytes(b"\xff mine")

    args = ("data", "prepare", "folder_data", "--source", raw, *words, "--init")
    message = check_refused(*args, guilty=path.name, plugins="folder_data")

    assert "it exists already, and is not overwritten" in message


def test_init_when_masks_are_photographs_then_refused(tmp_path: Path) -> None:
    """Images in place of masks."""
    raw = write_raw(tmp_path / "raw", count=2)
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        (raw / f"masks/s{number}.png").write_bytes(png(noise))

    with pytest.raises(DataError, match="many values that fill no regions, as photographs do"):
        write_classes(raw)

    assert not (raw / "classes.toml").exists()


def test_init_when_json_is_asked_for_then_one_object(tmp_path: Path, run_zoo: RunZoo) -> None:
    write_raw(tmp_path / "polyps", count=3)
    args = ("data", "prepare", "folder_data", "--source", "polyps", "--init", "--json")

    told = json.loads(run_zoo(*args, plugins="folder_data").stdout)

    assert set(told) == {"schema", "written", "found", "next"}
    assert told["written"] == str(Path("polyps/classes.toml"))
    assert told["next"] == "zoo data prepare folder_data --source polyps --out data/polyps"


def test_init_when_a_class_is_in_few_masks_then_found(tmp_path: Path) -> None:
    """All masks are read, not the first alone."""
    raw = write_raw(tmp_path / "raw", "labels", count=12)
    rare = sharp(draw(11, 3))
    rare[:6, :6] = 7
    (raw / "masks/s11.png").write_bytes(png(rare))

    write_classes(raw)

    rows = tomllib.loads((raw / "classes.toml").read_text())["class"]
    assert [row["value"] for row in rows] == [0, 1, 2, 3, 7]


@pytest.mark.slow
def test_init_of_instances_names_the_categories_and_writes_nothing(
    make_coco: Callable[..., Path], tmp_path: Path, run_zoo: RunZoo
) -> None:
    """The classes are the JSON's; one without an object is pointed out."""
    raw = make_coco()
    content = json.loads((raw / "annotations.json").read_text())
    content["categories"].append({"id": 30, "name": "objects"})
    (raw / "annotations.json").write_text(json.dumps(content))
    before = sorted(raw.rglob("*"))

    args = ("data", "prepare", "folder_data", "--task", "instance", "--source", "raw", "--init")
    done = run_zoo(*args, plugins="folder_data")

    assert done.returncode == 0, done.stderr
    assert "house (20), tree (20), objects (0)" in done.stdout
    assert "Without an object: 'objects'." in done.stdout
    assert sorted(raw.rglob("*")) == before
    command = done.stdout.splitlines()[-1].removeprefix("next: ")
    assert run_zoo(*shlex.split(command)[1:], plugins="folder_data").returncode == 0


def test_prepare_of_instances_when_there_are_masks_then_hint_leads_to_them(
    tmp_path: Path, run_zoo: RunZoo
) -> None:
    write_raw(tmp_path / "polyps", count=3)
    args = ("data", "prepare", "folder_data", "--task", "instance", "--source", "polyps")

    refused = run_zoo(*args, "--out", "out", plugins="folder_data")

    assert refused.returncode == 1
    assert "--task semantic" in refused.stderr


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"flight{n // 4}_tile{n % 4}" for n in range(8)], "begin in 2 ways, such as 'flight0'"),
        ([f"case_{n // 2}-{n % 2}" for n in range(8)], "begin in 4 ways, such as 'case_0'"),
        ([f"IMG_{n:04}" for n in range(8)], ""),
        ([f"a{n}" for n in range(8)], ""),
        ([f"x{n}_{n}" for n in range(8)], ""),
    ],
)
def test_init_when_names_begin_alike_then_tells_how_to_keep_them_together(
    tmp_path: Path, names: list[str], told: str
) -> None:
    """Tiles of one scene; not where all begin alike, nor where each begins otherwise."""
    raw = write_raw(tmp_path / "raw")
    for folder in ("images", "masks"):
        for number, name in enumerate(names):
            (raw / folder / f"s{number}.png").rename(raw / folder / f"{name}.png")

    lines = [line for line in write_classes(raw).lines if "--group-by" in line]

    assert len(lines) == bool(told)
    if told:
        assert told in lines[0]
        pattern = lines[0].split("'")[3]
        prepare(raw, tmp_path / "out", shares=ALL, group_by=pattern)
        groups = {row.group for row in read_prepared(tmp_path / "out").files}
        assert len(groups) == int(told.split()[2])


def test_prepare_when_source_is_the_folder_of_images_then_hint_names_the_one_above(
    tmp_path: Path,
) -> None:
    raw = write_raw(tmp_path / "raw", count=2)

    with pytest.raises(DataError, match="cannot find the images") as caught:
        prepare(raw / "images", tmp_path / "out", shares=ALL)

    assert caught.value.hint == f"give the folder that holds both: --source {raw}."


LISTS = {
    # file, its text, the kind of masks, names in the order of the classes
    "labelmap.txt": (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:255,0,0::\n"
        "roof tile:0,255,0::\nwater:64,128,192::\n",
        "colours",
        ["background", "roof tile", "water", "road"],
    ),
    "class_dict.csv": (
        "name,r,g,b\nvoid,0,0,0\nroad,255,0,0\nroof,0,255,0\nwater,64,128,192\n",
        "colours, anti-aliased",
        ["void", "roof", "water", "road"],
    ),
    "label_colors.txt": (
        "0 0 0\t\tVoid\n255 0 0\tRoad\n0 255 0\tRoof\n64 128 192\tOpen water\n",
        "colours",
        ["Void", "Roof", "Open water", "Road"],
    ),
    "classes.csv": ("id,name\n0,ground\n1,road\n2,roof\n3,water\n9,sky\n", "labels", None),
    "names.csv": ("class,id\nground,0\nroad,1\nroof,2\nwater,3\n", "labels", None),
    "labels.txt": ("ground\nroad\nroof\nwater\n", "labels", None),
    "class_names.txt": ("__ignore__\nground\nroad\nroof\nwater\n", "greys", None),
    "coco.names": ("ground\nroad\nroof\nwater\n", "labels with void", None),
}


@pytest.mark.parametrize("file", LISTS)
def test_init_when_the_folder_has_a_list_of_classes_then_named_by_it(
    tmp_path: Path, file: str
) -> None:
    """As tools and data sets leave them: by colour, by id, or in order."""
    text, kind, names = LISTS[file]
    raw = write_raw(tmp_path / "raw", kind)
    (raw / file).write_text(text)

    draft = write_classes(raw)

    wanted = names or ["ground", "road", "roof", "water"]
    assert draft.lines[0] == f"classes: {', '.join(wanted)}"
    assert any(f"The names are from {file!r}" in line for line in draft.lines)
    assert len(prepare(raw, tmp_path / "out", shares=ALL).class_px) == 5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "road\n",
        "a,b,c\n1,2,3\n",
        "0 0.5 0.5 0.1 0.2\n",
        "ground\nroad\nroad\nwater\n",
        "\x00\xff",
    ],
)
def test_init_when_a_list_does_not_name_all_classes_then_passed_over(
    tmp_path: Path, text: str
) -> None:
    """It is none, or one of other classes."""
    raw = write_raw(tmp_path / "raw", "labels", count=3)
    (raw / "labels.txt").write_text(text)

    draft = write_classes(raw)

    assert draft.lines[0] == "classes: background, class_1, class_2, class_3"


@settings(max_examples=300, deadline=None)
@given(st.text("a1 ,:;#\t\n", max_size=400))
def test_parse_class_names_when_any_text_then_names_or_nothing(text: str) -> None:
    """Whatever lies beside images; and at once."""
    found = parse_class_names(text)

    names = [*found.by_color.values(), *found.by_value.values(), *found.in_order]
    assert all(name.strip() == name and name for name in names)
