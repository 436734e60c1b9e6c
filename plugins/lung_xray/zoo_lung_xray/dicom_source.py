# SPDX-License-Identifier: Apache-2.0
"""A source whose DICOM files are read as images."""

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
    """A DICOM file, with an image suffix and the full name as stem if it has no DICOM suffix."""

    @property
    def stem(self) -> str:
        """The name without ``.dcm`` or ``.dicom``; the last part of a UID stays."""
        path = PurePosixPath(self.path)
        return path.stem if is_dicom_name(self.path) else path.name

    @property
    def suffix(self) -> str:
        """The format that :meth:`XraySource.read` returns, ``.bmp``."""
        return ".bmp"


class XraySource(Source):
    """A source with its DICOM files read as 8-bit images by ``zoo_lung_xray.dicom``.

    Their bytes are those of an uncompressed BMP, so that their digest depends only on the pixels,
    not on other elements of the DICOM file.

    Args:
        source: An open source.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.path)
        self._source = source

    def synthetic(self) -> Synthetic | None:
        """Return the generator of synthetic data; its mark is a hidden file, not listed here."""
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
        """Return the bytes of a file, of a BMP for DICOM; see ``zoo.data.Source.read``.

        Args:
            path: Path in the source.
        """
        data = self._source.read(path)
        if path not in self._dicoms:
            return data
        grey, _ = read_dicom(data, self.where(path))
        return bytes(cv2.imencode(".bmp", grey)[1])

    def where(self, path: str) -> str:
        """Return the name of a file in messages.

        Args:
            path: Path in the source.
        """
        return self._source.where(path)

    def describe(self, pairs: Iterable[Pair], report: Report) -> list[Pair]:
        """Return the pairs with spacing and patient from their DICOM headers.

        The patient ID is used if the file name does not identify a patient, unless all files have
        the same ID, as anonymised files may.

        Args:
            pairs: Pairs of files of this source.
            report: Receives how each DICOM file becomes 8 bits.

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
        """Return the facts of a pair's image, or None if it is not a valid DICOM file."""
        if pair.image not in self._dicoms:
            return None
        try:
            return read_facts(self._source.read(pair.image), self.where(pair.image))
        except DataError:
            return None  # reading its pixels also fails, with one message for all such files

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
