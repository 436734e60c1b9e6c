# SPDX-License-Identifier: Apache-2.0
"""Rules from the checks of the conformance kit: one rule a method, one case a row."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from zoo.checking.dynamic.author import kit_of, plain_kit
from zoo.checking.dynamic.findings import finding_of
from zoo.checking.finding import Finding
from zoo.checking.folders import scratch_of_process
from zoo.checking.kinds.kit import Kit
from zoo.checking.kinds.rows import cases_of
from zoo.checking.rule import Case, Rule
from zoo.checking.static.cases import row_place
from zoo.checking.subject import Subject
from zoo.manifest.rows import Contribution

__all__ = ["kit_rule"]

# Arguments whose rows are of one kind; the names of other rows begin with theirs.
_KINDS = {
    "each_check": "check",
    "each_command": "command",
    "each_converter": "converter",
    "each_evaluator": "evaluator",
    "each_exchange": "exchange",
    "each_head_loss": "loss",
    "each_hook": "hook",
    "each_instance": "dataset",
    "each_mask_loss": "loss",
    "each_metric": "metric",
    "each_model": "model",
    "each_panel": "panel",
    "each_planner": "planner",
    "each_prepared": "dataset",
    "each_sample": "dataset",
    "each_semantic": "dataset",
    "each_transform": "transform",
    "each_weights": "weights",
}


def kit_rule(
    id_: str,
    name: str,
    stage: str,
    method: str,
    mend: str,
    *,
    told_elsewhere: tuple[type[Exception], ...] = (),
) -> Rule:
    """Return a rule that runs one method of the kit on each of its rows.

    Args:
        id_: Such as ``ZP701``.
        name: Lower case with dashes.
        stage: ``import`` or ``deep``.
        method: Name of the method.
        mend: What to do if the rule is broken.
        told_elsewhere: Errors that another rule tells.
    """
    kit_for = plain_kit if stage == "import" else kit_of

    def cases(subject: Subject) -> Iterator[Case]:
        kit = kit_for(subject)
        check = getattr(kit, method, None)
        # An author may leave a check out, or put one of their own in its place.
        if check is None or subject.manifest is None:
            return
        for label, arguments in cases_of(kit, getattr(Kit, method)):
            yield _label(label, arguments), (kit, arguments)

    def check(subject: Subject, case: tuple[Kit, dict[str, Any]]) -> Iterator[Finding]:
        kit, arguments = case
        run: Callable[..., None] = getattr(kit, method)
        try:
            if _is_ready(kit, arguments):
                run(**arguments, **_folders(run))
        except told_elsewhere:
            return
        except BaseException as error:  # noqa: BLE001 - whatever the plugin raises
            where = _where(subject, kit, arguments)
            found = finding_of(subject, id_, error, mend=mend, where=where)
            if found is not None:
                yield found

    return Rule(id_, name, stage, _summary(method), cases, check, method=method)


def _summary(method: str) -> str:
    """Return the first paragraph of a method's docstring as a sentence without markup."""
    text = inspect.getdoc(getattr(Kit, method)) or ""
    return re.sub(r"\s+", " ", text.partition("\n\n")[0]).replace("``", "`")


def _label(name: str, arguments: dict[str, Any]) -> str:
    kind = next((_KINDS[each] for each in arguments if each in _KINDS), None)
    return name.replace("-", " ", 1) if kind is None else f"{kind} {name}"


def _folders(run: Callable[..., None]) -> dict[str, Any]:
    """Return the folders that pytest would give."""
    names = inspect.signature(run).parameters
    scratch = scratch_of_process()
    given: dict[str, Any] = {}
    if "tmp_path" in names:
        given["tmp_path"] = scratch.mktemp("check")
    if "tmp_path_factory" in names:
        given["tmp_path_factory"] = scratch
    return given


def _is_ready(kit: Kit, arguments: dict[str, Any]) -> bool:
    """Return whether a row can be built from what is known of it; a rule tells if not."""
    config = next(iter(arguments.values()), None)
    if not isinstance(config, dict):
        return True
    missing = set(kit.missing_arguments(config))
    if "each_evaluator" in arguments:
        missing.discard("metrics")  # which the rule gives
    return not missing


def _where(subject: Subject, kit: Kit, arguments: dict[str, Any]) -> str:
    value = next(iter(arguments.values()), None)
    row = getattr(value, "row", value)
    if isinstance(value, dict):
        name = str(value["type"]).rpartition(".")[2]
        rows = kit.record().checked().contributions
        row = next((each for each in rows if each.name == name), None)
    if isinstance(row, Contribution):
        return _definition(kit, row) or row_place(subject, row)
    return row_place(subject, row) if hasattr(row, "kind") else str(subject.manifest_path)


def _definition(kit: Kit, row: Contribution) -> str | None:
    """Return ``file:line`` where the class or function of a row is defined."""
    from zoo.loading import load_target

    try:
        target: Any = load_target(kit.record(), row.target)
        return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except BaseException:  # noqa: BLE001 - it may be the very target that cannot be loaded
        return None
