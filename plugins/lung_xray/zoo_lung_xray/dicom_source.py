# SPDX-License-Identifier: Apache-2.0
"""A raw release whose DICOM files are read as pictures, like any others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import cv2

from zoo.data import Pair, Report, Source, SourceFile, Synthetic
from zoo.errors import DataError
from zoo_lung_xray.dicom import (
    DicomFacts,
    is_candidate,
    is_dicom,
    is_dicom_name,
    load_pydicom,
    read_dicom,
    read_facts,
)
from zoo_lung_xray.facts import read_stem

__all__ = ["DicomFile", "XraySource"]


@dataclass(frozen=True, slots=True)
class DicomFile(SourceFile):
    """A DICOM file: by its suffix a picture, and named in full where it has none of its own."""

    @property
    def stem(self) -> str:
        """The name, without ``.dcm`` or ``.dicom``; the last part of a UID stays."""
        path = PurePosixPath(self.path)
        return path.stem if is_dicom_name(self.path) else path.name

    @property
    def suffix(self) -> str:
        """What :meth:`XraySource.read` gives: ``.bmp``."""
        return ".bmp"


class XraySource(Source):
    """Another source with its DICOM files read as 8-bit pictures by ``zoo_lung_xray.dicom``.

    Their bytes are those of an uncompressed BMP, so that a digest of them is one of the pixels:
    what else a DICOM file says does not change it.

    Args:
        source: An open source.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.path)
        self._source = source

    def synthetic(self) -> Synthetic | None:
        """Return who drew the data; the mark is a hidden file, which is not listed here."""
        return self._source.synthetic()

    def _list(self) -> Iterator[SourceFile]:
        for file in self._source.files():
            is_named = is_dicom_name(file.name)
            if is_named or (is_candidate(file.name) and is_dicom(file.name, self._read(file))):
                yield DicomFile(file.path, file.size_bytes)
            else:
                yield file

    def _read(self, file: SourceFile) -> bytes:
        return self._source.read(file.path)

    def read(self, path: str) -> bytes:
        """Return the bytes of one file, those of a BMP for DICOM; see ``zoo.data.Source.read``."""
        data = self._source.read(path)
        if path not in self._dicoms:
            return data
        grey, _ = read_dicom(data, self.where(path))
        return bytes(cv2.imencode(".bmp", grey)[1])

    def where(self, path: str) -> str:
        """Return how an error message names ``path``."""
        return self._source.where(path)

    def describe(self, pairs: Iterable[Pair], report: Report) -> list[Pair]:
        """Return the pairs with what their DICOM headers say: spacing, and whose they are.

        Where the name of a file tells no patient, a patient ID does, unless all files have the
        same one, as anonymised files may.

        Args:
            pairs: Of files of this source.
            report: Is told how each DICOM file becomes 8 bits.

        Raises:
            DataError: pydicom is missing.
        """
        pairs = list(pairs)
        if self._dicoms:
            load_pydicom()
        facts = {pair.stem: fact for pair in pairs if (fact := self._facts(pair)) is not None}
        patients = {fact.patient for fact in facts.values()}
        is_one = len(facts) > 1 and len(patients) == 1 and "" not in patients
        if is_one:
            report.note("", "all DICOM files state the same patient ID: it is not used")
        for pair in pairs:
            if pair.stem in facts:
                report.repair(pair.image, facts[pair.stem].rule)
        return [
            _described(pair, facts[pair.stem], use_patient=not is_one)
            if pair.stem in facts
            else pair
            for pair in pairs
        ]

    def _facts(self, pair: Pair) -> DicomFacts | None:
        """Return the facts of a pair's picture, None if it is no DICOM file, or a bad one."""
        if pair.image not in self._dicoms:
            return None
        try:
            return read_facts(self._source.read(pair.image), self.where(pair.image))
        except DataError:
            return None  # reading its pixels fails too, and names all such files in one message

    @cached_property
    def _dicoms(self) -> frozenset[str]:
        return frozenset(file.path for file in self.files() if isinstance(file, DicomFile))


def _described(pair: Pair, facts: DicomFacts, *, use_patient: bool) -> Pair:
    meta: dict[str, Any] = dict(pair.meta)
    if facts.spacing_mm is not None:
        meta["spacing_mm"] = list(facts.spacing_mm)
        meta["spacing_from"] = facts.spacing_from
    is_foreign = read_stem(pair.stem).source_set == "other"
    group = facts.patient if use_patient and facts.patient and is_foreign else pair.group
    return replace(pair, group=group, meta=meta)
