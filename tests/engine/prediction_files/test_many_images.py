# SPDX-License-Identifier: Apache-2.0
"""Batches of very many images: the same files, and memory that does not grow with them."""

from __future__ import annotations

import json
import os
import pathlib
import random
import sqlite3
import timeit
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zoo.documents import Limits
from zoo.engine.prediction_files.documents import read_object, write_object
from zoo.engine.prediction_files.inputs import find_inputs
from zoo.engine.prediction_files.kept import KeptRows, sorted_paths
from zoo.errors import DataError

ROWS: list[Any] = [
    *([], {}, [[]], [{}], {"a": []}, {"a": {"b": [1, {"c": None}]}}),
    *(1.5, -0.0, 1e300, "", "a\nb\u2028\udcff", True, None, [1, [2, [3, {}]]]),
]


@pytest.mark.parametrize("indent", [None, 1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, len(ROWS)])
def test_object_written_row_by_row_is_that_of_json_dumps(indent: int | None, count: int) -> None:
    """Byte for byte, wherever the long lists are, empty ones included."""
    values = {"first": ROWS[:count], "x": ROWS, "y": {"z": ROWS}, "last": ROWS[:count]}
    stream = BytesIO()

    write_object(
        stream,
        {key: iter(rows) if key in ("first", "last") else rows for key, rows in values.items()},
        indent=indent,
    )

    separators = (",", ":") if indent is None else None
    expected = json.dumps(values, indent=indent, separators=separators)
    assert stream.getvalue().decode() == expected + "\n"


def test_kept_rows_are_a_dict() -> None:
    """Whatever the key: a number, a name, a name of a file that is no text."""
    kept, expected = KeptRows(), dict(zip(["a", "é", "\udcff", *range(20)], ROWS * 2, strict=False))

    for key, row in expected.items():
        kept[key] = row

    assert (len(kept), list(kept)) == (len(expected), list(expected.values()))
    assert [kept[key] for key in expected] == list(expected.values())
    assert [key in kept for key in ("a", "b", 0, 99)] == [True, False, True, False]
    assert kept.last_key == max(key for key in expected if isinstance(key, int))
    with pytest.raises(KeyError):
        kept["b"]


def test_paths_are_sorted_as_paths() -> None:
    """Folder by folder, and not as texts; with names that are no text."""
    parts = ["a", "a-b", "a.b", "b", "a b", "B", "é", "0", "\udcff"]
    rng = random.Random(7)
    paths = [Path(*rng.choices(parts, k=rng.randint(1, 4))) for _ in range(300)]

    assert list(sorted_paths(paths)) == sorted(paths)


