# SPDX-License-Identifier: Apache-2.0
"""What a report is made of: runs, tests, and the prepared folder of each test."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import zoo
from zoo.data import read_prepared
from zoo.errors import DataError, ZooError
from zoo.texts import printable

if TYPE_CHECKING:
    from zoo import Run, TestValues
    from zoo.data import Prepared

__all__ = ["Sources", "Tested", "read_sources"]

_HINT = "give a work dir of `zoo train`, or a file of `zoo test --out`."
_SHOWN = 12  # characters of a digest
_MOST = 20  # sources: a page of more is unreadable


@dataclass(frozen=True, slots=True)
class Tested:
    """One test, and what is known about its images.

    Attributes:
        name: Short and distinct.
        test: As `zoo.read_test` returns it.
        work_dir: Folder of its run, or None if it is not beside it.
        present: The checkpoint that a test of the run would measure now, or None.
        prepared: The prepared folder of its images, or None if ``no_data`` says why.
        no_data: Why there is no prepared folder; empty if there is one.
        groups: Image -> patient, scene, ...; empty if unknown.
    """

    name: str
    test: TestValues
    work_dir: Path | None
    prepared: Prepared | None
    no_data: str = ""
    present: Path | None = None
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that a report shows.

    Attributes:
        runs: Short and distinct name -> run.
        tests: The tests.
    """

    runs: Mapping[str, Run]
    tests: Sequence[Tested]


def read_sources(paths: Sequence[str | os.PathLike[str]], data: Path | None) -> Sources:
    """Return the runs and tests of work dirs and files.

    Args:
        paths: Work dirs, whose tests are found in them, and files of ``zoo test --out``.
        data: The prepared folder of the tests, if it is not where the config says.

    Raises:
        DataError: One is neither; or ``data`` is no prepared folder, or that of no test.
    """
    if len(paths) > _MOST:
        message = f"cannot report on {len(paths)} sources: expected at most {_MOST}."
        raise DataError(message, hint="give fewer work dirs and files.")
    runs: list[Run] = []
    files: dict[Path, Run | None] = {}
    for path in map(Path, paths):
        if os.path.isdir(path):
            run = zoo.read_run(path)
            runs.append(run)
            files |= {file.resolve(): run for file in _tests_of(run)}
        elif os.path.isfile(path):
            files.setdefault(path.resolve(), _run_beside(path))
        else:
            message = f"cannot report on {str(path)!r}: there is no such folder or file."
            raise DataError(message, path=path, hint=_HINT)
    given = None if data is None else read_prepared(data)
    names = _distinct([run.name for run in runs])
    labels = {id(run): name for run, name in zip(runs, names, strict=True)}
    tests = [_tested(file, run, labels, given, len(files)) for file, run in files.items()]
    if given is not None and tests and all(each.prepared is not given for each in tests):
        raise _not_tested(given, tests)
    told = _distinct([each.name for each in tests])
    tests = [replace(each, name=name) for each, name in zip(tests, told, strict=True)]
    return Sources(dict(zip(names, runs, strict=True)), tests)


def _not_tested(given: Prepared, tests: Sequence[Tested]) -> DataError:
    root, digests = str(given.root), [_digest_of(each.test) for each in tests]
    wanted = ", ".join(sorted({digest[:_SHOWN] for digest in digests if digest}))
    message = f"cannot use {root!r} as the data of the test: its digest is "
    message += f"{given.digest[:_SHOWN]}, expected {wanted}."
    if not wanted:
        message = f"cannot use {root!r} as the data of the test: it lacks images of the test."
    hint = "give the prepared folder that was tested, or leave out --data."
    return DataError(message, path=given.root, hint=hint)


def _tests_of(run: Run) -> list[Path]:
    """Return the tests of a run that hold values of images."""
    found = []
    for path in run.tests():
        try:
            zoo.read_test(path)
        except DataError:
            continue
        found.append(path)
    return found


def _run_beside(path: Path) -> Run | None:
    try:
        return zoo.read_run(path.resolve().parent)
    except ZooError:
        return None


def _tested(
    path: Path, run: Run | None, labels: Mapping[int, str], given: Prepared | None, count: int
) -> Tested:
    test = zoo.read_test(path)
    if given is not None and _is_of(given, test):
        found: tuple[Prepared | None, str] = (given, "")
    else:
        found = _prepared(run, test)
    groups = _groups(test, found[0])
    beside = labels.get(id(run))
    name = beside if beside and count == 1 else f"{beside}: {test.name}" if beside else test.name
    if run is None:
        return Tested(name, test, None, *found, groups=groups)
    return Tested(name, test, run.work_dir, *found, run.checkpoint(), groups)


def _digest_of(test: TestValues) -> str | None:
    data = test.facts_of_test.get("data")
    digest = data.get("digest") if isinstance(data, dict) else None
    return digest if isinstance(digest, str) else None


def _is_of(prepared: Prepared, test: TestValues) -> bool:
    """Return whether a test measured the images of a folder."""
    digest = _digest_of(test)
    if digest is not None:
        return digest == prepared.digest
    stems = {row.stem for row in prepared.files}
    return all(Path(file).stem in stems for file in _files(test))


def _files(test: TestValues) -> set[str]:
    return {file for values in test.values.values() for file in values} | set(test.tallies)


def _prepared(run: Run | None, test: TestValues) -> tuple[Prepared | None, str]:
    """Return the prepared folder that the run's config names, or None and why it cannot be used."""
    root = None if run is None else run.data_root("test", "val", "train")
    if root is None:
        return None, "the prepared folder of this test was not found"
    try:
        found = read_prepared(root)
    except ZooError:
        return None, "the prepared folder of this test was not found"
    if not _is_of(found, test):
        return None, "the prepared folder is another one than at the time of the test"
    return found, ""


def _groups(test: TestValues, prepared: Prepared | None) -> dict[str, str]:
    if prepared is None:
        return {}
    by_stem = {row.stem: row.group for row in prepared.files}
    files = {file: Path(file).stem for file in _files(test)}
    return {file: by_stem[stem] for file, stem in files.items() if stem in by_stem}


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names, numbered where two are equal."""
    found: list[str] = []
    for name in names:
        label, number = printable(name) or "run", 2
        while label in found:
            label, number = f"{printable(name)} ({number})", number + 1
        found.append(label)
    return found
