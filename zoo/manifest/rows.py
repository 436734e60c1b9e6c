# SPDX-License-Identifier: Apache-2.0
"""The rows of a manifest as frozen values; `zoo.manifest.reading` reads and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeAlias

from zoo.manifest.parameters import Form

__all__ = [
    "LISTED_TASKS",
    "UPSTREAM_TASKS",
    "AnyWeightsRow",
    "BaseRow",
    "CheckRow",
    "CommandRow",
    "ConfigRow",
    "Contribution",
    "ConverterRow",
    "DatasetRow",
    "Digest",
    "InitializerRow",
    "LegacyIndexRow",
    "LivingRow",
    "Manifest",
    "MetricRow",
    "MetricValue",
    "Option",
    "WeightsFacts",
    "WeightsRow",
]

UPSTREAM_TASKS = (
    "semantic",
    "instance",
    "panoptic",
    "video",
    "tracking",
    "detection",
    "proposal",
    "depth",
)
"""What models of legacy indexes do; zoo itself runs the first two."""
LISTED_TASKS = (*UPSTREAM_TASKS, "backbone")
"""What weights are for; a backbone is a part of a network."""

BACKBONE = "backbone"
"""Task of weights of a part of a network."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One ``[[<kind>]]`` row: a class or function that configs build by name.

    Attributes:
        kind: Key of ``zoo.manifest.kinds.KINDS``.
        name: Name within the plugin, unique in it and in its registry; configs write
            ``zoo.<plugin>.<name>``.
        target: The class or function, in the plugin's own package.
        summary: One line for listings, or None.
        record: Values that the record of a published model may set, by parameter; None if the
            manifest does not state them.
        record_like: An OpenMMLab type whose parameters a record may also set, or None.
    """

    kind: str
    name: str
    target: str
    summary: str | None = None
    record: Mapping[str, Form] | None = None
    record_like: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One ``[[dataset.option]]`` row: an option of ``zoo data prepare`` for the data set.

    Attributes:
        name: What is typed after ``--``; the prepare target receives it with underscores.
        type: Type of the value.
        default: Value of that type, a list if ``multiple``, or None if not given.
        help: One line for ``zoo data prepare PLUGIN --help``.
        choices: Allowed values of a ``choice``; other types have none.
        multiple: Whether it may be given more than once.
    """

    name: str
    type: str
    default: str | int | float | bool | tuple[str | int | float | bool, ...] | None
    help: str
    choices: tuple[str, ...] = ()
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class DatasetRow(Contribution):
    """A ``[[dataset]]`` row.

    Attributes:
        task: What its labels are for.
        classes: Class names in the order of their ids, or ``"from data"`` if the user's own data
            defines them.
        labels: ``derived`` if masks were made from something else, such as boxes.
        shares: Default of ``--shares`` for train, val and test, such as ``0.9,0.1,0``; without
            it, ``0.8,0.1,0.1``.
        licence: Licence of the data, or the file that states it.
        prepare: Target of ``prepare(source, out, *, shares, progress, **options) -> Report``, or
            None.
        init: Target of ``init(source, *, progress, **options) -> zoo.data.Draft``, which writes a
            file to edit before ``prepare``; or None.
        sample: Target of ``write_sample(out, *, seed, count, progress)``, which writes a synthetic
            raw data set; or None.
        options: Options of ``zoo data prepare`` for this data set, which ``prepare`` receives.
    """

    task: str = ""
    classes: tuple[str, ...] | str = ()
    labels: str = "true"
    shares: str | None = None
    licence: str = ""
    prepare: str | None = None
    init: str | None = None
    sample: str | None = None
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class InitializerRow(Contribution):
    """A ``[[weight_initializer]]`` row.

    Attributes:
        pretrained: Whether it loads weights learned elsewhere, which ``--pretrained none`` skips.
    """

    pretrained: bool = False


