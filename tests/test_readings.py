# SPDX-License-Identifier: Apache-2.0
"""What manifests said, kept in the cache: same bytes, same reading, and no harm by bad files."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from zoo.catalog.reading import read_records
from zoo.catalog.readings import encoding, kept
from zoo.catalog.readings.encoding import decoded, encoded
from zoo.catalog.readings.kept import Readings, remove_oldest
from zoo.catalog.records import PluginRecord
from zoo.files import digest_of_file
from zoo.manifest import rows, weights_rows
from zoo.manifest.reading import read_manifest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted([*ROOT.glob("plugins/*/zoo_*/zoo_plugin.toml"), ROOT / "configs/zoo_plugin.toml"])
MANIFEST = """\
[plugin]
name = "{name}"
version = "{version}"
api = 1
summary = "A plugin"
license = "Apache-2.0"

[[loss]]
name = "Loss"
target = "zoo_{name}.loss:Loss"
"""
ROW = {
    "name": "unet_a",
    "task": "semantic",
    "config": "c",
    "urls": ["https://example.org/unet_a.pth"],
    "sha256_prefix": "0123456789",
    "format": "pth",
    "licence": "MIT",
    "data_licence": "CC0-1.0",
    "parameters": 3,
}


class Place(NamedTuple):
    """A folder of plugins, and where their readings are kept."""

    plugins: Path
    cache: Path

    def write(self, name: str = "a", version: str = "0.1.0", more: str = "") -> Path:
        path = self.plugins / name / f"zoo_{name}" / "zoo_plugin.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MANIFEST.format(name=name, version=version) + more)
        return path

    def readings(self) -> list[Path]:
        return sorted(self.cache.glob("manifests/*/*"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a folder of plugins, with an empty cache and an empty state folder."""
    found = Place(tmp_path / "plugins", tmp_path / "cache")
    found.plugins.mkdir()
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(found.plugins))
    monkeypatch.setenv("ZOO_CACHE", str(found.cache))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return found


