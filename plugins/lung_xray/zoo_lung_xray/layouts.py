# SPDX-License-Identifier: Apache-2.0
"""Find the folders of a raw release, and pair its images with their masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from zoo.data import IMAGE_SUFFIXES, Pair, Report, Source, SourceFile, pair_by_stem
from zoo.errors import DataError
from zoo_lung_xray.facts import read_stem

__all__ = ["find_pairs"]

IMAGES, MASKS, TEST = ("CXR_png", "CXR_dcm"), "masks", "test"
LEFT, RIGHT = "ManualMask/leftMask", "ManualMask/rightMask"


def find_pairs(source: Source, report: Report, *, mask_suffix: str, source_set: str) -> list[Pair]:
    """Return the images that have masks, with patient and facts; report the others.

    Two layouts are supported, at the top of the source or in any folder of it:
    ``CXR_png`` + ``masks`` (+ ``test``), the public set, and ``CXR_png`` +
    ``ManualMask/{leftMask,rightMask}``, Montgomery's own release; ``CXR_png`` may also be
    ``CXR_dcm``. A second copy of the same layout, as in the public archive, is ignored.

    Args:
        source: An open source.
        report: Receives a line for every file that is not used.
        mask_suffix: Suffix that mask names may have.
        source_set: ``all``, or the set to keep.

    Raises:
        DataError: The source has no known layout, two different layouts, no pairs, or a stem
            twice.
    """
    folders = _group_by_folder(source.files())
    root = _find_root(source, folders, report)
    pictures = [file for name in IMAGES for file in folders.get(root / name, [])]
    images = _keep(pictures, source_set, mask_suffix, report)
    if not images:
        found = pictures[0].folder
        name = PurePosixPath(found).name
        message = f"cannot find X-rays of the source set {source_set!r} in {name!r}."
        hint = "names of montgomery start with MCUCXR, those of shenzhen with CHNCXR; or keep all."
        raise DataError(message, where=source.where(found), hint=hint)
    if root / LEFT in folders or root / RIGHT in folders:
        sides = {
            side: _keep(folders.get(root / side, []), source_set, mask_suffix, report)
            for side in (LEFT, RIGHT)
        }
        return _pair_sides(source, root, images, sides, report, mask_suffix)
    masks = _keep(folders.get(root / MASKS, []), source_set, mask_suffix, report)
    test = _keep(folders.get(root / TEST, []), source_set, mask_suffix, report)
    images = _drop_unlabelled(images, masks, test, report, mask_suffix)
    where = source.where(str(root))
    stems = pair_by_stem(images, masks, report=report, mask_suffix=mask_suffix, where=where)
    return [_make_pair(stem.stem, stem.image, (stem.mask,)) for stem in stems]


def _group_by_folder(files: Sequence[SourceFile]) -> dict[PurePosixPath, list[SourceFile]]:
    folders: dict[PurePosixPath, list[SourceFile]] = {}
    for file in files:
        if file.suffix in IMAGE_SUFFIXES:
            folders.setdefault(PurePosixPath(file.path).parent, []).append(file)
    return folders


def _find_root(
    source: Source, folders: dict[PurePosixPath, list[SourceFile]], report: Report
) -> PurePosixPath:
    known = (MASKS, LEFT, RIGHT)
    roots = [
        folder.parent
        for folder in folders
        if folder.name in IMAGES and any(folder.parent / name in folders for name in known)
    ]
    roots = list(dict.fromkeys(roots))
    if not roots:
        found = sorted(str(folder) for folder in folders)[:5]
        message = (
            f"cannot find chest X-rays with masks: found images in {found!r}, expected a folder "
            f"with {IMAGES[0]!r} and {MASKS!r}, or with {IMAGES[0]!r} and 'ManualMask'."
        )
        hint = "give the folder or .zip that contains 'Lung Segmentation'."
        raise DataError(message, where=source.path, hint=hint)
    roots.sort(key=lambda root: (len(root.parts), str(root)))
    contents = {root: _contents(folders, root) for root in roots}
    for copy in roots[1:]:
        if contents[copy] != contents[roots[0]]:
            message = f"cannot choose between two sets: found {str(roots[0])!r} and {str(copy)!r}."
            raise DataError(message, where=source.path, hint="give one of the two folders.")
        report.note(str(copy), f"second copy of {str(roots[0])!r}, not read")
    return roots[0]


def _contents(
    folders: dict[PurePosixPath, list[SourceFile]], root: PurePosixPath
) -> set[tuple[str, int]]:
    return {
        (str(folder.relative_to(root) / file.name), file.size_bytes)
        for folder, files in folders.items()
        if folder.is_relative_to(root)
        for file in files
    }


def _keep(
    files: Sequence[SourceFile], source_set: str, mask_suffix: str, report: Report
) -> list[SourceFile]:
    """Return the files of one source set; report the number of the others."""
    if source_set == "all":
        return list(files)
    kept = [
        file for file in files if read_stem(_plain(file.stem, mask_suffix)).source_set == source_set
    ]
    report.count("files_of_other_source_sets", len(files) - len(kept))
    return kept


def _plain(stem: str, mask_suffix: str) -> str:
    return stem.removesuffix(mask_suffix) if mask_suffix else stem


def _drop_unlabelled(
    images: list[SourceFile],
    masks: list[SourceFile],
    test: list[SourceFile],
    report: Report,
    mask_suffix: str,
) -> list[SourceFile]:
    """Return the images except the unlabelled ones, which the set keeps in test."""
    labelled = {_plain(mask.stem, mask_suffix) for mask in masks} | {mask.stem for mask in masks}
    announced = {file.stem for file in test} - labelled
    present = {file.stem for file in images}
    for file in images:
        if file.stem in announced:
            report.drop(file.path, f"unlabelled: no mask, and listed in {TEST!r}")
    for file in test:
        if file.stem in announced - present:
            report.drop(file.path, f"unlabelled: only in {TEST!r}")
    if announced:
        report.count("unlabelled", len(announced))
    return [file for file in images if file.stem not in announced]


def _pair_sides(
    source: Source,
    root: PurePosixPath,
    images: list[SourceFile],
    sides: dict[str, list[SourceFile]],
    report: Report,
    mask_suffix: str,
) -> list[Pair]:
    """Return pairs with a left and a right mask; drop images with only one of the two."""
    found: dict[str, dict[str, str]] = {}
    for side, masks in sides.items():
        where = source.where(str(root / side))
        seen = Report()
        stems = pair_by_stem(images, masks, report=seen, mask_suffix=mask_suffix, where=where)
        found[side] = {pair.stem: pair.mask for pair in stems}
        paths = {mask.path for mask in masks}
        report.dropped += [line for line in seen.dropped if line.file in paths]
        report.count("masks", len(masks))
    pairs = []
    for image in images:
        missing = [side for side in sides if image.stem not in found[side]]
        if missing:
            report.drop(image.path, f"no mask in {' or '.join(missing)}")
            for others in found.values():
                if image.stem in others:
                    report.drop(others[image.stem], "mask of one side, the other is missing")
        else:
            both = tuple(found[side][image.stem] for side in sides)
            pairs.append(_make_pair(image.stem, image.path, both))
    report.count("images", len(images))
    report.count("pairs", len(pairs))
    return pairs


def _make_pair(stem: str, image: str, masks: tuple[str, ...]) -> Pair:
    facts = read_stem(stem)
    meta = {"source_set": facts.source_set, "tuberculosis": facts.tuberculosis}
    return Pair(stem=stem, group=facts.patient, image=image, masks=masks, meta=meta)
