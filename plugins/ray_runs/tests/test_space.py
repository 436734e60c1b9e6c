# SPDX-License-Identifier: Apache-2.0
"""Spaces: what they draw, and one message for each fault, before Ray is imported."""

import argparse
import math
from pathlib import Path
from typing import Any

import pytest
from zoo_ray_runs.space import Space, check_space, read_space
from zoo_ray_runs.texts import option_words

from zoo.errors import ConfigError

CONFIG: dict[str, Any] = {
    "optim_wrapper": {"optimizer": {"type": "AdamW", "lr": 0.002, "betas": [0.9, 0.999]}},
    "train_dataloader": {"batch_size": 4, "pin_memory": True},
    "param_scheduler": [{"type": "LinearLR", "end": 50}],
    "load_from": None,
}
LR = '"optim_wrapper.optimizer.lr"'
BATCH = '"train_dataloader.batch_size"'


def _space(tmp_path: Path, text: str) -> Space:
    file = tmp_path / "space.toml"
    file.write_text(text, encoding="utf-8")
    space = read_space(file)
    check_space(space, CONFIG, file)
    return space


@pytest.mark.parametrize(
    ("line", "found", "hint"),
    [
        ('"optim_wrapper.optimizer.Lr" = { uniform = [1, 2] }', "has no 'Lr'", "optimizer.lr"),
        (
            '"optimizer.lr" = { uniform = [1, 2] }',
            "has no 'optimizer'",
            "optim_wrapper.optimizer.lr",
        ),
        ('"param_scheduler.1.end" = { choices = [1] }', "no '1' in 'param_scheduler'", ".0.end"),
        (f"{LR} = {{ choices = [] }}", "at least one value", "correct"),
        (f"{LR} = {{ choices = 3 }}", "choices is 3, expected a list", "correct"),
        (f"{LR} = {{ choices = [0.1, 0.1] }}", "expected different values", "correct"),
        (f'{LR} = {{ choices = ["high"] }}', "has 'high', expected a number", "correct"),
        (f"{LR} = {{ choices = [true] }}", "has True, expected a number", "correct"),
        (f"{LR} = {{ loguniform = [0, 1] }}", "expected ends above 0", "correct"),
        (f"{LR} = {{ uniform = [2, 1] }}", "expected the lower end first", "correct"),
        (f"{LR} = {{ uniform = [1, 1] }}", "expected the lower end first", "correct"),
        (f"{LR} = {{ uniform = [1] }}", "expected two numbers", "correct"),
        (f'{LR} = {{ uniform = ["a", 2] }}', "expected two numbers", "correct"),
        (f"{LR} = {{ uniform = [1, inf] }}", "the number inf", "write TOML"),
        (f"{LR} = {{ unifrom = [1, 2] }}", "'unifrom' is no rule", "did you mean uniform?"),
        (f"{LR} = {{ grid = [1], choices = [1] }}", "found several rules", "write it as"),
        (f"{LR} = 0.1", "found 0.1, expected one of", "write it as"),
        (f"{LR} = {{}}", "expected one of", "write it as"),
        (f"{BATCH} = {{ uniform = [1, 8] }}", "expected a whole number", "integers = "),
        (f"{BATCH} = {{ choices = [2.5] }}", "has 2.5, expected a whole number", "integers = "),
        (f"{BATCH} = {{ integers = [1.5, 3] }}", "expected two whole numbers", "correct"),
        ('"train_dataloader.pin_memory" = { choices = [1] }', "expected true or false", "correct"),
        ('"optim_wrapper.optimizer.type" = { choices = [1] }', "expected a word", "correct"),
        ('"optim_wrapper.optimizer.type" = { choices = ["a b"] }', "expected numbers", "correct"),
        ('"optim_wrapper.optimizer.type" = { choices = ["1e3"] }', "expected numbers", "correct"),
        ('"optim_wrapper.optimizer.betas" = { choices = [0.9] }', "expected a list", "correct"),
        ('"train_dataloader" = { choices = [1] }', "holds more than one value", "correct"),
        ("", "names no key", "add a line"),
        ("a = = 1", "not valid TOML", "write TOML"),
    ],
)
def test_faulty_space_is_one_message_that_names_key_and_way_out(
    tmp_path: Path, line: str, found: str, hint: str
) -> None:
    """Each fault of a space is told before Ray starts, with what to write instead."""
    with pytest.raises(ConfigError) as raised:
        _space(tmp_path, line)

    assert found in raised.value.message
    assert hint in (raised.value.hint or "")
    assert raised.value.where == str(tmp_path / "space.toml")


def test_drawn_settings_are_within_the_space_and_all_different(tmp_path: Path) -> None:
    """Ends are included, whole numbers stay whole, and no setting is tried twice."""
    text = f"{LR} = {{ loguniform = [1e-4, 1e-1] }}\n{BATCH} = {{ integers = [1, 3] }}\n"

    drawn = _space(tmp_path, text).draw(200, 0)

    rates = [each["optim_wrapper.optimizer.lr"] for each in drawn]
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    assert {each["train_dataloader.batch_size"] for each in drawn} == {1, 2, 3}
    assert len({tuple(each.values()) for each in drawn}) == 200
    # Uniform in the logarithm: a third of the draws in each of three decades.
    decades = [sum(math.floor(math.log10(rate)) == power for rate in rates) for power in (-4, -3)]
    assert all(45 <= count <= 90 for count in decades)


def test_larger_number_of_trials_begins_with_the_smaller_one(tmp_path: Path) -> None:
    """A sweep that is continued with more trials keeps those that it has."""
    space = _space(tmp_path, f"{LR} = {{ uniform = [0, 1] }}\n{BATCH} = {{ choices = [2, 4] }}\n")

    assert space.draw(9, 3)[:4] == space.draw(4, 3)
    assert space.draw(4, 3) != space.draw(4, 4)


def test_grids_are_combined_and_each_combination_comes_once(tmp_path: Path) -> None:
    """The number of settings is the product of all lists, and drawing them all repeats none."""
    text = f"{LR} = {{ grid = [0.1, 0.2, 0.3] }}\n{BATCH} = {{ grid = [2, 4] }}\n"

    space = _space(tmp_path, text)

    assert (space.grid_count, space.count) == (6, 6)
    expected = {(rate, batch) for rate in (0.1, 0.2, 0.3) for batch in (2, 4)}
    assert {tuple(each.values()) for each in space.draw(6, 0)} == expected


def test_keys_without_quotes_mean_the_same(tmp_path: Path) -> None:
    """TOML reads a.b as a table in a table; a user who leaves the quotes out gets what is meant."""
    text = "optim_wrapper.optimizer.lr = { uniform = [0, 1] }\n[train_dataloader]\n"

    space = _space(tmp_path, text + "batch_size = { choices = [2, 4] }\n")

    assert [axis.key for axis in space.axes] == [LR.strip('"'), BATCH.strip('"')]


@pytest.mark.mm
@pytest.mark.parametrize(
    "value", [1, -2, 0.1, 1e-7, 1.5e12, True, False, "AdamW", "zoo.dice_loss.DiceLoss", [0.9, 0.99]]
)
def test_option_on_the_command_line_is_the_value_that_was_drawn(value: Any) -> None:
    """The oracle is mmengine's own parser of --cfg-options."""
    from mmengine.config import DictAction

    word = option_words({"a.b": value})[0].removeprefix("--cfg-options=")
    parser = argparse.ArgumentParser()
    parser.add_argument("options", nargs="*", action=DictAction)

    parsed = parser.parse_args(["--", word]).options["a.b"]

    assert (parsed, type(parsed)) == (value, type(value))
