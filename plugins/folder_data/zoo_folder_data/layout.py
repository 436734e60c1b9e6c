# SPDX-License-Identifier: Apache-2.0
"""Find the images, the masks and ``classes.toml`` in a source, and pair them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from zoo.data import Pair, Report, Source, SourceFile, compose, pair_by_stem
from zoo.errors import DataError
from zoo_folder_data.arrangement import guess_arrangement

__all__ = ["CLASSES_FILE", "Layout", "compile_group", "find_group", "find_layout", "find_pairs"]

CLASSES_FILE = "classes.toml"


@dataclass(frozen=True, slots=True)
class Layout:
    """The two folders of a source, and their common folder.

    Args:
        root: Path in the source, ``""`` for its top.
        images: Path in the source.
        masks: Path in the source; may equal ``images``.
    """

    root: str
    images: str
    masks: str

    @property
    def classes(self) -> str:
        """Path where ``classes.toml`` is searched."""
        return _join(self.root, CLASSES_FILE)


def _join(folder: str, name: str) -> str:
    path = str(PurePosixPath(folder, name))
    return "" if path == "." else path


def find_layout(source: Source, images: str, masks: str) -> Layout:
    """Return the folders called ``images`` and ``masks``, at the top or in one folder below.

    Args:
        source: The source to list.
        images: Name or path; ``.`` for the parent of the masks' folder.
        masks: Name or path; ``.`` for the parent of the images' folder.

    Raises:
        DataError: The two folders are not beside each other, or exist more than once.
    """
    folders = {""}
    for file in source.files():
        parents = PurePosixPath(file.path).parents
        folders |= {"" if str(parent) == "." else str(parent) for parent in parents}
    spelt = {compose(folder): folder for folder in folders}
    roots = [
        folder
        for folder in folders
        if all(compose(_join(folder, name)) in spelt for name in (images, masks))
    ]
    if not roots:
        raise _no_folders(source, folders, images, masks)
    depth = min(root.count("/") + bool(root) for root in roots)
    nearest = sorted(root for root in roots if root.count("/") + bool(root) == depth)
    if len(nearest) > 1:
        message = (
            f"cannot tell which data to prepare: found {images!r} and {masks!r} in "
            f"{nearest[0]!r} and in {nearest[1]!r}."
        )
        raise DataError(message, path=source.path, hint="give one of these folders as --source.")
    root = nearest[0]
    own = [spelt[compose(_join(root, name))] for name in (images, masks)]
    return Layout(root, *own)


def _no_folders(source: Source, folders: set[str], images: str, masks: str) -> DataError:
    has_images = any(PurePosixPath(folder).match(images) for folder in folders if folder)
    missing = masks if has_images else images
    found = ", ".join(repr(folder) for folder in sorted(folders - {""})[:8]) or "no folder"
    message = (
        f"cannot find the {'masks' if has_images else 'images'}: found {found}, expected "
        f"{images!r} and {masks!r} beside each other."
    )
    option = "--masks" if has_images else "--images"
    hint = f"use {option} to name the folder instead of {missing!r}."
    guess = guess_arrangement(source)
    if guess is not None and guess.to_options():
        hint = f"{guess.count} pairs are found with {guess.spell()}."
    elif guess is None and (source.path.resolve().parent / missing).is_dir():
        hint = f"give the folder that holds both: --source {shlex.quote(_above(source))}."
    if any(file.suffix == ".json" for file in source.files()):
        hint += " A COCO JSON is read with --task instance."
    return DataError(message, path=source.path, hint=hint)


def _above(source: Source) -> str:
    """Return the parent folder of the source, as the user spells it."""
    path = source.path
    return str(path.parent if path.name else path.resolve().parent)


def find_pairs(
    source: Source,
    layout: Layout,
    report: Report,
    *,
    image_suffix: str,
    mask_suffix: str,
    group_by: str,
) -> list[Pair]:
    """Return the pairs of a source, each with its group.

    Files are paired by their paths below the two folders, without suffixes; subfolders may have
    any depth. ``a/b.png`` becomes the stem ``a__b``.

    Args:
        source: The source to list.
        layout: Layout of the source.
        report: Receives the files without a partner.
        image_suffix: Suffix of images before ``.png``; files without it are dropped.
        mask_suffix: Suffix that masks may have.
        group_by: Regular expression, searched in the common path of a pair; its first group, or
            the whole match, names the patient or scene. If empty, each image is a group.

    Raises:
        DataError: There are no pairs, a stem occurs twice, or the expression does not match every
            path.
    """
    pattern = compile_group(group_by)
    images, masks = _collect(source, layout, report, image_suffix, mask_suffix)
    pairs = pair_by_stem(
        images, masks, report=report, mask_suffix=mask_suffix, where=str(source.path)
    )
    return [
        Pair(
            stem=pair.stem.replace("/", "__"),
            group=find_group(pattern, pair.stem, source.where(pair.image)),
            image=pair.image,
            masks=(pair.mask,),
        )
        for pair in pairs
    ]


def _collect(
    source: Source, layout: Layout, report: Report, image_suffix: str, mask_suffix: str
) -> tuple[list[tuple[str, SourceFile]], list[tuple[str, SourceFile]]]:
    if layout.images == layout.masks and not mask_suffix:
        message = "cannot tell images from masks: both are in one folder and --mask-suffix is ''."
        hint = "state the suffix of masks with --mask-suffix."
        guess = guess_arrangement(source)
        if guess is not None and guess.mask_suffix:
            hint = f"masks seem to have the suffix {guess.mask_suffix!r}: {guess.spell()}."
        raise DataError(message, path=source.path, hint=hint)
    images = _below(source.files(), layout.images, layout.masks)
    masks = _below(source.files(), layout.masks, layout.images)
    if layout.images == layout.masks:
        ending = compose(mask_suffix)
        images = [item for item in images if not compose(item[0]).endswith(ending)]
        masks = [item for item in masks if compose(item[0]).endswith(ending)]
    kept = []
    for key, file in images:
        if image_suffix and not compose(key).endswith(compose(image_suffix)):
            report.drop(file.path, f"name does not end in {image_suffix!r}")
        elif file.name != CLASSES_FILE:
            bare = compose(key).removesuffix(compose(image_suffix)) if image_suffix else key
            kept.append((bare, file))
    return kept, [(key, file) for key, file in masks if file.name != CLASSES_FILE]


def _below(files: Sequence[SourceFile], folder: str, other: str) -> list[tuple[str, SourceFile]]:
    """Return the files in a folder by path without suffix, except those in the other folder."""
    base, barred = PurePosixPath(folder), PurePosixPath(other)
    inner = barred != base and barred.is_relative_to(base)
    found = []
    for file in files:
        path = PurePosixPath(file.path)
        if path.is_relative_to(base) and not (inner and path.is_relative_to(barred)):
            found.append((str(path.relative_to(base).with_suffix("")), file))
    return found


def compile_group(group_by: str) -> re.Pattern[str] | None:
    """Return the compiled expression of ``--group-by``, or None for ``""``.

    Args:
        group_by: Regular expression.

    Raises:
        DataError: It is not a regular expression.
    """
    if not group_by:
        return None
    try:
        return re.compile(compose(group_by))
    except re.error as error:
        message = f"cannot group by {group_by!r}: {error}."
        hint = (
            "write a regular expression, such as --group-by '^([^_]+)_' for the part before a '_'."
        )
        raise DataError(message, where="--group-by", hint=hint) from error


def find_group(pattern: re.Pattern[str] | None, key: str, where: str) -> str:
    """Return the match of the expression in a path, or the path itself without an expression.

    Both are in composed form (NFC), so that a patient's name is the same group on every system.

    Args:
        pattern: Result of :func:`compile_group`; its first group counts, or the whole match.
        key: Path without suffix.
        where: The image, for messages.

    Raises:
        DataError: The expression does not match.
    """
    if pattern is None:
        return key
    match = pattern.search(compose(key))
    group = (match[1] if pattern.groups else match[0]) if match else None
    if not group:
        message = f"cannot tell the group of {key!r}: {pattern.pattern!r} matches nothing in it."
        hint = "change --group-by so that it matches every file."
        raise DataError(message, path=where, hint=hint)
    return group