def test_every_class_of_a_row_can_be_kept() -> None:
    """One that is not would be read anew at every start, and nobody would see it."""
    classes = {
        each
        for module in (rows, weights_rows)
        for each in vars(module).values()
        if isinstance(each, type) and is_dataclass(each)
    }

    # The two that are not listed: what holds the rows, and what two kinds of weights share.
    assert classes - set(encoding._CLASSES) == {rows.Manifest, weights_rows.WeightsFacts}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the manifests that were parsed, which still are parsed as ever."""
    from zoo.catalog.readings import reading

    seen: list[Path] = []

    def read(path: Path, *data: bytes) -> object:
        seen.append(path)
        return read_manifest(path, *data)

    monkeypatch.setattr(reading, "read_manifest", read)
    return seen


def read_kept() -> list[PluginRecord]:
    """Return records as a listing reads them, which keeps what it read."""
    return read_records(keep_readings=True)


def told(records: list[PluginRecord]) -> list[str]:
    """Return records as text, with the types of their values and the messages of their errors."""
    return [f"{record!r} {record.error}" for record in records]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_reading_of_a_shipped_manifest_comes_back_with_the_same_values_and_types(
    path: Path,
) -> None:
    """Rows of every kind that the repository has, with forms, options, classes and metrics."""
    expected = read_manifest(path)

    actual = decoded(encoded(expected), path)

    assert expected == actual
    assert repr(expected) == repr(actual)


def test_manifest_is_parsed_once_as_long_as_its_bytes_stay(
    place: Place, parsed: list[Path]
) -> None:
    """Also where its times change."""
    path = place.write()

    first = read_kept()
    os.utime(path, (1, 1))
    second = read_kept()

    assert [path] == parsed
    assert told(first) == told(second)


def test_manifest_changed_in_place_with_its_size_and_times_is_read_anew(place: Place) -> None:
    """Only the bytes count."""
    path = place.write(version="0.1.0")
    os.utime(path, ns=(10**18, 10**18))
    assert [one.version for one in read_kept()] == ["0.1.0"]
    before = path.stat()

    with path.open("r+b") as stream:
        stream.write(path.read_bytes().replace(b"0.1.0", b"0.2.0"))
    os.utime(path, ns=(10**18, 10**18))

    after = path.stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (
        *(after.st_size, after.st_mtime_ns, after.st_ino),
    )
    assert [one.version for one in read_kept()] == ["0.2.0"]


def test_command_that_lists_nothing_looks_for_readings_and_writes_none(
    place: Place, parsed: list[Path], tmp_path: Path
) -> None:
    """What a command leaves behind is its result."""
    place.write()
    first = read_records()
    assert not place.cache.exists()
    assert not (tmp_path / "state").exists()
    read_kept()

    assert told(first) == told(read_records())
    assert len(parsed) == 2


BROKEN = {
    "unknown key": "colour = 3\n",
    "no such file": '[[config]]\nname = "c"\nfile = "c.py"\n',
    "name twice": '[[loss]]\nname = "Loss"\ntarget = "zoo_a.loss:Loss"\n',
    "not TOML": "[[[\n",
    "no UTF-8": "\udcff",
}


@pytest.mark.parametrize("more", BROKEN.values(), ids=BROKEN)
def test_broken_manifest_is_never_kept_and_its_error_stays(place: Place, more: str) -> None:
    """The third start says what the first one said."""
    path = place.write()
    path.write_bytes(path.read_bytes() + more.encode("utf-8", "surrogateescape"))

    errors = [told(read_kept()) for _ in range(3)]

    assert "cannot use plugin 'a'" in errors[0][0]
    assert errors[0] == errors[1] == errors[2]
    assert place.readings() == []


def _remove_config(path: Path) -> None:
    (path.parent / "c.py").unlink()


def _rename_package(path: Path) -> None:
    path.parent.rename(path.parent.with_name("zoo_other"))


def _break_shelf(path: Path) -> None:
    (path.parent / "shelf.json").write_text("{}")


def _change_shelf(path: Path) -> None:
    shelf = path.parent / "shelf.json"
    shelf.write_text(shelf.read_text().replace("unet_a", "unet_b"))


@pytest.mark.parametrize("change", [_remove_config, _rename_package, _break_shelf, _change_shelf])
def test_change_beside_the_manifest_is_seen(place: Place, change: Callable[[Path], None]) -> None:
    """A reading also rests on the package's name, on files that rows name and on the shelves."""
    path = place.write(
        more='[[config]]\nname = "c"\nfile = "c.py"\n[[shelf]]\nfile = "shelf.json"\n'
    )
    (path.parent / "c.py").write_text("")
    (path.parent / "shelf.json").write_text(json.dumps({"format": 1, "weights": [ROW]}))
    before = told(read_kept())
    assert len(place.readings()) == 1

    change(path)
    with_readings = told(read_kept())
    shutil.rmtree(place.cache)

    assert told(read_kept()) == with_readings != before


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def _flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _other_values(data: bytes, chance: random.Random) -> bytes:
    return data.replace(b"A plugin", b"A forgery").replace(b"zoo_a", b"os").replace(b"0.1", b"9.9")


def _bomb(data: bytes, chance: random.Random) -> bytes:
    bombs = (b"[" * 100_000, b'{"":' * 50_000, b"[" + b"9" * 5_000 + b"]", b'["', b"", b"null")
    return chance.choice([*bombs, b'{"Manifest": []}', b'["", NaN]', b"\xff\xfe[\0]"])


def _sealed_bomb(data: bytes, chance: random.Random) -> bytes:
    return data[:69] + _bomb(data, chance) + b"]\n"


@pytest.mark.parametrize("spoil", [_cut, _flip, _other_values, _bomb, _sealed_bomb])
@pytest.mark.parametrize("seed", range(8))
def test_spoilt_reading_is_not_believed_and_is_written_anew(
    place: Place, parsed: list[Path], spoil: Callable[[bytes, random.Random], bytes], seed: int
) -> None:
    """Cut, altered, forged, or made to exhaust a reader of JSON."""
    place.write()
    expected = told(read_kept())
    (file,) = place.readings()
    good = file.read_bytes()
    file.write_bytes(spoil(good, random.Random(seed)))

    actual = told(read_kept())

    assert expected == actual
    assert len(parsed) == 2
    assert good == file.read_bytes()


