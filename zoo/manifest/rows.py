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
    "CommandRow",
    "ConfigRow",
    "Contribution",
    "ConverterRow",
    "DatasetRow",
    "Digest",
    "InitializerRow",
    "LegacyIndexRow",
    "LegacyMetric",
    "LegacyRow",
    "LivingRow",
    "Manifest",
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
        name: Name within the plugin; configs write ``zoo.<plugin>.<name>``.
        target: ``package.module:Name`` inside the plugin's own package.
        summary: One line, or None.
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
        name: Lower case with dashes; the prepare target receives it with underscores.
        type: ``str``, ``int``, ``float``, ``bool``, ``path`` or ``choice``.
        default: Value of that type (a tuple if ``multiple``), or None if not given.
        help: One line.
        choices: Allowed values of a ``choice``; empty for other types.
        multiple: Whether the option may be repeated.
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
        task: ``semantic`` or ``instance``.
        classes: Class names in the order of their ids, or ``"from data"``.
        labels: ``true``, or ``derived`` if masks were made from something else.
        shares: Default shares of train, val and test, such as ``0.9,0.1,0``; or None.
        licence: Licence of the data, or where to find it.
        prepare: Target of the prepare function, or None.
        init: Target of the function that writes a file to edit before preparing, or None.
        sample: Target of the function that writes a synthetic raw data set, or None.
        options: Options of the prepare function.
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
        pretrained: Whether it loads pretrained weights, so that ``--pretrained none`` skips it;
            False for random initialization.
    """

    pretrained: bool = False


@dataclass(frozen=True, slots=True)
class ConverterRow(Contribution):
    """A ``[[converter]]`` row: a function from another library's state dict to OpenMMLab's.

    Attributes:
        version: Number of the version, from 1; it changes whenever the result may change.
        proof: How exact it is and how that was measured, one line; or None.
    """

    version: int = 1
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class CommandRow(Contribution):
    """A ``[[command]]`` row.

    Attributes:
        group: Group of zoo's command line that it belongs to; None for a command of ``zoo`` itself.
    """

    group: str | None = None

    @property
    def parent(self) -> str:
        """Return what is typed before its name, such as ``zoo plugin``."""
        return f"zoo {self.group}" if self.group else "zoo"


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """A ``[[config]]`` row: a name for a config file inside the package."""

    kind: ClassVar[str] = "config"
    name: str
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One value of a weights row, and the data it was measured on.

    Attributes:
        name: Name of the metric, such as ``mIoU``.
        value: The value, in ``unit``.
        dataset: Data set it was measured on.
        split: Split of that data set.
        labels: ``true``, ``derived`` or ``synthetic``.
        protocol: How it was measured.
        unit: ``fraction`` (of 1) or ``percent``.
        published: Where the value was published; None if the author of the row measured it.
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
        name: Name within the plugin.
        task: ``semantic``, ``instance``, or ``backbone`` for a part of a network.
        config: Name of the config that builds the model; empty for a backbone.
        urls: Addresses in order of preference: ``https:``, ``hf:``, ``github:``, or
            ``package:<path inside the package>``. A row of a manifest has at least one; an adopted
            checkpoint has none.
        format: ``safetensors``, ``pth`` or ``pkl``.
        licence: Licence of the weights, an SPDX expression or a text.
        data_licence: Licence of the training data.
        parameters: Number of parameters of the model, without buffers; None if not known.
        metrics: Measured and published values.
        non_commercial: Whether the licence forbids commercial use; None if that is not known.
        classes: Class names in the order of their ids; None if only the file states them.
        replaces: Upstream addresses that it stands for, such as ``torchvision://resnet50``.
        aliases: Other names of the row.
        version: Number of the version, from 1.
        yanked: Why it must not be used any more, or None.
        successor: Name of the row to use instead, or None.
        source: Where the facts were seen, or None.
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
        sha256: 64 hex digits, lower case.
        size_bytes: Size of the file.
    """

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingRow(WeightsFacts):
    """Weights on a living host that are adopted before use: judged, converted once, pinned.

    Attributes:
        digest: What is known about the bytes of the source.
        size_bytes: Size of the source, or None if it is not known.
        converter: ``name`` or ``plugin.name`` of a ``[[converter]]`` row; None if the source is a
            checkpoint of OpenMMLab's own format.
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
    """A ``[[legacy_index]]`` row: a file in the package that lists legacy upstream weights."""

    kind: ClassVar[str] = "legacy_index"
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class LegacyMetric:
    """One value that upstream states; its index does not say which split and protocol.

    Attributes:
        name: Name of the metric.
        value: The value.
        dataset: Data set it was measured on.
        unit: ``percent``, ``fraction``, or empty for a plain number.
    """

    name: str
    value: float
    dataset: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """A row of a legacy index: a checkpoint that upstream published on a host now offline.

    Attributes:
        name: Name within the plugin.
        task: ``semantic``, ``instance``, or another upstream task (``detection``, ...).
        tasks: All tasks it was measured on.
        config: Name of its config, such as ``mmseg::unet/x.py``, or None if unknown.
        architecture: Upstream's names of its method and parts.
        datasets: Data sets it was measured on.
        metrics: Values that upstream states.
        memory_gb: GPU memory for training, or None.
        url: Former address.
        sha256_prefix: First 8 hex digits of its sha256, or None if unknown.
        note: What is wrong in upstream's facts, or None.
        licence: Licence of the weights, as far as known.
        data_licence: Licence of the data, as far as known.
    """

    kind: ClassVar[str] = "legacy"
    name: str
    task: str
    tasks: tuple[str, ...]
    config: str | None
    architecture: tuple[str, ...]
    datasets: tuple[str, ...]
    metrics: tuple[LegacyMetric, ...]
    memory_gb: float | None
    url: str
    sha256_prefix: str | None
    note: str | None
    licence: str
    data_licence: str

    @property
    def file_name(self) -> str:
        """Return the upstream name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One checked ``zoo_plugin.toml``.

    Attributes:
        path: The file.
        plugin: Name of the plugin; its package is ``zoo_<plugin>``.
        version: Version, as in the plugin's pyproject.toml.
        api: Number of the manifest contract.
        summary: One line.
        license: Licence of the code, as an SPDX expression.
        homepage: Address, or None.
        notice: A sentence shown on overlays of its models, such as a limit of use; or None.
        requires: PEP 508 requirements on other distributions.
        contributions: Rows of every kind in ``zoo.manifest.kinds``; data sets as ``DatasetRow``.
        configs: ``[[config]]`` rows.
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
    def rows(self) -> tuple[Contribution | ConfigRow | AnyWeightsRow, ...]:
        """Return every row that has a name: contributions, configs and weights."""
        return (*self.contributions, *self.configs, *self.weights)

    @property
    def datasets(self) -> tuple[DatasetRow, ...]:
        """Return the ``[[dataset]]`` rows."""
        return tuple(row for row in self.contributions if isinstance(row, DatasetRow))
