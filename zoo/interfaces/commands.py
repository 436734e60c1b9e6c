# SPDX-License-Identifier: Apache-2.0
"""What the command line calls of a plugin: commands, checks, panels and mappers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from zoo.data import Prepared

__all__ = ["CheckResult", "Command", "DataCheck", "DoctorCheck", "Mapper", "Panel"]


class Command(Protocol):
    """A command of the zoo command line: a click command or group."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run it with the words of a command line; click's commands have this method."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check of a plugin has found, once per thing that it looked at.

    Attributes:
        found: What was found and, unless all is well, what was expected: one sentence.
        level: ``ok``, ``warning`` for what works with a risk, or ``error`` for what does not.
        where: The file or the thing that it is about; empty for the whole machine or folder.
        mend: The one command or action that mends it; empty if all is well.

    Raises:
        ValueError: The level is none of these.
    """

    found: str
    level: str = "ok"
    where: str = ""
    mend: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown level where the check is written, not where it is shown."""
        if self.level not in ("ok", "warning", "error"):
            message = f"level is {self.level!r}, expected ok, warning or error"
            raise ValueError(message)


class DoctorCheck(Protocol):
    """A check of this machine: the target of a ``[[check]]`` row with ``of = "doctor"``.

    It changes nothing, opens no socket, and takes a few seconds at most. An exception becomes an
    error in the listing.
    """

    def __call__(self) -> Iterable[CheckResult]:
        """Yield what was found; nothing at all means that all is well."""


class DataCheck(Protocol):
    """A check of a prepared folder: the target of a ``[[check]]`` row with ``of = "data"``.

    ``zoo data check`` calls it after its own checks have found no error, so each file is there and
    can be decoded. It changes nothing. An exception becomes an error in the listing.
    """

    def __call__(self, prepared: Prepared) -> Iterable[CheckResult]:
        """Yield what was found; nothing at all means that all is well.

        Args:
            prepared: The folder. ``where`` of a result is a path relative to ``prepared.root``.
        """


class Panel(Protocol):
    """Panels of a plot: what ``zoo plot`` and ``zoo report`` draw after their own."""

    def __call__(
        self, runs: Sequence[Any], tests: Sequence[Any]
    ) -> Iterable[Callable[[Any], None]]:
        """Yield a function for each panel; it draws into the ``Axes`` of matplotlib that it gets.

        Yield nothing if the runs and tests have nothing to show. Each may be empty.

        Args:
            runs: The runs, each a ``zoo.Run``: its curves, its best step, its config.
            tests: Results of ``zoo test --out``, each a ``zoo.TestValues``.
        """


class Mapper(Protocol):
    """A function mapped over items in other processes, here or on other machines.

    ``zoo predict --ray`` calls the ``[[function]]`` row ``map_on_ray``. A process that is lost
    costs its items again, and nothing else.
    """

    def __call__(
        self, build: Callable[[], Callable[[Any], Any]], items: Iterable[Any], /
    ) -> Iterator[Any]:
        """Yield the result of each item, in their order.

        Args:
            build: Called once in each process; returns the function. It can be pickled. It may
                have ``needs_gpu``, whether a process has a use for a GPU, and ``memory_bytes``,
                what a process needs.
            items: Plain values, perhaps millions: read once, and not to be kept in memory. Read
                them after everything that is needed was checked and started: the first one voids
                what an earlier call has written.
        """
