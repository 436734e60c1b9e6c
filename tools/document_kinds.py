# SPDX-License-Identifier: Apache-2.0
"""Every kind of document that zoo reads from outside, but for those that it only checks."""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from document_mutator import TEXTS, mutate_bytes, mutate_value, replace_file, write_json
from document_reading import Kind, raises_no_other, zoo
from document_seeds import (
    CLASSES,
    COCO,
    ENTRY_POINTS,
    INDEX,
    LOCK,
    LOG,
    MANIFEST,
    TEST_FILE,
)

from zoo.manifest import discovery

__all__ = ["KINDS", "Folder"]


class Manifest(Kind):
    """``zoo_plugin.toml``, beside a valid plugin."""

    share, seed, is_toml = 6_000, MANIFEST, True
    file = "plugins/hostile/zoo_hostile/zoo_plugin.toml"

    def read(self, chance: random.Random) -> bool:
        """Run the listings, which must exit with 0, and commands that use its names.

        Args:
            chance: Random generator.
        """
        from zoo.catalog import forget_catalog, read_catalog

        forget_catalog()
        for words in (["plugin", "list"], ["list", "--legacy"], ["config", "list"]):
            zoo(*words, *chance.choice(([], ["--json"])), listing=True)
        zoo("data", "list", listing=True)
        for name in ("hostile", "D", "zoo.hostile.L", "w", "c", "old"):
            zoo("info", name)
        zoo(*chance.choice((["verify"], ["cache", "ls"], ["data", "prepare", "D", "--help"])))
        found = [record for record in read_catalog().plugins if record.path == self.path]
        for record in found:
            raises_no_other(partial(_check_requires, record))
        return bool(found) and found[0].error is None


def _check_requires(record: Any) -> None:
    """Check the requirements of a plugin, as ``zoo doctor`` does."""
    from zoo.manifest.requirements import check_requirements

    manifest = record.checked()
    check_requirements(manifest.requires, plugin=record.name, manifest=manifest.path)


class Index(Manifest):
    """The file of a ``[[legacy_index]]``."""

    share, seed, is_toml = 3_000, INDEX, False
    file = "plugins/hostile/zoo_hostile/old.json"

    def read(self, chance: random.Random) -> bool:
        """List and look up with the index.

        Args:
            chance: Random generator.
        """
        from zoo.catalog import forget_catalog, read_catalog
        from zoo.weights.legacy import legacy_rows

        forget_catalog()
        zoo(
            "list",
            "--legacy",
            *chance.choice(([], ["--json"], ["--task", "semantic"])),
            listing=True,
        )
        for words in (["info", "old"], ["list", "UNet", "--metric", "mIoU"], ["verify"]):
            zoo(*words)
        return not legacy_rows(read_catalog())[1]


class Lock(Kind):
    """``zoo.lock``."""

    share, seed, file = 2_000, LOCK, "zoo.lock"

    def read(self, chance: random.Random) -> bool:
        """List with it, and look up its pins.

        Args:
            chance: Random generator.
        """
        from zoo.weights.lock import read_pins

        zoo("list", "--legacy", listing=True)
        for words in (["info", "old"], ["verify", "old"], ["cache", "ls"]):
            zoo(*words)
        return raises_no_other(read_pins)


class EntryPoints(Kind):
    """``entry_points.txt`` of an installed distribution."""

    share, seed, file = 500, ENTRY_POINTS, "site/hostile-1.0.dist-info/entry_points.txt"

    def encode(self, value: Any, chance: random.Random) -> bytes:
        """Return the text; a mutated value names another target.

        Args:
            value: Content of the document.
            chance: Random generator.
        """
        if value == self.seed:
            return str(value).encode()
        return f"[zoo.plugins]\nx = {value}\n".encode("utf-8", "surrogatepass")

    def write(self, chance: random.Random) -> None:
        """Mutate the bytes, or name another package.

        Args:
            chance: Random generator.
        """
        text = self.encode(chance.choice((*TEXTS, *sys.builtin_module_names)), chance)
        is_text = chance.random() < 0.5
        good = self.encode(self.seed, chance)
        self.path.write_bytes(text if is_text else mutate_bytes(good, chance))

    def read(self, chance: random.Random) -> bool:
        """List the plugins, including broken ones.

        Args:
            chance: Random generator.
        """
        from zoo.catalog import forget_catalog, read_catalog

        forget_catalog()
        with searching_installed():
            zoo("plugin", "list", listing=True)
            return all(record.error is None for record in read_catalog().plugins)


