# SPDX-License-Identifier: Apache-2.0
import tomllib
from pathlib import Path

import pytest
from zoo_lung_xray import facts
from zoo_lung_xray.facts import StemFacts, read_stem
from zoo_lung_xray.prepare import IDENTITY

PLUGIN = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("MCUCXR_0001_0", StemFacts("MCUCXR_0001", "montgomery", False)),
        ("MCUCXR_0117_1", StemFacts("MCUCXR_0113", "montgomery", True)),
        ("MCUCXR_0170_1", StemFacts("MCUCXR_0162", "montgomery", True)),
        ("CHNCXR_0117_0", StemFacts("CHNCXR_0117", "shenzhen", False)),
        ("CHNCXR_0662_1", StemFacts("CHNCXR_0662", "shenzhen", True)),
        ("scan 7", StemFacts("scan 7", "other", None)),
        ("MCUCXR_0001_0_mask", StemFacts("MCUCXR_0001_0_mask", "other", None)),
    ],
)
def test_read_stem_when_named_as_published_tells_patient_set_and_finding(
    stem: str, expected: StemFacts
) -> None:
    """Repeat patients of Montgomery, and only those, share a name; a foreign stem is a patient."""
    assert expected == read_stem(stem)


def test_facts_when_compared_with_manifest_and_packaging_agree() -> None:
    """Version and classes are written twice: once for those who may not import."""
    manifest = tomllib.loads((PLUGIN / "zoo_lung_xray/zoo_plugin.toml").read_text())
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]

    assert IDENTITY.version == manifest["plugin"]["version"] == project["version"]
    assert list(facts.CLASSES) == manifest["dataset"][0]["classes"]
    assert len(facts.PALETTE) == len(facts.CLASSES)