def _folder(file: Path) -> None:
    file.mkdir()


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _endless(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _loop(file: Path) -> None:
    file.symlink_to(file)


@pytest.mark.parametrize("make", [_folder, _pipe, _endless, _loop])
def test_what_is_no_file_in_place_of_a_reading_does_no_harm(
    place: Place, make: Callable[[Path], None]
) -> None:
    """It is not opened; the manifest is read."""
    place.write()
    expected = told(read_kept())
    (file,) = place.readings()
    file.unlink()
    make(file)

    assert expected == told(read_kept())


def test_reading_of_another_manifest_under_this_name_is_not_believed(place: Place) -> None:
    """Both are sealed, each for its own manifest."""
    place.write("a")
    read_kept()
    (first,) = place.readings()
    place.write("a", version="6.6.6")
    read_kept()
    (second,) = {*place.readings()} - {first}

    shutil.copy(first, second)

    assert [one.version for one in read_kept()] == ["6.6.6"]


@pytest.mark.parametrize(
    ("name", "value"), [("__version__", "0.0.9"), ("FORMAT", 0), ("API", 7), ("OLDEST_API", 0)]
)
def test_reading_of_another_version_of_zoo_is_not_used(
    place: Place,
    parsed: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: object,
) -> None:
    """Nor is it overwritten: two environments may share a cache."""
    path = place.write()
    with monkeypatch.context() as patch:
        patch.setattr(kept, name, value)
        read_kept()
    (other,) = place.readings()

    read_kept()

    assert [path, path] == parsed
    assert len(place.readings()) == 2
    assert other in place.readings()


def test_reading_of_another_user_is_not_used(
    place: Place, tmp_path: Path, parsed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write into a shared cache cannot tell others what their plugins are."""
    place.write()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "their state"))
    read_kept()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    theirs = place.readings()
    read_kept()
    (own,) = {*place.readings()} - {*theirs}
    shutil.copy(theirs[0], own)

    read_kept()

    assert len(parsed) == 3


def _open_key(key: Path) -> None:
    key.chmod(0o644)


def _cut_key(key: Path) -> None:
    key.write_text(key.read_text()[:40])


def _empty_key(key: Path) -> None:
    key.write_text("")


@pytest.mark.parametrize("spoil", [_open_key, _cut_key, _empty_key])
def test_key_that_others_may_read_or_that_is_damaged_is_replaced(
    place: Place, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """What it sealed is void; the next start finds readings again."""
    place.write()
    expected = told(read_kept())
    key = tmp_path / "state/zoo/readings.key"
    before = key.read_text()
    spoil(key)

    assert expected == told(read_kept()) == told(read_kept())
    assert before != key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(place.readings()) == 2


@pytest.mark.parametrize("which", ["ZOO_CACHE", "XDG_STATE_HOME"])
def test_folder_that_cannot_be_made_costs_nothing_but_time(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """A file stands where a folder of the path should be."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(which, str(tmp_path / "file" / "below"))
    place.write()

    first, second = read_kept(), read_kept()

    assert [one.error for one in first] == [None]
    assert told(first) == told(second)
    assert (tmp_path / "file").read_text() == ""


def test_readings_beyond_the_limits_go_oldest_first_and_nothing_else_does(place: Place) -> None:
    """What lies beside them, or is only linked, stays."""
    for number in range(6):
        path = place.write("a", version=f"0.1.{number}")
        read_kept()
        newest = place.readings()
    for number, file in enumerate(newest):
        os.utime(file, (number, number))
    beside = newest[0].with_name("notes.txt")
    beside.write_text("mine")
    elsewhere = place.plugins / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{'0' * 64}.json").write_text("mine")
    (place.cache / "manifests" / "link").symlink_to(elsewhere)

    remove_oldest(place.cache / "manifests", files=4)
    size_bytes = newest[5].stat().st_size + newest[4].stat().st_size
    kept_by_number = [file for file in newest if file.exists()]
    remove_oldest(place.cache / "manifests", size_bytes=size_bytes)

    assert newest[2:] == kept_by_number
    assert newest[4:] == [file for file in newest if file.exists()]
    assert beside.exists()
    assert (elsewhere / f"{'0' * 64}.json").exists()
    assert path.exists()


def test_manifest_too_large_to_keep_is_read_each_time(
    place: Place, parsed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One plugin cannot fill the cache."""
    monkeypatch.setattr(kept, "MOST_BYTES_EACH", 200)
    place.write()

    assert told(read_kept()) == told(read_kept())
    assert len(parsed) == 2
    assert place.readings() == []


def test_stale_readings_are_those_of_no_manifest(place: Place) -> None:
    """What `zoo cache prune` removes."""
    place.write(version="0.1.0")
    read_kept()
    (old,) = place.readings()
    path = place.write(version="0.2.0")
    read_kept()

    assert [old] == Readings().find_stale({digest_of_file(path)})


def test_without_the_key_no_reading_is_stale(place: Place, tmp_path: Path) -> None:
    """Nobody can tell whom they serve: those of a team's cache would all go."""
    place.write()
    read_kept()
    (tmp_path / "state/zoo/readings.key").unlink()

    assert Readings().find_stale(set()) == []


def test_folder_of_readings_that_is_a_link_is_left_alone(place: Place, tmp_path: Path) -> None:
    """It may lead into another tree: nothing there is kept, found stale or removed."""
    place.write()
    read_kept()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "digests").mkdir(parents=True)
    theirs = elsewhere / "digests" / f"{'0' * 64}.json"
    theirs.write_text("mine")
    shutil.rmtree(place.cache / "manifests")
    (place.cache / "manifests").symlink_to(elsewhere)

    assert [one.error for one in read_kept()] == [None]
    assert Readings().find_stale(set()) == []
    remove_oldest(place.cache / "manifests", files=0)
    assert [path for path in elsewhere.rglob("*") if path.is_file()] == [theirs]


def _imported(path: Path) -> Iterator[Path]:
    """Yield the modules of zoo that a module imports, at its top or in a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{each.name}" for each in node.names)]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        files = [ROOT / f"{name.replace('.', '/')}.py" for name in names]
        yield from (file for file in files if name_of(file).startswith("zoo/") and file.is_file())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


_TOUCH = """
import os, sys
from zoo.catalog.reading import read_records
read_records(keep_readings=True)
for path in sys.argv[1:]:
    os.utime(path, (1, 1))
    read_records(keep_readings=True)
    print(len(os.listdir(os.environ["ZOO_CACHE"] + "/manifests")))
"""


@pytest.mark.slow
def test_changed_module_of_the_code_that_reads_makes_readings_void(
    place: Place, tmp_path: Path
) -> None:
    """In a checkout, where the version stays: each module that reading a manifest imports."""
    place.write()
    seen: set[Path] = set()
    queue = [ROOT / "zoo/manifest/reading.py", ROOT / "zoo/catalog/readings/encoding.py"]
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            queue += _imported(path)
    checkout = tmp_path / "checkout"
    shutil.copytree(
        ROOT / "zoo", checkout / "zoo", ignore=lambda _, names: {"__pycache__"} & {*names}
    )

    done = subprocess.run(
        [sys.executable, "-c", _TOUCH, *(str(checkout / name_of(path)) for path in sorted(seen))],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )

    assert {"zoo/names.py", "zoo/texts.py", "zoo/documents.py"} <= {*map(name_of, seen)}
    folders = [int(line) for line in done.stdout.split()]
    stale = [
        name_of(path)
        for path, before, after in zip(sorted(seen), [1, *folders], folders, strict=False)
        if before == after
    ]
    assert (len(folders), stale) == (len(seen), []), done.stderr


def start(place: Place, tmp_path: Path, *words: str, code: str = "") -> subprocess.Popen[str]:
    """Start `zoo list` in a process of its own; code runs before it and after it."""
    code = code or "import sys; from zoo.cli import main; main(sys.argv[1:])"
    environment = {**os.environ, "HOME": str(tmp_path)}
    return subprocess.Popen(
        [sys.executable, "-c", code, "list", "--json", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_processes_that_fill_the_cache_at_once_agree_and_leave_whole_readings(
    place: Place, tmp_path: Path
) -> None:
    """Each keeps what it read; none waits for another, and nothing half-written stays."""
    more = "[[weights]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in ROW.items())
    for number in range(30):
        place.write(f"p{number}", more=more.replace("unet_a", f"unet_{number}"))

    running = [start(place, tmp_path) for _ in range(4)]
    outputs = [one.communicate(timeout=120) for one in running]
    with_readings = start(
        place,
        tmp_path,
        code="import sys; from zoo.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: assert 'tomllib' not in sys.modules",
    ).communicate(timeout=120)

    assert [one.returncode for one in running] == [0] * 4
    assert len(json.loads(outputs[0][0])) >= 30
    assert {with_readings} == set(outputs)
    assert not list(place.cache.rglob("*.part"))
    assert not list((tmp_path / "state").rglob("*.part"))


@pytest.mark.slow
def test_listing_with_a_cache_that_the_user_cannot_write_says_nothing_of_it(
    place: Place, bound_by_permissions: list[str]
) -> None:
    """A team's cache is read-only: nothing is written, told or changed."""
    place.write()
    place.cache.mkdir()
    place.cache.chmod(0o555)

    done = subprocess.run(
        [*bound_by_permissions, sys.executable, "-m", "zoo", "list", "--json"],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list(place.cache.iterdir()) == []
