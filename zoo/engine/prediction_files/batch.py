# SPDX-License-Identifier: Apache-2.0
"""A running batch of predictions: what is done, what failed, and the JSON that reports it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.documents import DocumentError, Limits, reason_of
from zoo.engine.prediction_files.documents import read_object, write_object
from zoo.engine.prediction_files.journal import has_files
from zoo.engine.prediction_files.kept import KeptRows
from zoo.errors import DataError
from zoo.files import remove_staged, replacing_file

if TYPE_CHECKING:
    from zoo.engine.prediction_files.images import InputImage, InputImages
    from zoo.engine.prediction_files.journal import Journal
    from zoo.engine.prediction_files.result_files import ResultFiles

__all__ = ["JSON_NAME", "Batch", "Failure", "InterruptedBatchError"]

_LIMITS = Limits(size_bytes=2**29, values=50_000_000)  # of an image

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
        images: InputImages,
        files: ResultFiles,
        journal: Journal,
    ) -> None:
        self._head, self._images, self._files, self._journal = head, images, files, journal
        self._path = journal.path.with_name(JSON_NAME)
        self._entries = KeptRows()
        self._failures: dict[str, Failure] = {}
        self._next_s = 0.0
        self._has_begun = False

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
        for line in self._journal.read():
            if line["file"] not in self._entries:
                self._entries[line["file"]] = line["entry"]
                self._files.take_again(line["shared"])
        if self._entries:
            self._journal.begin(self._entries)
        else:
            self._load_complete()

    def _load_complete(self) -> None:
        """Load a finished batch, whose journal is removed, if it is still valid."""
        found, are_whole = KeptRows(), set[bool]()

        def take(entry: dict[str, Any]) -> None:
            are_whole.add(has_files(self._path.parent, entry))
            found[entry["file"]] = entry

        try:
            status = self._path.stat()
            document = read_object(self._path, "images", _LIMITS, take)
            for entry in document["images"]:  # if something has written the JSON in another form
                take(entry)
            facts, since_ns = document["run"], status.st_mtime_ns
            is_outdated = any(each.path.stat().st_mtime_ns > since_ns for each in self._images)
        except DocumentError as error:
            if status.st_size > _LIMITS.size_bytes:
                raise self._unreadable(error) from error
            return
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return
        if document.get("complete") is not True or document.get("failures"):
            return
        self._journal.check(facts if isinstance(facts, dict) else {})
        if False not in are_whole and not is_outdated:
            self._entries = found

    def _unreadable(self, error: DocumentError) -> DataError:
        """Return the error of a JSON that may list a batch of days, which nobody voids unasked."""
        message = f"cannot continue in {str(self._path.parent)!r}: {JSON_NAME!r} cannot be read: "
        message += f"{reason_of(error)}."
        hint = "predict again without --resume."
        return DataError(message, path=self._path, hint=hint)

    def write(self, image: InputImage, result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Write the files of an image; return its entry, and what the files of the batch need.

        Args:
            image: One of the batch's images.
            result: The model's prediction.

        Raises:
            DataError: They cannot be written, for example on a full disk.
        """
        self._begin()
        return self._files.write(image, result)

    def take(self, image: InputImage, entry: dict[str, Any], shared: Mapping[str, Any]) -> None:
        """Note that an image is done, whose files are written.

        Args:
            image: One of the batch's images.
            entry: Its entry in the JSON.
            shared: What the files of the batch need from it.

        Raises:
            DataError: It cannot be noted, for example on a full disk.
        """
        self._begin()
        self._journal.add(image, entry, shared)
        self._entries[image.path.as_posix()] = entry
        if time.monotonic() >= self._next_s:
            self._write(is_complete=False)

    def begin(self) -> None:
        """Void an older batch of the folder, before other processes write over its files.

        Raises:
            DataError: The folder cannot be written.
        """
        self._write(is_complete=False)
        self._next_s = 0.0
        self._has_begun = True
        if not self._entries:
            self._journal.begin()

    def _begin(self) -> None:
        """Write the JSON of an empty batch: from here on the folder changes, an older one lies."""
        if not self._entries and not self._has_begun:
            self._write(is_complete=False)
            self._next_s = 0.0
            self._has_begun = True

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
        for path in (self._path, *self._files.shared_paths):
            remove_staged(path)
        try:
            yield
        except KeyboardInterrupt as error:
            if not self._entries:
                self._journal.close(is_done=False)
                raise
            self._end(is_complete=False)
            number = getattr(error, "signal_number", signal.SIGINT)
            count, total = len(self._entries), len(self._images)
            raise InterruptedBatchError(count, total, self._path, signal_number=number) from error
        except BaseException:
            if self._entries:
                self._end(is_complete=False)
            self._journal.close(is_done=False)
            raise
        if not self._entries and self._has_begun:
            self._remove()
        elif self._entries and (is_new or self._journal.path.is_file()):
            self._end(is_complete=True)

    def _remove(self) -> None:
        """Remove what `begin` has written, after all images have failed."""
        self._journal.close(is_done=True)
        for path in (self._path, *self._files.shared_paths):
            path.unlink(missing_ok=True)

    def _end(self, *, is_complete: bool) -> None:
        is_done = False
        try:
            self._write(is_complete=is_complete)
            is_done = is_complete and not self._failures
        finally:
            self._journal.close(is_done=is_done)

    def _write(self, *, is_complete: bool) -> None:
        begun_s = time.monotonic()
        files = (image.path.as_posix() for image in self._images)
        document = {
            **self._head,
            "complete": is_complete,
            **self._files.write_shared(),
            "images": (self._entries[file] for file in files if file in self._entries),
            "failures": [
                {"file": file, "error": failure.error.message, "hint": failure.error.hint}
                for file, failure in self._failures.items()
            ],
        }
        with replacing_file(self._path) as staged, staged.open("wb") as stream:
            write_object(stream, document, indent=2)
        now_s = time.monotonic()
        self._next_s = now_s + max(_EVERY_S, _LEAST_SHARE * (now_s - begun_s))
