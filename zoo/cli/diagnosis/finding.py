# SPDX-License-Identifier: Apache-2.0
"""One thing that ``zoo doctor`` looked at, and the line that fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import Distribution

__all__ = ["Finding", "install_line", "reinstall_line"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What.
        state: ``ok``, ``warning`` (works, with a risk), ``missing`` (not installed) or ``broken``.
        found: The version, device or reason.
        fix: The one thing to type or do about it, or None.
        needed: Whether zoo cannot work without it; a missing feature or plugin is not needed.
    """

    name: str
    state: str
    found: str
    fix: str | None = None
    needed: bool = True

    @property
    def fails(self) -> bool:
        """Return whether ``zoo doctor`` exits with 1 because of it."""
        return self.state == "broken" or (self.state == "missing" and self.needed)


def install_line() -> str:
    """Return the pip line that installs what training and prediction need.

    It leaves a compiled mmcv alone, which mmcv-lite would overwrite, and keeps to the maintained
    forks where one of them is installed. In a checkout it takes the pinned versions.
    """
    from zoo.manifest.discovery import find_checkouts
    from zoo.manifest.requirements import find_builds

    builds = [name for module in ("mmengine", "mmcv") for name, _ in find_builds(module)]
    extra = "mm-core" if "mmcv" in builds else "mm"
    if any(name.startswith("onedl-") for name in builds):
        extra = "onedl"
    for root in find_checkouts():
        return f'pip install -c "{root / "constraints.txt"}" "{root}[{extra}]"'
    return f'pip install "mmzoo[{extra}]"'


def reinstall_line(distribution: Distribution) -> str:
    """Return the pip line that writes the files of a distribution anew, and no others.

    Args:
        distribution: An installed distribution.
    """
    return f'pip install --force-reinstall --no-deps "{distribution.name}=={distribution.version}"'
