# SPDX-License-Identifier: Apache-2.0
"""Rows of weights as frozen values, and the names that mean one, such as ``unet_road@2``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

__all__ = [
    "AnyWeightsRow",
    "Digest",
    "LivingRow",
    "MetricValue",
    "WeightsFacts",
    "WeightsRow",
    "is_named",
    "split_version",
]

_VERSION = re.compile(r"([^@]+)@([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One value of a weights row, and the data it was measured on.

    Attributes:
        name: Name of the metric, such as ``mIoU``.
        value: The value, in ``unit``.
        dataset: Data set it was measured on.
        split: Split of that data set.
        labels: Where the labels are from, as in a data set's row; ``synthetic`` if a plugin drew
            images and labels.
        protocol: How it was measured.
        unit: Unit of the value: ``fraction`` of 1, ``percent``, or that of a count or a length.
        published: Where a value was published that the row's author did not measure; None if the
            author of the row measured it.
    """

    name: str
    value: float
    dataset: str
    split: str
    labels: str
    protocol: str
    unit: str = "fraction"
    published: str | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """What is known about the bytes of a file before it is downloaded.

    Attributes:
        kind: ``sha256`` (64 hex digits), ``sha256_prefix`` (its first 8 or more), ``md5_prefix``
            (the first 6 or more of an md5), or ``revision``: no digest, but every address is on a
            host that keeps a file for each revision, and names the revision.
        value: The digits, lower case; empty for ``revision``.
    """

    kind: str
    value: str = ""

    @property
    def is_full(self) -> bool:
        """Return whether it identifies the file, so that it may be downloaded unasked."""
        return self.kind == "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFacts:
    """What every ``[[weights]]`` row states, wherever its file lies.

    Attributes:
        name: The NAME of ``zoo predict NAME``.
        task: What the model does; zoo runs ``semantic`` and ``instance``, and lists the others;
            ``backbone`` is a part of a network.
        config: Name of the config that builds the model; a backbone needs none.
        urls: Addresses in order of preference: ``https://...``,
            ``hf://ORG/REPO@REVISION/path``, ``github://OWNER/REPO@TAG/ASSET``, or
            ``package:<path>`` for a file inside the package; a revision is the 40 hex digits of a
            commit.
        format: Format of the file; a ``pkl`` needs a converter.
        licence: Licence of the weights, an SPDX expression or a text.
        data_licence: Licence of the data they were trained on.
        parameters: Number of parameters of the model, without buffers; a backbone may leave it
            out.
        metrics: Measured and published values; living weights and backbones may have none.
        non_commercial: Whether the licence forbids commercial use; None if that is not known.
        classes: Class names in the order of their ids; None if only the file states them.
        replaces: Upstream addresses that it stands for, such as ``torchvision://resnet50``.
        aliases: Other names of the row.
        version: Number of the version, from 1; ``NAME`` means the newest, ``NAME@1`` the first.
        yanked: Why it must not be used any more; it is then refused unless ``zoo.lock`` pins it.
        successor: Name of the weights to use instead, which using them logs; or None.
        source: Where the facts of the row were seen, or None.
    """

    kind: ClassVar[str] = "weights"
    name: str
    task: str
    config: str
    urls: tuple[str, ...]
    format: str
    licence: str
    data_licence: str
    parameters: int | None
    metrics: tuple[MetricValue, ...]
    non_commercial: bool | None = None
    classes: tuple[str, ...] | None = None
    replaces: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    version: int = 1
    yanked: str | None = None
    successor: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRow(WeightsFacts):
    """Weights whose file is used as it is: downloaded, verified, opened.

    Attributes:
        sha256: Digest of the whole file, 64 hex digits; a row has at most one of the three
            digests, and needs none if every address is ``hf://``.
        size_bytes: Size of the file; needed beside ``sha256`` without a ``converter``.
    """

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingRow(WeightsFacts):
    """Weights on a living host that are adopted before use: judged, converted once, pinned.

    Attributes:
        digest: What is known about the bytes of the source.
        size_bytes: Size of the source, or None if it is not known.
        converter: ``name`` or ``plugin.name`` of a ``[[converter]]`` row, if another library saved
            the file; None if the source is a checkpoint of OpenMMLab's own format.
    """

    digest: Digest
    size_bytes: int | None
    converter: str | None

    @property
    def sha256(self) -> str | None:
        """Return the whole sha256 of the source, or None if less of it is known."""
        return self.digest.value if self.digest.is_full else None


AnyWeightsRow: TypeAlias = WeightsRow | LivingRow


def split_version(name: str) -> tuple[str, int | None]:
    """Return the name of weights and the version that it asks for, or None.

    Args:
        name: ``NAME`` or ``NAME@VERSION``.

    Example:
        >>> split_version("unet_road@2"), split_version("unet_road")
        (('unet_road', 2), ('unet_road', None))
    """
    found = _VERSION.fullmatch(name)
    return (name, None) if found is None else (found[1], int(found[2]))


def is_named(row: WeightsFacts, name: str, plugin: str) -> bool:
    """Return whether a row is called by its name or an alias, with or without its plugin.

    Args:
        row: A row of weights.
        name: ``Name`` or ``plugin.Name``, without a version.
        plugin: The plugin that has the row.
    """
    return any(name in (own, f"{plugin}.{own}") for own in (row.name, *row.aliases))
