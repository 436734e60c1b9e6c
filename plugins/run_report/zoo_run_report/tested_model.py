# SPDX-License-Identifier: Apache-2.0
"""The model that a test measured: its checkpoint by its digest, with the config of its run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import CheckpointError
from zoo.texts import printable

if TYPE_CHECKING:
    from zoo import TestValues
    from zoo_run_report.sources import Tested

__all__ = ["find_tested_model", "told_of_checkpoint", "told_of_test"]

_SUFFIXES = (".pth", ".pt", ".safetensors")
_HINT = "test again: zoo test WORK_DIR --out WORK_DIR/test.json"


def find_tested_model(tested: Tested) -> str:
    """Return what `zoo.load` takes, of exactly the checkpoint that was tested.

    Args:
        tested: The test.

    Raises:
        CheckpointError: It is not in the work dir of the test, or the run's config is not.
    """
    folder, facts = tested.work_dir, tested.test.facts_of_test
    if folder is None:
        message = "cannot open the tested model: the work dir of the test was not found."
        raise CheckpointError(message, hint="give the work dir of the test.")
    name = Path(str(facts.get("checkpoint") or "")).name
    checkpoint = _find_checkpoint(folder, name, facts.get("checkpoint_sha256"))
    if checkpoint is None:
        message = f"cannot open the tested model: the checkpoint {printable(name)!r} is no longer "
        message += "in the work dir, or was replaced after the test."
        raise CheckpointError(message, path=folder, hint=_HINT)
    if checkpoint.suffix == ".safetensors":
        return str(checkpoint)  # its record holds its config
    config = folder / Path(str(facts.get("config") or "")).name
    configs = [config] if config.is_file() else sorted(folder.glob("*.py"))
    if len(configs) != 1:
        message = f"cannot open the tested model: the work dir holds {len(configs)} configs, "
        message += f"expected {printable(config.name)!r}."
        raise CheckpointError(message, path=folder, hint=_HINT)
    return f"{configs[0]},{checkpoint}"


def told_of_test(test: TestValues) -> str:
    """Return how the test predicted otherwise than the pictures are; empty if it did not.

    Args:
        test: As `zoo.read_test` returns it.
    """
    options = test.facts_of_test.get("cfg_options")
    used = ["--tta"] if test.facts_of_test.get("tta") is True else []
    used += ["--cfg-options"] if options else []
    if not used:
        return ""
    return f"The test used {' and '.join(used)}, and these pictures are predicted without it."


def told_of_checkpoint(tested: Tested) -> str:
    """Return what to know if the run has another checkpoint now than was tested; else empty.

    Args:
        tested: The test.
    """
    sha256, present = tested.test.facts_of_test.get("checkpoint_sha256"), tested.present
    if present is None or not isinstance(sha256, str):
        return ""
    try:
        is_same = _digest(present) == sha256.lower()
    except OSError:
        return ""
    if is_same:
        return ""
    which = "best" if present.name.startswith("best_") else "last"
    message = f"This test measured another checkpoint than {printable(present.name)!r}, the run's "
    return f"{message}present {which} one; {_HINT}"


def _find_checkpoint(folder: Path, name: str, sha256: object) -> Path | None:
    """Return the file with the digest, wherever it is named otherwise; without one, by its name."""
    named = folder / name
    if not isinstance(sha256, str):
        return named if name and named.is_file() else None
    return next((path for path in _files(folder, name) if _digest(path) == sha256.lower()), None)


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Yield the checkpoints of a folder, that of a name first."""
    found = [path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file()]
    yield from sorted(found, key=lambda path: (path.name != name, path.name))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