@dataclass(frozen=True, slots=True)
class MetricRow(Contribution):
    """A ``[[metric]]`` or ``[[evaluator]]`` row.

    Attributes:
        direction: Which value is best: the ``higher``, the ``lower``, the one nearest to ``zero``,
            or ``none``; or a table of these by the name of the value, in which ``*`` stands for
            any text. The text alone means ``*``.
        unit: Unit of the values, or a table of units by the name of the value.
    """

    direction: Mapping[str, str] = field(default_factory=dict)
    unit: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckRow(Contribution):
    """A ``[[check]]`` row: a function that looks at this machine, or at a prepared folder.

    Attributes:
        of: ``doctor`` or ``data``, the command that runs it.
        dataset: Name of the plugin's data set whose folders it looks at; None for all folders.
    """

    of: str = "doctor"
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class ConverterRow(Contribution):
    """A ``[[converter]]`` row: a function from another library's state dict to OpenMMLab's.

    Attributes:
        name: What ``converter`` of a weights row says.
        target: The function ``convert(state_dict)``, in the plugin's own package.
        version: Number of the version, from 1; it increases whenever the result changes.
        proof: How exact it is and how that was measured, one line; or None.
    """

    version: int = 1
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class CommandRow(Contribution):
    """A ``[[command]]`` row.

    Attributes:
        name: What is typed after ``zoo``, or after ``zoo GROUP``.
        target: A command or a group of click, in the plugin's own package.
        summary: Its line in ``zoo --help``, or ``zoo GROUP --help``; or None.
        group: Group of zoo's command line that it joins, or None.
    """

    group: str | None = None

    @property
    def parent(self) -> str:
        """Return what is typed before its name, such as ``zoo plugin``."""
        return f"zoo {self.group}" if self.group else "zoo"


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """A ``[[config]]`` row: a name for a config file inside the package.

    Attributes:
        name: The NAME of ``zoo train NAME``.
        file: The config, a file of Python in mmengine's style.
        summary: One line for listings, or None.
    """

    kind: ClassVar[str] = "config"
    name: str
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class BaseRow:
    """A ``[[base]]`` row: a name for a part of configs, which others name in ``_base_``.

    Attributes:
        name: Name within the plugin, not that of a config; ``_base_`` has ``zoo::`` before it.
        file: Path inside the package.
        part: What it is about.
        task: What its configs are for; left out if it serves both, or None.
        summary: One line for listings, or None.
    """

    kind: ClassVar[str] = "base"
    name: str
    file: str
    part: str
    task: str | None = None
    summary: str | None = None


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


@dataclass(frozen=True, slots=True)
class LegacyIndexRow:
    """A ``[[legacy_index]]`` row: a file in the package that lists legacy upstream weights.

    Attributes:
        file: A JSON file of legacy checkpoints.
        summary: One line for listings, or None.
    """

    kind: ClassVar[str] = "legacy_index"
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One checked ``zoo_plugin.toml``.

    Attributes:
        path: The file.
        plugin: Name of the plugin; its package is ``zoo_<name>``, its distribution
            ``mmzoo-<name>``.
        version: Version of the plugin; ``pyproject.toml`` may repeat it, and must then agree.
        api: Version of this contract.
        summary: One line for listings.
        license: Licence of the code, as an SPDX expression.
        homepage: An address, or None.
        notice: A sentence that everybody who sees a result should read, such as ``Not for
            diagnosis.``; overlays, ``predictions.json`` and model cards carry it, or None.
        requires: Requirements on other distributions in pip's syntax, with markers; checked when
            the plugin's code is first used.
        contributions: Rows of every kind in ``zoo.manifest.kinds``; data sets as ``DatasetRow``.
        configs: ``[[config]]`` rows.
        bases: ``[[base]]`` rows.
        weights: ``[[weights]]`` rows, and those of ``[[shelf]]`` files.
        legacy_indexes: ``[[legacy_index]]`` rows.
    """

    path: Path
    plugin: str
    version: str
    api: int
    summary: str
    license: str
    homepage: str | None = None
    notice: str | None = None
    requires: tuple[str, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    configs: tuple[ConfigRow, ...] = ()
    bases: tuple[BaseRow, ...] = ()
    weights: tuple[AnyWeightsRow, ...] = ()
    legacy_indexes: tuple[LegacyIndexRow, ...] = field(default=())

    @property
    def package(self) -> str:
        """Return the name of the plugin's package."""
        return f"zoo_{self.plugin}"

    @property
    def folder(self) -> Path:
        """Return the folder of the package; all paths in the manifest are relative to it."""
        return self.path.parent

    @property
    def rows(self) -> tuple[Contribution | ConfigRow | BaseRow | AnyWeightsRow, ...]:
        """Return every row that has a name: contributions, configs, their bases and weights."""
        return (*self.contributions, *self.configs, *self.bases, *self.weights)

    @property
    def datasets(self) -> tuple[DatasetRow, ...]:
        """Return the ``[[dataset]]`` rows."""
        return tuple(row for row in self.contributions if isinstance(row, DatasetRow))