@pytest.mark.parametrize("make", [lambda paths: find_inputs(paths), lambda paths: _kept(paths)])
def test_number_is_known_without_counting(
    make: Callable[[list[Path]], Any], tmp_path: Path
) -> None:
    """A batch asks for it twice an image: of 20,000 it takes about as long as of 20."""
    seconds = {}
    for count in (20, 20_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        paths = [folder / f"{number}.png" for number in range(count)]
        for path in paths:
            path.touch()
        found = make([*paths, *paths[:5]])
        assert len(found) == count
        seconds[count] = min(timeit.repeat(found.__len__, number=100, repeat=5))

    assert seconds[20_000] < 10 * seconds[20]


def _kept(paths: list[Path]) -> KeptRows:
    kept = KeptRows()
    for path in paths:
        kept[path.as_posix()] = {}
    return kept


@contextmanager
def _no_file_above(size_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function from which on this process can write no larger file."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("count", [20_000, 60_000])
def test_disk_that_fills_while_paths_are_sorted_is_an_error_of_zoo(count: int) -> None:
    """All were kept, and only then it is full: to sort writes too."""
    with _no_file_above(0) as fill:

        def paths() -> Iterator[Path]:
            for number in range(count):
                yield Path("/data/of/a/long/name" * 5, f"{number * 7919 % count}.png")
            fill()

        with pytest.raises(DataError, match="cannot keep the list of images") as raised:
            next(sorted_paths(paths()))

    assert "TMPDIR" in str(raised.value.hint)


def test_error_of_who_takes_sorted_paths_is_passed_on() -> None:
    """Also one that looks like the store's own."""
    fault = sqlite3.OperationalError("of another database")
    found = sorted_paths(map(Path, "abc"))
    next(found)

    with pytest.raises(sqlite3.OperationalError) as raised:
        found.throw(fault)

    assert raised.value is fault


@pytest.mark.parametrize("key", ["images", 'a "b" ü'])
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_object_is_read_as_it_was_written(tmp_path: Path, key: str, count: int) -> None:
    """The long list row by row, whatever it holds; the rest as a whole."""
    rows = [
        {"a": number, "images": [{}, [], {"images": ["    }\n", "  ],"]}]}
        for number in range(count)
    ]
    values = {"first": {"images": [{"x": 1}]}, key: rows, "last": [{}, {"y": [1, 2]}]}
    path, found = tmp_path / "x.json", []
    with path.open("wb") as stream:
        write_object(stream, {**values, key: iter(rows)}, indent=2)

    rest = read_object(path, key, Limits(), found.append)

    assert found == rows
    assert rest == {**values, key: []}


@pytest.fixture
def tiles(tmp_path: Path) -> Callable[[int], Iterator[str]]:
    """Return a function that yields paths of tiles, which lead to files of their own."""

    def paths(count: int) -> Iterator[str]:
        for number in range(count):
            path = tmp_path / "tiles" / str(number // 1000) / f"{number % 1000}.png"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
            yield str(path)

    return paths


def _traced_bytes() -> int:
    """Return what is in memory of what was made since the start, without Python's own tables."""
    own = [tracemalloc.Filter(False, path) for path in (pathlib.__file__, tracemalloc.__file__)]
    traces = tracemalloc.take_snapshot().filter_traces(own).statistics("filename")
    return sum(each.size for each in traces)


@pytest.mark.mm
@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(
    bright_run: Path, tmp_path: Path, tiles: Callable[[int], Iterator[str]]
) -> None:
    """Per image less than a pointer, while results come; in the end all are listed in order."""
    from zoo.engine.prediction.model_files import find_model_files
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.prediction_files.predict import predict
    from zoo.engine.prediction_files.spread import Outcome, PredictorBuild, Spread

    first, second, many = 300, 1100, 1200
    grown: list[int] = []

    def predicts_nothing(build: Callable[[], Any], items: Iterable[Any], /) -> Iterator[Any]:
        tracemalloc.start()
        for number, (file, name) in enumerate(items, 1):
            if number in (first, second):
                grown.append(_traced_bytes())
            yield Outcome({"file": file, "label": None, "overlay": None, "areas": {name: 1}})
        tracemalloc.stop()

    predictor = Predictor(str(bright_run), device="cpu")
    build = PredictorBuild(find_model_files(str(bright_run)), "cpu")
    done = predict(predictor, tiles(many), tmp_path / "out", spread=Spread(predicts_nothing, build))

    assert done.count == many
    assert (grown[1] - grown[0]) / (second - first) < 8
    document = json.loads((tmp_path / "out/predictions.json").read_text("utf-8"))
    assert [each["file"] for each in document["images"]] == list(tiles(many))


def test_found_images_are_not_in_memory(
    tmp_path: Path, tiles: Callable[[int], Iterator[str]]
) -> None:
    """A generator of paths is read one by one; names are told apart all the same."""
    find_inputs(tiles(1500))  # writes the files, and imports what reading takes
    grown = []
    for count in (500, 1500):  # what does not depend on their number is in both
        tracemalloc.start()
        found = find_inputs(tiles(count))
        grown.append(_traced_bytes())
        tracemalloc.stop()

    assert (grown[1] - grown[0]) / 1000 < 32
    images = list(found)
    assert len(images) == len(found) == len({image.name for image in images}) == 1500
    assert [image.name for image in images[499:501]] == ["0_499", "500"]
    assert [image.name for image in images[:2]] == ["0_0", "0_1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a.png\n\xff\n", "in line 2, it is not UTF-8 text: byte 0 is 0xff"),
        (b"a.png\n\n\r\nb\0.png\n", "in line 4, it holds a NUL at byte 1"),
        ("a.png\n".encode("utf-16"), "it is UTF-16 text"),
        (b"a.png\n" + b"x" * (2**20 + 1), "it has a line of more than 1,048,576 bytes"),
        (b"\n \n", "it names no image"),
        (None, "No such file"),
    ],
)
def test_list_that_cannot_be_read_ends_in_one_message(
    bright_run: Path, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """Wherever in it the fault is; nothing is written."""
    from zoo.cli import main

    path = tmp_path / "list.txt"
    (tmp_path / "a.png").write_bytes(b"")
    if content is not None:
        path.write_bytes(content.replace(b"a.png", os.fsencode(tmp_path / "a.png")))
    words = ["predict", str(bright_run), "--list", str(path), "--out", str(tmp_path / "out")]

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 1
    assert reason in result.stderr
    assert "list.txt" in result.stderr
    assert "HINT: write" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.mm
@pytest.mark.parametrize(
    ("device", "has_cuda", "opened"),
    [
        ("auto", True, ["cpu"]),
        ("cuda", True, ["cpu"]),
        ("cpu", False, ["cpu"]),
        ("cuda", False, []),
        ("no_device", True, []),
    ],
)
def test_command_itself_takes_no_gpu_on_ray(
    bright_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    has_cuda: bool,
    opened: list[str],
) -> None:
    """It opens the model on the CPU, and refuses a device that its processes cannot have."""
    import torch

    from zoo.cli import main
    from zoo.engine.prediction import model

    places: list[str] = []
    real = model.open_model

    def seen(*given: Any, device: str) -> Any:
        places.append(device)
        return real(*given, device=device)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)
    monkeypatch.setattr(model, "open_model", seen)
    (tmp_path / "x.png").write_bytes(b"")
    words = ["predict", str(bright_run), str(tmp_path / "x.png"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*words, "--ray", "--device", device])

    assert result.exit_code == 1
    assert places == opened
    expected = "no plugin here starts it" if opened else f"cannot use the device '{device}'"
    assert expected in result.stderr
