# SPDX-License-Identifier: Apache-2.0
"""The rows of a manifest as plain, frozen values; `zoo.manifest.reading` reads and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from zoo.manifest.parameters import Form

__all__ = [
    "UPSTREAM_TASKS",
    "ConfigRow",
    "Contribution",
    "DatasetRow",
    "InitializerRow",
    "LegacyIndexRow",
    "LegacyMetric",
    "LegacyRow",
    "Manifest",
    "MetricValue",
    "Option",
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


@dataclass(frozen=True, slots=True)
class Contribution:
    """One ``[[<kind>]]`` row: a class or function that configs build by name.

    Attributes:
        kind: Key of ``zoo.manifest.kinds.KINDS``.
        name: Name within the plugin; configs write ``zoo.<plugin>.<name>``.
        target: ``package.module:Name`` inside the plugin's own package.
        summary: One line, or None.
        record: What a published model's record may give its parameters, by name; None where the
            manifest does not say.
        record_like: A type of OpenMMLab's whose parameters a record may give besides, or None.
    """

    kind: str
    name: str
    target: str
    summary: str | None = None
    record: Mapping[str, Form] | None = None
    record_like: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One ``[[dataset.option]]`` row: an option of ``zoo data prepare`` for that data set.

    Attributes:
        name: Lower case with dashes; the prepare target gets it with underscores.
        type: ``str``, ``int``, ``float``, ``bool``, ``path`` or ``choice``.
        default: Value of that type (a tuple of them if ``multiple``), or None for "not given".
        help: One line.
        choices: Allowed values of a ``choice``, else empty.
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
        task: ``semantic`` or ``instance``.
        classes: Class names in the order of their ids, or ``"from data"``.
        labels: ``true``, or ``derived`` where masks were made from something else.
        shares: Of train, val and test, where the user gives none: ``0.9,0.1,0``; or None.
        licence: Licence of the data, or where it is written.
        prepare: Target of the prepare function, or None.
        init: Target of the function that writes a file for the user to edit before, or None.
        sample: Target of the function that writes a synthetic raw data set, or None.
        options: Options of prepare.
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
        pretrained: Whether it fills in weights that were learned elsewhere, so that
            ``--pretrained none`` leaves it out; False for random ones.
    """

    pretrained: bool = False


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """A ``[[config]]`` row: a name for a config file inside the package."""

    kind: ClassVar[str] = "config"
    name: str
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One measured value of a weights row, with what it was measured on."""

    name: str
    value: float
    dataset: str
    split: str
    labels: str
    protocol: str


@dataclass(frozen=True, slots=True)
class WeightsRow:
    """A ``[[weights]]`` row: everything that is needed to fetch, verify and judge weights.

    Attributes:
        name: Name within the plugin.
        task: ``semantic`` or ``instance``.
        config: Name of the config they were trained with.
        urls: In order of preference; ``https:`` or ``package:<path inside the package>``. A row of
            a manifest has one at least, an old checkpoint that was adopted has none.
        sha256: 64 hex digits, lower case.
        size_bytes: Size of the file.
        format: ``safetensors`` or ``pth``.
        licence: Licence of the weights.
        data_licence: Of the data they were trained on.
        parameters: Number of parameters, buffers not counted.
        metrics: What they reach.
    """

    kind: ClassVar[str] = "weights"
    name: str
    task: str
    config: str
    urls: tuple[str, ...]
    sha256: str
    size_bytes: int
    format: str
    licence: str
    data_licence: str
    parameters: int
    metrics: tuple[MetricValue, ...]


@dataclass(frozen=True, slots=True)
class LegacyIndexRow:
    """A ``[[legacy_index]]`` row: a file inside the package that lists upstream's old weights."""

    kind: ClassVar[str] = "legacy_index"
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class LegacyMetric:
    """One value that upstream states; with which split and protocol, its index does not say."""

    name: str
    value: float
    dataset: str


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """A row of a legacy index: a checkpoint that upstream published, on a host that is gone.

    Attributes:
        name: Name within the plugin.
        task: ``semantic``, ``instance``, or one of upstream's others (``detection``, ...).
        tasks: All that it was measured at.
        config: Name of its config, such as ``mmseg::unet/x.py``, or None where none is known.
        architecture: What upstream calls its method and parts.
        datasets: What it was measured on.
        metrics: What upstream states of it.
        memory_gb: GPU memory of its training, or None.
        url: Where it was.
        sha256_prefix: 8 hex digits that its sha256 begins with, or None where it has none.
        note: What is wrong with upstream's facts, or None.
        licence: What is known of the licence of the weights.
        data_licence: What is known of that of the data.
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
        """Return the name that upstream gave the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One ``zoo_plugin.toml``, read and checked.

    Attributes:
        path: The file.
        plugin: The plugin's name; its package is ``zoo_<plugin>``.
        version: As in the plugin's pyproject.toml.
        api: Number of the manifest contract.
        summary: One line.
        license: Licence of the code, an SPDX expression.
        homepage: Address, or None.
        notice: A sentence that overlays of its models carry, such as a limit of their use; or None.
        requires: PEP 508 requirements on other distributions.
        contributions: Rows of every kind of ``zoo.manifest.kinds``, data sets as ``DatasetRow``.
        configs: ``[[config]]`` rows.
        weights: ``[[weights]]`` rows.
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
    weights: tuple[WeightsRow, ...] = ()
    legacy_indexes: tuple[LegacyIndexRow, ...] = field(default=())

    @property
    def package(self) -> str:
        """Return the name of the plugin's package."""
        return f"zoo_{self.plugin}"

    @property
    def folder(self) -> Path:
        """Return the package's folder, which every path in the manifest is relative to."""
        return self.path.parent

    @property
    def rows(self) -> tuple[Contribution | ConfigRow | WeightsRow, ...]:
        """Return every row that has a name: contributions, configs and weights."""
        return (*self.contributions, *self.configs, *self.weights)

    @property
    def datasets(self) -> tuple[DatasetRow, ...]:
        """Return the ``[[dataset]]`` rows."""
        return tuple(row for row in self.contributions if isinstance(row, DatasetRow))
