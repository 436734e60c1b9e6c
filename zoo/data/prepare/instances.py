# SPDX-License-Identifier: Apache-2.0
"""Prepare a folder from scenes with instances; shared by plugins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.data.decoders.raster_bands import band_options
from zoo.data.geometry.windows import Tiling
from zoo.data.layout.identity import DatasetIdentity
from zoo.data.layout.plan import Plan, make_plan
from zoo.data.layout.splits import Shares
from zoo.data.pictures.decoding import BandChoice
from zoo.data.prepare.coco_writing import write_annotations
from zoo.data.prepare.dataset_writing import Twin, note_twins, write_facts
from zoo.data.prepare.instance import Scene
from zoo.data.prepare.jobs import Progress, run_jobs
from zoo.data.prepare.rerun import check_same, find_earlier
from zoo.data.prepare.scene import SceneRecord, SurveyedScene, survey_scene, write_scene
from zoo.data.report import Report
from zoo.data.source.source import Source
from zoo.data.staging import check_places, staged_folder
from zoo.errors import DataError

__all__ = ["prepare_instances"]

_MOST_CLASSES = 10_000
_NO_CHIP = "crowd region: gets no chip"


def prepare_instances(
    source: Source,
    out: Path,
    *,
    dataset: DatasetIdentity,
    scenes: Iterable[Scene],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    shares: Shares,
    report: Report,
    tiling: Tiling,
    labels: str,
    licence: str,
    options: Mapping[str, Any] | None = None,
    salt: str = "zoo",
    exact_shares: bool = False,
    bands: BandChoice = None,
    progress: Progress | None = None,
    workers: int = 2,
) -> Report:
    """Write the prepared folder of ``scenes``, or nothing.

    The source is not changed. Scenes are split by group before they are cut, so no scene is in two
    splits. :func:`zoo.data.to_uint8` converts 16-bit images to 8 bits, scene by scene. Instances
    outside their scene or without a pixel are dropped and reported. The same source and options
    give the same folder. If ``out`` already contains that folder, nothing is written; any other
    content is an error.

    Args:
        source: Source that the paths of scenes refer to.
        out: Folder to create.
        dataset: Identity of the data set, for ``dataset.json``.
        scenes: Scenes in any order; iterated once.
        classes: Class names; categories of the COCO JSON count from 1.
        palette: RGB colour of each class.
        shares: Shares of the splits.
        report: Report so far; completed in place.
        tiling: How to cut scenes; see :func:`zoo.data.parse_tiling`.
        labels: ``"derived"`` if masks were made from weaker labels, such as boxes.
        licence: Licence of the images.
        options: Other options that affect the result; a later run compares them.
        salt: Salt of the splits.
        exact_shares: Whether the splits have exact counts of groups, as a small set needs; see
            :func:`zoo.data.assign_exact_splits`.
        bands: Red, green and blue band of a TIFF, from 1, if the file does not name them.
        progress: Called with scenes done and scenes in total.
        workers: Number of threads; each holds one scene in memory.

    Raises:
        DataError: The source contains unusable files (each is named), the overlap is smaller than
            the largest box, source and output overlap, ``out`` has other content, or the disk is
            full. Nothing is left at ``out``.
    """
    check_places(source.path, out)

    def survey(scene: Scene) -> SurveyedScene:
        return survey_scene(source, scene)

    def write(scene: SurveyedScene) -> SceneRecord:
        return write_scene(source, scene, plan.splits[scene.stem], folder, tiling, bands=bands)

    surveyed = run_jobs(survey, tuple(scenes), what="scenes", workers=workers)
    _check_categories(surveyed, len(classes))
    tiling.check_fits(scene.sizes for scene in surveyed)
    plan = make_plan(
        dataset,
        _keep(surveyed, tiling, report),
        classes,
        palette,
        labels=labels,
        options={**(options or {}), **tiling.to_options(), "salt": salt, **band_options(bands)},
        shares=shares,
        salt=salt,
        is_exact=exact_shares,
        synthetic=source.synthetic(),
        most_classes=_MOST_CLASSES,
    )
    earlier = find_earlier(out)
    if earlier is not None:
        digests = {scene.stem: scene.source_sha256 for scene in plan.items}
        return check_same(earlier, plan, digests, report)
    with staged_folder(out) as folder:
        records = run_jobs(write, plan.items, what="scenes", workers=workers, progress=progress)
        _complete(report, plan, records, tiling)
        _write(folder, plan, records, report, licence)
    return report


def _check_categories(surveyed: Sequence[SurveyedScene], count: int) -> None:
    """Raise an error that names an instance of no class: nothing would know what it is."""
    for scene in surveyed:
        for instance in scene.scene.instances:
            if not 0 <= instance.category < count:
                message = f"cannot prepare {scene.image!r}: found an instance of category "
                message += f"{instance.category}, expected 0..{count - 1}."
                hint = "categories are places in the list of classes, from 0."
                raise DataError(message, where=instance.source or None, hint=hint)


def _keep(
    surveyed: Sequence[SurveyedScene], tiling: Tiling, report: Report
) -> Iterator[SurveyedScene]:
    """Yield the scenes to write, and report what happened to the others."""
    count = 0
    for found in surveyed:
        report.dropped += found.dropped
        report.repaired += found.repaired
        scene = _without_crowds(found, report) if tiling.layout == "chips" else found
        if scene.scene.instances or tiling.layout != "chips":
            count += 1
            yield scene
        else:
            report.drop(scene.image, "no instance in the scene, so no chip")
    _check_some_kept(surveyed)
    if surveyed and not count:
        message = "cannot cut chips: no scene shows an instance."
        raise DataError(message, where="--layout", hint="give --layout tiles or whole.")


def _check_some_kept(surveyed: Sequence[SurveyedScene]) -> None:
    """Raise an error if a source lists objects but none is usable."""
    dropped = [line for scene in surveyed for line in scene.dropped]
    if dropped and not any(scene.scene.instances for scene in surveyed):
        message = f"cannot use any of {len(dropped)} objects: the first is left out because its "
        message += f"{dropped[0].text}."
        hint = (
            "check that boxes and outlines are in px of their images, counted from the upper left."
        )
        raise DataError(message, where=dropped[0].file, hint=hint)


def _without_crowds(surveyed: SurveyedScene, report: Report) -> SurveyedScene:
    scene = surveyed.scene
    for instance in scene.instances:
        if instance.is_crowd:
            report.drop(instance.source, _NO_CHIP)
    alone = tuple(instance for instance in scene.instances if not instance.is_crowd)
    return replace(surveyed, scene=replace(scene, instances=alone))


def _complete(
    report: Report,
    plan: Plan[SurveyedScene],
    records: Sequence[SceneRecord],
    tiling: Tiling,
) -> None:
    for scene, record in zip(plan.items, records, strict=True):
        if all(instance.is_crowd for instance in scene.scene.instances):
            crowds = ", only crowds" if scene.scene.instances else ""
            report.note(scene.image, f"no instance in the scene{crowds}")
        for text in record.notes:
            report.note(scene.image, text)
        if record.is_stretched:
            report.repair(scene.image, "16-bit samples stretched to 8 bits")
        if max(scene.width_px, scene.height_px) < tiling.tile_px:
            report.note(scene.image, f"smaller than {tiling.tile_px} px: not cut")
    note_twins(
        report, (Twin(s.image_sha256, s.stem, plan.splits[s.stem], s.image) for s in plan.items)
    )
    report.count("scenes", len(plan.items))
    _count_instances(report, plan)
    if tiling.layout != "whole":
        report.count(tiling.layout, sum(len(record.files) for record in records))
    if tiling.layout == "tiles":
        shown = [rows for record in records for rows in record.annotations]
        empty = sum(all(row["iscrowd"] for row in rows) for rows in shown)
        report.count("tiles without an instance", empty)
        report.count("remainders of cut instances left out", sum(r.remains for r in records))


def _count_instances(report: Report, plan: Plan[SurveyedScene]) -> None:
    """Count objects by class, and crowds separately, because they are not trained on."""
    counts: Counter[tuple[int, bool]] = Counter()
    for scene in plan.items:
        counts.update((each.category, each.is_crowd) for each in scene.scene.instances)
    report.instances = {name: counts[index, False] for index, name in enumerate(plan.classes)}
    for index, (name, number) in enumerate(report.instances.items()):
        if not number:
            place = "only as crowds" if counts[index, True] else "in no scene"
            report.note("", f"class {name!r} occurs {place}")
    report.count("instances", sum(report.instances.values()))
    crowds = counts.total() - sum(report.instances.values())
    if crowds:
        report.count("crowds", crowds)


def _write(
    folder: Path,
    plan: Plan[SurveyedScene],
    records: Sequence[SceneRecord],
    report: Report,
    licence: str,
) -> None:
    shown = [
        part for record in records for part in zip(record.files, record.annotations, strict=True)
    ]
    shown.sort(key=lambda part: part[0].stem)
    annotations = write_annotations(
        folder,
        shown,
        dataset=plan.dataset,
        classes=plan.classes,
        labels=plan.labels,
        licence=licence,
    )
    files = [row for row, _ in shown]
    write_facts(folder, plan, files, report, task="instance", annotations=annotations)
