# SPDX-License-Identifier: Apache-2.0
"""A finding of ``zoo doctor``, and the command that fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import Distribution

__all__ = ["Finding", "install_line", "reinstall_line"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: What was checked.
        state: ``ok``, ``warning`` (works, with a risk), ``missing`` (not installed) or ``broken``.
        found: The version, device or reason.
        fix: The command or action that fixes it, or None.
        needed: Whether zoo needs it to work; a missing feature or plugin is not needed.
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
    """Return the pip command that installs what training and prediction need.

    It keeps a compiled mmcv, which mmcv-lite would overwrite, and uses the maintained forks if one
    of them is installed. In a checkout it uses the pinned versions.
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
    """Return the pip command that reinstalls a distribution without its dependencies.

    Args:
        distribution: An installed distribution.
    """
    return f'pip install --force-reinstall --no-deps "{distribution.name}=={distribution.version}"'
