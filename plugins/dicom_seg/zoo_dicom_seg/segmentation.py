# SPDX-License-Identifier: Apache-2.0
"""A DICOM Segmentation of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

import zoo
from zoo.texts import printable
from zoo_dicom_seg.batch import Batch
from zoo_dicom_seg.coding import Code, Coding

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["MAKER", "Place", "Segment", "make_segmentation", "short_text", "software"]

MAKER = "mmzoo"
_MOST_CHARACTERS = 64  # of an LO, PS3.5, 6.2
_MOST_OF_A_TEXT = 1024  # of an ST


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment.

    Args:
        label: Its name for people.
        coding: What it is.
        color: RGB.
    """

    label: str
    coding: Coding
    color: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is filed.

    Args:
        series_uid: Of its series.
        series_number: Of its series.
        number: In its series, from 1.
    """

    series_uid: str
    series_number: int
    number: int


def make_segmentation(
    source: Dataset,
    pixels: NDArray[Any],
    segments: Sequence[Segment],
    batch: Batch,
    place: Place,
    kind: str,
) -> Dataset:
    """Return the segmentation of an image.

    Args:
        source: As :func:`zoo_dicom_seg.source_image.read_source` returns it.
        pixels: ``(H, W)`` numbers of segments from 1, 0 for none; or ``(H, W, K)`` bool.
        segments: What the numbers mean, in their order.
        batch: Who predicted.
        place: Where it is filed.
        kind: ``binary`` or ``labelmap``.
    """
    import highdicom
    from pydicom.uid import ExplicitVRLittleEndian

    name = short_text(batch.model["name"] or batch.model["checkpoint"] or "model")
    made = highdicom.seg.Segmentation(
        source_images=[source],
        pixel_array=pixels[None],
        segmentation_type=kind.upper(),
        segment_descriptions=_descriptions(segments, batch, name),
        series_instance_uid=place.series_uid,
        series_number=place.series_number,
        sop_instance_uid=highdicom.UID(),
        instance_number=place.number,
        manufacturer=MAKER,
        manufacturer_model_name=name,
        software_versions=software(),
        device_serial_number=_digest(batch)[:_MOST_CHARACTERS],
        content_label="SEGMENTATION",
        content_description=short_text(f"predicted by {name}"),
        series_description=short_text(f"Segmentation by {name}"),
        specific_character_set="ISO_IR 192",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        omit_empty_frames=False,
    )
    if "PixelSpacing" in source:  # highdicom states 1 mm between slices where there is only one
        shared = made.SharedFunctionalGroupsSequence[0]
        shared.PixelMeasuresSequence[0].pop("SpacingBetweenSlices", None)
    made.ContentCreatorName = None  # type 2, which highdicom leaves out
    if batch.notice:
        for item in made.SegmentSequence:
            item.SegmentDescription = printable(batch.notice)[:_MOST_OF_A_TEXT]
    made.PatientOrientation = source.get("PatientOrientation")
    if "BurnedInAnnotation" in source:
        made.BurnedInAnnotation = source.BurnedInAnnotation
    return made


def short_text(text: str) -> str:
    r"""Return a text that fits into one line of 64 characters; ``\`` would separate two values.

    Args:
        text: From outside.
    """
    return printable(text).replace("\\", "/").strip()[:_MOST_CHARACTERS] or "-"


def software() -> str:
    """Return the version of zoo, as objects state it."""
    return f"mmzoo {zoo.__version__}"


def _digest(batch: Batch) -> str:
    return batch.model["sha256"] or "unknown"


def _descriptions(segments: Sequence[Segment], batch: Batch, name: str) -> list[Any]:
    """Return the segments as highdicom has them, each with who made it."""
    import highdicom
    from pydicom.sr.codedict import codes

    facts = {key: batch.model[key] for key in ("sha256", "config", "checkpoint")}
    by = highdicom.AlgorithmIdentificationSequence(
        name=name,
        family=codes.cid7162.ArtificialIntelligence,
        version=_digest(batch)[:16],
        source=MAKER,
        parameters={key: short_text(value) for key, value in facts.items() if value},
    )
    return [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=short_text(segment.label),
            segmented_property_category=_concept(segment.coding.category),
            segmented_property_type=_concept(segment.coding.type),
            algorithm_type="AUTOMATIC",
            algorithm_identification=by,
            display_color=highdicom.color.CIELabColor.from_rgb(*segment.color),
        )
        for number, segment in enumerate(segments, 1)
    ]


def _concept(code: Code) -> Any:
    import highdicom

    return highdicom.sr.CodedConcept(code.value, code.scheme, code.meaning)
