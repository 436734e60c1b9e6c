# SPDX-License-Identifier: Apache-2.0
"""Checks of converters, on state dicts that their author makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.catalog import Found
from zoo.checking.asking import asked_state_dict
from zoo.checking.expecting import Unchecked, expect, needs
from zoo.checking.kinds.base import KindChecks
from zoo.manifest.rows import Contribution, LivingRow

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ConverterChecks"]


class ConverterChecks(KindChecks):
    """Checks of ``[[converter]]`` rows; override ``make_state_dict``."""

    def make_state_dict(self, name: str) -> Mapping[str, Tensor] | None:
        """Return a state dict as the other library saves it, with random values.

        None, the default, asks the converter: one that names what it misses and its shapes, as
        those on the tables of `zoo.conversion` do, is run on random tensors of these.

        Args:
            name: Name of the converter.
        """
        return None

    def test_converter_gives_the_model_of_its_rows(self, each_converter: Contribution) -> None:
        """It repeats itself, changes nothing it is given, and fits the config of each row."""
        torch = needs("torch")
        from zoo.engine.adoption.converters import FoundConverter

        row = each_converter
        converter = FoundConverter(Found(self.record(), row), 1)
        stated = self.make_state_dict(row.name)
        given = asked_state_dict(converter) if stated is None else stated
        if given is None:
            raise _unrun(row.name)
        kept = {key: value.clone() for key, value in given.items()}

        first, second = (converter.run(dict(given), Path(row.name)) for _ in range(2))

        is_same = first.keys() == second.keys() and all(
            torch.equal(value, second[key]) for key, value in first.items()
        )
        expect(is_same, f"{row.name}: equal state dicts give different results")
        is_kept = kept.keys() == given.keys() and all(
            torch.equal(value, given[key]) for key, value in kept.items()
        )
        expect(is_kept, f"{row.name}: it changes the state dict that it is given")
        misfits = self._misfits(row.name, first)
        if misfits and stated is None:  # it may be for any size, and was asked for the smallest
            raise _unrun(row.name)
        expect(not misfits, f"{row.name}: what it makes fits no config: {misfits[:300]}")

    def _misfits(self, name: str, tensors: Mapping[str, Tensor]) -> str:
        """Return why tensors fit none of the models that this converter is for.

        One of them must fit: a converter may take several architectures.
        """
        from zoo.engine.adoption.model_record import describe_model
        from zoo.engine.adoption.skeleton import build_skeleton
        from zoo.engine.checkpoints.fit import find_misfits

        record = self.record()
        rows = {
            row.config: row
            for row in record.checked().weights
            if isinstance(row, LivingRow) and row.config
            if row.converter in (name, f"{self.plugin}.{name}")
        }
        misfits = []
        for row in rows.values():
            described = describe_model(Found(record, row), trained=None, provenance={})
            found = find_misfits(build_skeleton(described), tensors)
            if found is None:
                return ""
            misfits.append(f"{row.config}: {found}")
        return " ".join(misfits)


def _unrun(name: str) -> Unchecked:
    message = f"no test of the plugin makes a state dict for {name}, and it does not tell the "
    message += "shapes of one that fits a config: it is not run"
    mend = "give the plugin's test a make_state_dict, which returns one by this name."
    return Unchecked(message, mend, level="warning")
