# SPDX-License-Identifier: Apache-2.0
"""A second ``prepare`` into the same folder: accept the same data, or list differences.

A prepared folder is never rewritten: models refer to it by its digest, so other data or options
need another folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo.data.layout.dataset_json import LIMITS, is_prepared, read_prepared
from zoo.data.layout.plan import Item, Plan
from zoo.data.layout.prepared import Prepared, files_of
from zoo.data.report import Report
from zoo.documents import DocumentError, read_json, reason_of
from zoo.errors import DataError

__all__ = ["check_same", "find_earlier", "read_report"]

_MOST_NAMED = 3
_REAL = "no plugin's sample"


def find_earlier(out: Path) -> Prepared | None:
    """Return the prepared data at ``out``, or None if it is missing or empty.

    Args:
        out: Output folder of the run.

    Raises:
        DataError: ``out`` has other content, or is a prepared folder with missing files.
    """
    out = Path(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not is_prepared(out):
        what = "a folder that is not a prepared data set" if out.is_dir() else "a file"
        message = f"cannot prepare into {str(out)!r}: found {what}, expected nothing there."
        raise DataError(message, path=out, hint="give another --out, or remove it first.")
    earlier = read_prepared(out)
    for folder, names in files_of(earlier).items():
        missing = sorted(names - {path.name for path in (out / folder).glob("*")})
        if missing:
            message = (
                f"cannot continue with {str(out)!r}: {len(missing)} of its {len(names)} "
                f"{folder} are missing, such as {Path(missing[0]).stem!r}."
            )
            raise DataError(message, path=out / folder, hint="remove the folder and run again.")
    return earlier


def read_report(root: Path) -> Report:
    """Return the report of a prepared folder.

    Args:
        root: A prepared folder.

    Raises:
        DataError: ``report.json`` is missing or damaged.
    """
    path = Path(root) / "report.json"
    try:
        return Report.from_dict(read_json(path, LIMITS))
    except (OSError, DocumentError) as error:
        message = f"cannot read report.json: {reason_of(error)}."
        raise DataError(message, path=path, hint="remove the folder and run again.") from error


def check_same(
    earlier: Prepared, plan: Plan[Item], source_sha256: Mapping[str, str], report: Report
) -> Report:
    """Return the earlier report if this run would write the same again.

    Args:
        earlier: The existing prepared data.
        plan: Plan of this run.
        source_sha256: Current digest of the files of each item.
        report: Report of this run before reading pixels.

    Raises:
        DataError: Something differs; the message lists the first few differences.
    """
    told = read_report(earlier.root)
    differences = [
        *_compare_settings(earlier, plan),
        *_compare_files(earlier, plan, source_sha256),
    ]
    if sorted(told.dropped) != sorted(report.dropped):
        differences.append(
            f"{len(report.dropped)} files are left out now, {len(told.dropped)} were then"
        )
    if differences:
        message = (
            f"cannot prepare into {str(earlier.root)!r}: it was prepared from other data or with "
            f"other options ({'; '.join(differences)})."
        )
        hint = (
            "give another --out, or remove the folder and run again: "
            "a file keeps its split if --shares stays the same."
        )
        raise DataError(message, path=earlier.root, hint=hint)
    told.unchanged = True
    return told


def _compare_settings(earlier: Prepared, plan: Plan[Item]) -> list[str]:
    pairs: list[tuple[str, Any, Any]] = [
        ("data set", earlier.type, plan.dataset.type),
        ("version", earlier.dataset.version, plan.dataset.version),
        ("classes", list(earlier.classes), list(plan.classes)),
        ("palette", earlier.palette, plan.palette),
        ("labels", earlier.labels, plan.labels),
        ("data", str(earlier.synthetic or _REAL), str(plan.synthetic or _REAL)),
        ("shares", earlier.shares.to_list(), plan.shares.to_list()),
    ]
    names = sorted({*earlier.options, *plan.options})
    pairs += [
        (f"option {name}", earlier.options.get(name), plan.options.get(name)) for name in names
    ]
    return [f"{name} was {then!r}, is {now!r}" for name, then, now in pairs if then != now]


def _compare_files(
    earlier: Prepared, plan: Plan[Item], source_sha256: Mapping[str, str]
) -> list[str]:
    then = {row.item: row for row in earlier.files}
    now = {item.stem: item for item in plan.items}
    both = sorted(then.keys() & now.keys())
    changed = [stem for stem in both if then[stem].source_sha256 != source_sha256[stem]]
    moved = [
        stem
        for stem in both
        if (then[stem].group, then[stem].split) != (now[stem].group, plan.splits[stem])
    ]
    return [
        *_name_some("new in the source", now.keys() - then.keys()),
        *_name_some("gone from the source", then.keys() - now.keys()),
        *_name_some("changed in the source", changed),
        *_name_some("in another group or split", moved),
    ]


def _name_some(what: str, stems: Iterable[str]) -> list[str]:
    ordered = sorted(stems)
    if not ordered:
        return []
    named = ", ".join(repr(stem) for stem in ordered[:_MOST_NAMED])
    more = ", ..." if len(ordered) > _MOST_NAMED else ""
    return [f"{len(ordered)} {what}: {named}{more}"]
