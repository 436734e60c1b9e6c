# SPDX-License-Identifier: Apache-2.0
"""ZP410-ZP413: weights measured: their files, the models that they are for, their converters."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.catalog import Found
from zoo.checking.dynamic.author import plain_kit
from zoo.checking.dynamic.findings import finding_of
from zoo.checking.dynamic.kit_rules import kit_rule
from zoo.checking.expecting import Broken
from zoo.checking.finding import Finding
from zoo.checking.rule import Case, Rule
from zoo.checking.static.cases import label_of, row_place
from zoo.checking.subject import Subject
from zoo.errors import ZooError
from zoo.manifest.rows import LivingRow, WeightsRow

__all__ = ["RULES", "check_model"]

_PACKAGED = "package:"


def _packaged(subject: Subject) -> Iterator[Case]:
    for row in () if subject.manifest is None else subject.manifest.weights:
        if isinstance(row, WeightsRow) and any(url.startswith(_PACKAGED) for url in row.urls):
            yield label_of(row), row


def check_model(subject: Subject, row: WeightsRow) -> Iterator[Finding]:
    """Yield what is wrong if a file in the package does not fit the model of its record.

    Args:
        subject: The plugin.
        row: Weights in its package.
    """
    from zoo.engine.adoption.skeleton import build_skeleton
    from zoo.engine.checkpoints.fit import find_misfits
    from zoo.engine.checkpoints.published import read_published

    name = next(url for url in row.urls if url.startswith(_PACKAGED)).removeprefix(_PACKAGED)
    path = subject.package / name
    if row.format != "safetensors" or not row.config or not path.is_file():
        return
    try:
        record, tensors = read_published(path)
        model = build_skeleton(record)
        misfits = find_misfits(model, tensors)
        count = sum(each.numel() for each in model.parameters())
        _expect_fit(misfits, count, row)
    except (ZooError, Broken) as error:
        mend = "publish it again: zoo publish writes file and row."
        where = row_place(subject, row)
        found = finding_of(subject, "ZP411", error, mend=mend, where=where)
        if found is not None:
            yield found


def _expect_fit(misfits: object, count: int, row: WeightsRow) -> None:
    if misfits is not None:
        message = f"the file does not fit the model of its record: {misfits}"
        raise Broken(message)
    if row.parameters is not None and count != row.parameters:
        message = f"the row states {row.parameters:,} parameters, the model has {count:,}"
        raise Broken(message)


def _living(subject: Subject) -> Iterator[Case]:
    """Yield the rows of files elsewhere, one for each config and number of parameters."""
    rows = () if subject.manifest is None else subject.manifest.weights
    living = [row for row in rows if isinstance(row, LivingRow) and row.config]
    first = {(row.config, row.parameters): row for row in reversed(living)}
    yield from ((label_of(row), row) for row in living if row in first.values())


def _check_config(subject: Subject, row: LivingRow) -> Iterator[Finding]:
    from zoo.engine.adoption.model_record import describe_model
    from zoo.engine.adoption.skeleton import build_skeleton
    from zoo.engine.records.checks import check_record

    where = row_place(subject, row)
    mend = "correct the config, or what the row states of it."
    try:
        found = Found(plain_kit(subject).record(), row)
        record = describe_model(found, trained=None, provenance={})
        check_record(record, record.name)
        count = sum(each.numel() for each in build_skeleton(record).parameters())
    except Exception as error:  # noqa: BLE001 - whatever a config raises
        told = finding_of(subject, "ZP412", error, mend=mend, where=where)
        if told is not None:
            yield told
        return
    if row.parameters is not None and count != row.parameters:
        message = f"the row states {row.parameters:,} parameters, the model of its config "
        message += f"{row.config} has {count:,}."
        yield Finding("ZP412", where, message, mend)


RULES = (
    kit_rule(
        "ZP410",
        "weights-record-agrees",
        "deep",
        "test_weights_rows_agree_with_their_files",
        "write the row as zoo publish writes it.",
    ),
    Rule(
        "ZP411",
        "weights-fit",
        "deep",
        "Each file of weights in the package fits its model, whose parameters the row counts.",
        _packaged,
        check_model,
    ),
    Rule(
        "ZP412",
        "living-config-builds",
        "deep",
        "The config of each row of living weights builds, with as many parameters as it states.",
        _living,
        _check_config,
    ),
    kit_rule(
        "ZP413",
        "converter-fits",
        "deep",
        "test_converter_gives_the_model_of_its_rows",
        "compare the names with those of the config's model: zoo.conversion lists what is left.",
    ),
)