class Folder(Kind):
    """A prepared folder: its ``dataset.json``, lists, images and annotations."""

    share, file = 3_500, "semantic/dataset.json"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.folder = self.path.parent
        self.kept = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        self.seed = json.loads(self.kept[self.path])

    def write(self, chance: random.Random) -> None:
        """Mutate one of its files, mostly dataset.json, with or without a matching digest.

        Args:
            chance: Random generator.
        """
        self.broken = self.path if chance.random() < 0.7 else chance.choice(sorted(self.kept))
        if self.broken == self.path and chance.random() < 0.7:
            value = mutate_value(self.seed, chance)
            if isinstance(value, dict) and chance.random() < 0.7:
                value["digest"] = _digest(value)
            self.path.write_bytes(write_json(value, chance))
        elif chance.random() < 0.2:
            replace_file(self.broken, chance)
        else:
            self.broken.write_bytes(mutate_bytes(self.kept[self.broken], chance))

    def clear(self) -> None:
        """Restore the valid file."""
        if self.broken.is_dir() and not self.broken.is_symlink():
            shutil.rmtree(self.broken)
        self.broken.unlink(missing_ok=True)
        self.broken.write_bytes(self.kept[self.broken])

    def read(self, chance: random.Random) -> bool:
        """Check it, sometimes show it, and read its report.

        Args:
            chance: Random generator.
        """
        from zoo.data.prepare.rerun import read_report

        holds = zoo("data", "check", self.folder)
        if chance.random() < 0.1:
            zoo("data", "show", self.folder, "--out", self.root / "sheet")
        raises_no_other(lambda: read_report(self.folder).summary())
        return holds


def _digest(content: dict[str, Any]) -> str:
    """Return the digest of a forged dataset.json."""
    kept = {key: value for key, value in content.items() if key != "digest"}
    try:
        text = json.dumps(kept, sort_keys=True, separators=(",", ":"), default=str)
    except ValueError:  # integers too long for Python to write
        return "00" * 32
    return hashlib.sha256(text.encode()).hexdigest()


class InstanceFolder(Folder):
    """A prepared folder of instances."""

    share, file = 1_500, "instance/dataset.json"


class Report(Folder):
    """``report.json``."""

    share, file = 500, "semantic/report.json"

    def read(self, chance: random.Random) -> bool:
        """Read and summarise it.

        Args:
            chance: Random generator.
        """
        from zoo.data.prepare.rerun import read_report

        return raises_no_other(lambda: read_report(self.folder).summary())


class TestFile(Kind):
    """The output of ``zoo test --out``."""

    share, seed, file = 1_500, TEST_FILE, "run/test.json"

    def read(self, chance: random.Random) -> bool:
        """Read it to publish and to plot.

        Args:
            chance: Random generator.
        """
        from zoo.engine.publishing.metrics import find_test_files, read_test_rows
        from zoo.engine.work_dir.tested import read_test

        find_test_files(self.path.parent, "ef" * 32)
        raises_no_other(lambda: read_test(self.path))
        self.is_drawn = chance.random() < 0.02
        if self.is_drawn:
            zoo("plot", self.path, "--out", self.root / "x.png")
        return raises_no_other(lambda: read_test_rows(self.path, "ef" * 32))


class Log(Kind):
    """``scalars.json`` of a run."""

    share, seed, file = 1_000, LOG, "run/vis_data/scalars.json"

    def encode(self, value: Any, chance: random.Random) -> bytes:
        """Return one record per line.

        Args:
            value: Content of the document.
            chance: Random generator.
        """
        rows = value if isinstance(value, list) else [value]
        return b"\n".join(write_json(row, random.Random(1)).replace(b"\n", b" ") for row in rows)

    def read(self, chance: random.Random) -> bool:
        """Read the curves, and sometimes draw them.

        Args:
            chance: Random generator.
        """
        from zoo.engine.work_dir.scalars import read_run

        self.is_drawn = chance.random() < 0.03
        if self.is_drawn:
            zoo("plot", self.path.parents[1], "--out", self.root / "x.png")
        return raises_no_other(lambda: read_run(self.path.parents[1]))


class Classes(Kind):
    """``classes.toml`` of a user's masks."""

    share, seed, file, is_toml = 500, CLASSES, "classes.toml", True

    def write(self, chance: random.Random) -> None:
        """Mutate its text; the commands read the file itself.

        Args:
            chance: Random generator.
        """
        good = self.encode(self.seed, chance)
        broken = self.encode(mutate_value(self.seed, chance), chance)
        self.path.write_bytes(broken if chance.random() < 0.7 else mutate_bytes(good, chance))

    def read(self, chance: random.Random) -> bool:
        """Parse it as ``zoo data prepare folder_data`` does.

        Args:
            chance: Random generator.
        """
        parse = importlib.import_module("zoo_folder_data.classes").parse_classes
        text = self.path.read_bytes().decode("utf-8", "replace")
        return raises_no_other(lambda: parse(text, str(self.path)))


class Coco(Kind):
    """A COCO JSON of a user."""

    share, seed, file = 500, COCO, "coco.json"

    def read(self, chance: random.Random) -> bool:
        """Read it as every prepare of instances does.

        Args:
            chance: Random generator.
        """
        from zoo.data import read_coco

        if not self.path.is_file() or self.path.stat().st_size > 2**30:
            return False  # refused when opened
        return raises_no_other(lambda: read_coco(self.path.read_bytes(), str(self.path)))


KINDS: tuple[type[Kind], ...] = (
    *(Manifest, Index, Lock, EntryPoints, Folder, InstanceFolder, Report, TestFile, Log),
    *(Classes, Coco),
)


_REAL = {name: getattr(discovery, name) for name in ("_entry_point_values", "find_checkouts")}


@contextmanager
def searching_installed() -> Iterator[None]:
    """Temporarily find installed plugins again, as zoo normally does."""
    discovery._entry_point_values = _REAL["_entry_point_values"]
    try:
        yield
    finally:
        discovery._entry_point_values = list
