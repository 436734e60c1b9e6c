# SPDX-License-Identifier: Apache-2.0
"""The licence gate: what a licence forbids is said before any byte comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import zoo
from zoo.cli import main
from zoo.errors import DownloadError
from zoo.weights.lock import accepted_licence

RESTRICTED = {
    "flag": ({"licence": "LicenseRef-NVIDIA", "non_commercial": True}, "forbids commercial use"),
    "flag on a free licence": ({"licence": "MIT", "non_commercial": True}, "forbids commercial"),
    "id that says so": ({"licence": "CC-BY-NC-4.0"}, "forbids commercial use"),
    "older id that says so": ({"licence": "NCGL-UK-2.0"}, "forbids commercial use"),
    "reference in small letters": ({"licence": "licenseref-nvidia"}, "is not one that SPDX lists"),
    "one of two": ({"licence": "MIT AND CC-BY-NC-SA-3.0"}, "forbids commercial use"),
    "text": ({"licence": "see the homepage"}, "is no SPDX licence"),
    "reference of unknown terms": (
        {"licence": "LicenseRef-Research"},
        "is not one that SPDX lists, and the row does not say",
    ),
}
FREE = {
    "SPDX": {"licence": "Apache-2.0"},
    "expression": {"licence": "MIT OR Apache-2.0"},
    "reference that is said to be free": {"licence": "LicenseRef-X", "non_commercial": False},
}


@pytest.mark.parametrize("case", RESTRICTED)
def test_restricted_weights_are_refused_before_any_byte_comes(
    foreign: Any, source_bytes: Callable[[str], bytes], case: str
) -> None:
    terms, reason = RESTRICTED[case]
    foreign.list(foreign.row(source_bytes("pth"), **terms))

    with pytest.raises(DownloadError) as caught:
        zoo.download("tiny_other")

    assert foreign.hub.asked == []
    assert f"their licence {terms['licence']!r} {reason}" in caught.value.message
    assert "zoo download tiny_other --accept-licence" in str(caught.value.hint)


def test_restricted_weights_without_a_digest_are_asked_for_in_one_command(
    foreign: Any, source_bytes: Callable[[str], bytes]
) -> None:
    """The hint, and what `zoo info` says of their use, hold both options."""
    row = foreign.row(source_bytes("pth"), licence="CC-BY-NC-4.0", non_commercial=True)
    foreign.list({key: value for key, value in row.items() if key != "sha256"})

    with pytest.raises(DownloadError) as caught:
        zoo.download("tiny_other")
    card = CliRunner().invoke(main, ["info", "tiny_other"]).stdout

    assert "zoo download tiny_other --pin --accept-licence" in str(caught.value.hint)
    assert "zoo download tiny_other --pin --accept-licence" in card


@pytest.mark.mm
@pytest.mark.parametrize("case", ["flag", "text"])
def test_accepted_licence_is_remembered_while_it_is_the_same(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, case: str
) -> None:
    import shutil

    terms, _ = RESTRICTED[case]
    row = foreign.row(source_bytes("pth"), **terms)
    foreign.list(row)

    taken = CliRunner().invoke(main, ["download", "tiny_other", "--accept-licence"])
    shutil.rmtree(tmp_path / "cache")
    again = zoo.download("tiny_other")
    foreign.list({**row, "licence": "LicenseRef-Other"})
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(DownloadError, match="LicenseRef-Other"):
        zoo.download("tiny_other")

    assert taken.exit_code == 0, taken.output
    assert str(again) == taken.stdout.strip()
    assert accepted_licence("tiny_other", foreign.name) == terms["licence"]


@pytest.mark.mm
@pytest.mark.parametrize("case", FREE)
def test_free_weights_need_no_acceptance(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, case: str
) -> None:
    foreign.list(foreign.row(source_bytes("pth"), **FREE[case]))

    zoo.download("tiny_other")

    assert "licences" not in json.loads((tmp_path / "zoo.lock").read_text())


@pytest.mark.mm
def test_policy_refuses_even_accepted_weights_that_are_here(
    foreign: Any, source_bytes: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    terms, _ = RESTRICTED["flag"]
    foreign.list(foreign.row(source_bytes("pth"), **terms))
    CliRunner().invoke(main, ["download", "tiny_other", "--accept-licence"])
    assert zoo.load("tiny_other", device="cpu").licence is not None

    monkeypatch.setenv("ZOO_LICENCES", "commercial")
    with pytest.raises(DownloadError, match="ZOO_LICENCES=commercial refuses such weights"):
        zoo.load("tiny_other", device="cpu")
    with pytest.raises(DownloadError, match="ZOO_LICENCES=commercial refuses such weights"):
        zoo.download("tiny_other")
    result = CliRunner().invoke(main, ["download", "tiny_other", "--accept-licence"])

    assert result.exit_code == 1


def test_policy_of_another_value_is_refused(
    foreign: Any, source_bytes: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typo must not let restricted weights through."""
    foreign.list(foreign.row(source_bytes("pth")))
    monkeypatch.setenv("ZOO_LICENCES", "comercial")

    with pytest.raises(DownloadError, match="cannot use ZOO_LICENCES='comercial'"):
        zoo.download("tiny_other")


@pytest.mark.mm
def test_loaded_model_repeats_its_terms(foreign: Any, source_bytes: Callable[[str], bytes]) -> None:
    """By name, and by the path of the file, which carries them in its record."""
    terms = {"licence": "LicenseRef-NVIDIA", "non_commercial": True}
    foreign.list(foreign.row(source_bytes("pth"), **terms))
    result = CliRunner().invoke(main, ["download", "tiny_other", "--accept-licence"])

    by_name = zoo.load("tiny_other", device="cpu").licence
    by_path = zoo.load(result.stdout.strip(), device="cpu").licence

    assert by_name == by_path
    assert by_name is not None
    assert (by_name.weights, by_name.data) == ("LicenseRef-NVIDIA", "CC-BY-4.0")
    assert by_name.non_commercial is True
    assert str(by_name) == "LicenseRef-NVIDIA, which forbids commercial use; data: CC-BY-4.0"


def test_plain_weights_pass_the_same_gate(
    foreign: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row with a full digest and no converter too; what is here already may be used."""
    data = b"not looked into"
    row = foreign.row(
        data, "w.safetensors", converter=None, licence="CC-BY-NC-4.0", metrics=METRICS
    )
    foreign.list(row)

    with pytest.raises(DownloadError, match=r"'CC-BY-NC-4\.0' forbids commercial use"):
        zoo.download("tiny_other")
    refused = list(foreign.hub.asked)
    taken = CliRunner().invoke(main, ["download", "tiny_other", "--accept-licence"])

    assert refused == []
    assert taken.exit_code == 0, taken.output
    assert Path(taken.stdout.strip()).read_bytes() == data


METRICS = [
    {
        "name": "mIoU",
        "value": 0.5,
        "dataset": "d",
        "split": "val",
        "labels": "true",
        "protocol": "p",
    }
]
