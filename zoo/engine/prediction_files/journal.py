# SPDX-License-Identifier: Apache-2.0
"""The journal of a batch of predictions: one line for each finished image, so that it can resume.

While a batch runs, the journal is a hidden file beside the results. A line is added once all files
of its image exist, so a kill costs at most the image being predicted. Each line begins with its own
checksum; a line that fails it is ignored.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zoo.documents import DocumentError, Limits, parse_json, read_lines
from zoo.errors import DataError
from zoo.files import digest_of_file, open_whole

if TYPE_CHECKING:
    from zoo.engine.prediction.predictor import Predictor
    from zoo.engine.prediction_files.images import InputImage, InputImages

__all__ = ["JOURNAL_NAME", "Journal", "batch_facts", "has_files"]

_LIMITS = Limits(size_bytes=2**30, values=50_000_000)  # of a line

JOURNAL_NAME = ".predictions.journal"
_SCHEMA = "zoo.prediction-journal/1"
_FACTS = {"model": "model", "options": "options", "inputs": "inputs"}


def batch_facts(
    predictor: Predictor, sha256: str, images: InputImages, **options: Any
) -> dict[str, str]:
    """Return the sha256 of everything that identifies a batch.

    Args:
        predictor: The predictor.
        sha256: Digest of its weights.
        images: The inputs.
        options: Everything else that affects the output, as plain values.
    """
    tiling = predictor.tiling
    how = {
        "score_thr": float(predictor.score_thr),
        "tiling": None if tiling is None else repr(tiling),
        "bands": list(predictor.bands or ()),
        "postprocess": str(predictor.postprocess),
        **options,
    }
    config = repr(predictor.model.config._cfg_dict.to_dict())
    return {
        "model": _digest([sha256, predictor.model.task, config]),
        "options": _digest(how),
        "inputs": _digest_of_inputs(images),
    }


def has_files(folder: Path, entry: Mapping[str, Any]) -> bool:
    """Return whether the files that an image's entry in the JSON names exist.

    Args:
        folder: The folder of the results.
        entry: The image's entry in ``predictions.json``.
    """
    names = [entry.get(key) for key in ("label", "overlay", "geojson")]
    return all((folder / str(name)).is_file() for name in names if name)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _digest_of_inputs(images: InputImages) -> str:
    """Return the digest of their list, of which one is in memory at a time."""
    digest, before = hashlib.sha256(b"["), b""
    for image in images:
        digest.update(before + json.dumps([image.path.as_posix(), image.name]).encode())
        before = b", "
    digest.update(b"]")
    return digest.hexdigest()


class Journal:
    """The journal of one batch.

    Args:
        folder: The folder of the results.
        facts: What `batch_facts` returned.
    """

    def __init__(self, folder: Path, facts: Mapping[str, str]) -> None:
        self.path = folder / JOURNAL_NAME
        self._facts = dict(facts)
        self._stream: BinaryIO | None = None

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of an interrupted batch, without invalid ones.

        An image whose results are missing is left out, to be predicted again. So is a last line
        that was cut off by a kill.

        Raises:
            DataError: It is another batch, or an image has changed since.
        """
        return (line for line in self._lines() if self._holds(line))

    def check(self, found: Mapping[str, Any]) -> None:
        """Refuse to resume a batch of another model, other options or other inputs.

        Args:
            found: The facts of the existing batch.
        """
        differs = [word for key, word in _FACTS.items() if found.get(key) != self._facts[key]]
        if differs:
            message = f"cannot continue in {str(self.path.parent)!r}: found a batch with another "
            message += f"{_spelled(differs)}, expected the same."
            hint = "repeat the same command, or predict again without --resume."
            raise DataError(message, path=self.path.parent, hint=hint)

    def _lines(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of images of a journal of this batch."""
        rows = self._rows()
        head = next(rows, {})
        if head.get("schema") == _SCHEMA:
            self.check(head)
            yield from rows

    def _rows(self) -> Iterator[dict[str, Any]]:
        with suppress(OSError, DocumentError):  # if it is not a journal, start from nothing
            for line in read_lines(self.path, _LIMITS.size_bytes):
                checksum, _, text = line.partition(b" ")
                if checksum == _checksum(text):
                    row = parse_json(text, _LIMITS)
                    if isinstance(row, dict):
                        yield row

    def _holds(self, line: Mapping[str, Any]) -> bool:
        """Return whether an image is done; refuse one whose pixels have changed."""
        if not has_files(self.path.parent, line["entry"]):
            return False
        path = Path(line["file"])
        status = path.stat()
        if [status.st_size, status.st_mtime_ns] == line.get("status"):
            return True
        if digest_of_file(path) != line["sha256"]:
            message = f"cannot continue in {str(self.path.parent)!r}: {path.name!r} has changed "
            message += "since it was predicted."
            hint = "predict again without --resume."
            raise DataError(message, path=path, hint=hint)
        return True

    def begin(self, kept: Container[str] = ()) -> None:
        """Start the file anew, with the lines of finished images.

        Args:
            kept: Files of which lines are kept.

        Raises:
            DataError: It cannot be written.
        """
        try:
            staged = self.path.with_name(f"{self.path.name}.part")
            with open_whole(self.path, staged, is_durable=False) as stream:
                stream.write(_encoded({"schema": _SCHEMA, **self._facts}))
                for line in self._lines() if kept else ():
                    if line["file"] in kept:
                        stream.write(_encoded(line))
            self._stream = self.path.open("ab")
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, image: InputImage, entry: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
        """Add the line of an image whose files are written.

        Args:
            image: One of the batch's images.
            entry: Of ``predictions.json``.
            shared: What the files of the whole batch need from it.

        Raises:
            DataError: It cannot be written, for example on a full disk.
        """
        if self._stream is None:
            self.begin()
        assert self._stream is not None  # noqa: S101 - for mypy
        status = image.path.stat()
        line = {
            "file": image.path.as_posix(),
            "status": [status.st_size, status.st_mtime_ns],
            "sha256": digest_of_file(image.path),
            "entry": entry,
            "shared": shared,
        }
        try:
            self._stream.write(_encoded(line))
            self._stream.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self, *, is_done: bool) -> None:
        """Close the file; remove it if nothing is left to do.

        Args:
            is_done: Whether every image was processed.
        """
        if self._stream is not None:
            with suppress(OSError):  # of a line that could not be written, which `add` has told
                self._stream.close()
            self._stream = None
        if is_done:
            self.path.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> DataError:
        message = f"cannot write {self.path.name!r}: {error.strerror or error}."
        hint = (
            "check the free space and the permissions there, or choose another folder with --out."
        )
        return DataError(message, path=self.path, hint=hint)


def _encoded(line: Mapping[str, Any]) -> bytes:
    text = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    return _checksum(text) + b" " + text


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()


def _spelled(words: Sequence[str]) -> str:
    names = [{"options": "set of options", "inputs": "list of inputs"}.get(w, w) for w in words]
    return " and another ".join(names)
