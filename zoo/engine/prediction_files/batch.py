# SPDX-License-Identifier: Apache-2.0
"""A running batch of predictions: what is done, what failed, and the JSON that reports it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.documents import Limits, read_json
from zoo.engine.prediction_files.journal import has_files
from zoo.errors import DataError
from zoo.files import replace_file

if TYPE_CHECKING:
    from zoo.engine.prediction_files.inputs import InputImage
    from zoo.engine.prediction_files.journal import Journal
    from zoo.engine.prediction_files.result_files import ResultFiles

__all__ = ["JSON_NAME", "Batch", "Failure", "InterruptedBatchError"]

_LIMITS = Limits(size_bytes=2**29, values=50_000_000)

JSON_NAME = "predictions.json"
_EVERY_S = 2.0  # least time between two writes of the JSON
_LEAST_SHARE = 20  # and at least this many times the duration of the last write


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be predicted, and why."""

    path: Path
    error: DataError


class InterruptedBatchError(KeyboardInterrupt):
    """The user stopped a batch; finished results are on disk.

    Args:
        count: Images that are done.
        total: Images in all.
        path: The JSON.
        signal_number: The signal that stopped it.
    """

    is_resumable = True

    def __init__(self, count: int, total: int, path: Path, *, signal_number: int) -> None:
        super().__init__(f"stopped after {count} of {total} images; {path} lists them.")
        self.count = count
        self.signal_number = signal_number


class Batch:
    """The finished and failed images of a batch.

    Args:
        head: The keys of the JSON that stay the same throughout.
        images: All images of the batch.
        files: Writes the results.
        journal: Records finished images.
    """

    def __init__(
        self,
        head: Mapping[str, Any],
        images: Sequence[InputImage],
        files: ResultFiles,
        journal: Journal,
    ) -> None:
        self._head, self._images, self._files, self._journal = head, images, files, journal
        self._path = journal.path.with_name(JSON_NAME)
        self._entries: dict[str, dict[str, Any]] = {}
        self._failures: dict[str, Failure] = {}
        self._next_s = 0.0

    @property
    def count(self) -> int:
        """The number of finished images."""
        return len(self._entries)

    @property
    def failures(self) -> list[Failure]:
        """The images that failed, in the order of the inputs."""
        return list(self._failures.values())

    def has(self, image: InputImage) -> bool:
        """Return whether an image is done.

        Args:
            image: One of the batch's images.
        """
        return image.path.as_posix() in self._entries

    def resume(self) -> None:
        """Load the results of an interrupted batch.

        Raises:
            DataError: It is another batch, or an image has changed since.
        """
        kept = self._journal.read()
        if not kept and self._is_complete():
            return
        for file, line in kept.items():
            self._entries[file] = line["entry"]
            self._files.take_again(line["shared"])
        if kept:
            self._journal.begin(list(kept.values()))

    def _is_complete(self) -> bool:
        """Load a finished batch, whose journal is removed, if it is still valid."""
        try:
            written_ns = self._path.stat().st_mtime_ns
            document = read_json(self._path, _LIMITS)
            facts, entries = document["run"], document["images"]
            found = {entry["file"]: entry for entry in entries}
            is_whole = all(has_files(self._path.parent, entry) for entry in entries)
            is_outdated = any(each.path.stat().st_mtime_ns > written_ns for each in self._images)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return False
        if document.get("complete") is not True or document.get("failures"):
            return False
        self._journal.check(facts if isinstance(facts, dict) else {})
        if is_outdated or not is_whole:
            return False
        self._entries = found
        return True

    def add(self, image: InputImage, result: Any) -> None:
        """Write the files of an image and note that it is done.

        Args:
            image: One of the batch's images.
            result: The model's prediction.

        Raises:
            DataError: They cannot be written, for example on a full disk.
        """
        if not self._entries:
            # From here on the folder changes, so older JSONs would be wrong.
            self._write(is_complete=False)
            self._next_s = 0.0
        entry, shared = self._files.write(image, result)
        self._journal.add(image, entry, shared)
        self._entries[image.path.as_posix()] = entry
        if time.monotonic() >= self._next_s:
            self._write(is_complete=False)

    def fail(self, failure: Failure) -> None:
        """Note that an image failed.

        Args:
            failure: The image and its error.
        """
        self._failures[failure.path.as_posix()] = failure

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write a JSON of what was done, however the block ends.

        Raises:
            InterruptedBatchError: The user stopped it.
        """
        is_new = not self._entries
        try:
            yield
        except KeyboardInterrupt as error:
            if not self._entries:
                raise
            self._end(is_complete=False)
            number = getattr(error, "signal_number", signal.SIGINT)
            count, total = len(self._entries), len(self._images)
            raise InterruptedBatchError(count, total, self._path, signal_number=number) from error
        except BaseException:
            if self._entries:
                self._end(is_complete=False)
            raise
        if self._entries and (is_new or self._journal.path.is_file()):
            self._end(is_complete=True)

    def _end(self, *, is_complete: bool) -> None:
        self._write(is_complete=is_complete)
        self._journal.close(is_done=is_complete and not self._failures)

    def _write(self, *, is_complete: bool) -> None:
        begun_s = time.monotonic()
        order = [image.path.as_posix() for image in self._images]
        document = {
            **self._head,
            "complete": is_complete,
            **self._files.write_shared(),
            "images": [self._entries[file] for file in order if file in self._entries],
            "failures": [
                {"file": file, "error": failure.error.message, "hint": failure.error.hint}
                for file, failure in self._failures.items()
            ],
        }
        text = json.dumps(document, indent=2, allow_nan=False)
        replace_file(self._path, text.encode() + b"\n")
        now_s = time.monotonic()
        self._next_s = now_s + max(_EVERY_S, _LEAST_SHARE * (now_s - begun_s))
