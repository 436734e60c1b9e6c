# SPDX-License-Identifier: Apache-2.0
"""The rows of a manifest as frozen values; `zoo.manifest.reading` reads and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from zoo.manifest.parameters import Form
from zoo.manifest.weights_rows import (
    AnyWeightsRow,
    Digest,
    LivingRow,
    MetricValue,
    WeightsFacts,
    WeightsRow,
)

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
    "ExchangeRow",
    "ExporterRow",
    "InitializerRow",
    "LegacyIndexRow",
    "LivingRow",
    "Manifest",
    "MetricRow",
    "MetricValue",
    "Option",
    "PlannerRow",
    "ShelfFile",
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
    """An option of a data set for ``zoo data prepare``, or of a format for ``zoo predict``.

    Attributes:
        name: What is typed after ``--``; the prepare target receives it with underscores.
        type: Type of the value. For ``exchange``, it names a format that reads labels, and the
            target receives its reader, a ``zoo.interfaces.SourceReader``.
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
class PlannerRow(Contribution):
    """A ``[[planner]]`` row: a function from facts of the data to a config, for ``zoo fit``.

    Attributes:
        task: Task of the data that it plans for.
    """

    task: str = "semantic"


@dataclass(frozen=True, slots=True)
class ExporterRow(Contribution):
    """An ``[[exporter]]`` row: a function from a model to one file, for ``zoo export``.

    Attributes:
        name: What ``zoo export --to`` says.
        suffix: Ending of the files that it writes, with the dot: one suffix, or two.
        runner: A function that opens such a file again, in the plugin's own package; or None.
    """

    suffix: str = ""
    runner: str | None = None


@dataclass(frozen=True, slots=True)
class ExchangeRow(Contribution):
    """An ``[[exchange]]`` row: a format that labels come from or predictions go to.

    Attributes:
        name: What ``--format`` says, in ``zoo data prepare`` and ``zoo predict``.
        suffixes: Last suffixes of its files, with the dot; a file that is written has the first.
        reads: Whether it reads labels.
        writes: Whether it writes predictions.
        options: Options of `zoo predict --format NAME` for this format, with which the class is
            built.
    """

    suffixes: tuple[str, ...] = ()
    reads: bool = False
    writes: bool = False
    options: tuple[Option, ...] = ()


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
class ShelfFile:
    """The file of a ``[[shelf]]`` row, as it was read.

    Attributes:
        file: Path inside the package.
        sha256: Digest of its bytes, 64 hex digits.
    """

    file: str
    sha256: str


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
        shelves: Files of the ``[[shelf]]`` rows, whose weights are in ``weights``.
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
    shelves: tuple[ShelfFile, ...] = ()

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
