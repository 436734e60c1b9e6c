# SPDX-License-Identifier: Apache-2.0
"""Process many files in a few threads, and raise one error for all failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from zoo.data.reasons import kind_of
from zoo.errors import DataError
from zoo.files import is_disk_full

__all__ = ["Progress", "run_jobs"]

Progress = Callable[[int, int], None]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST_FAILURES = 1000
_MOST_KINDS = 20
_MOST_LISTED = 4


def run_jobs(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    *,
    what: str,
    workers: int,
    progress: Progress | None = None,
) -> list[_Result]:
    """Return the results in the order of ``items``.

    Args:
        work: Function to call from threads.
        items: Arguments of ``work``; only a few are queued at a time, to limit memory.
        what: Plural name of the items in errors, such as ``pairs``.
        workers: Number of threads.
        progress: Called with items done and items in total.

    Raises:
        DataError: One error for all unusable items, with a line for each kind of reason. Stops
            after 1000 failures, or at once on a full disk.
    """
    results: list[_Result] = []
    failures = _Failures(what)
    with _leaving_at_once(workers) as pool:
        for number, future in enumerate(_submit(pool, work, items, ahead=2 * workers), start=1):
            try:
                results.append(future.result())
            except DataError as error:
                if is_disk_full(error):
                    raise  # every later item would fail too
                failures.add(error)
                if failures.count == _MOST_FAILURES:
                    break
            if progress is not None:
                progress(number, len(items))
    if failures.count:
        raise failures.combine()
    return results


@contextmanager
def _leaving_at_once(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that, if the block fails, ends after the jobs that are running."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _submit(
    pool: ThreadPoolExecutor,
    work: Callable[[_Item], _Result],
    items: Iterable[_Item],
    ahead: int,
) -> Iterator[Future[_Result]]:
    """Yield futures in order, with at most ``ahead`` of them queued."""
    rest = iter(items)
    waiting = [pool.submit(work, item) for item in islice(rest, ahead)]
    while waiting:
        yield waiting.pop(0)
        waiting += [pool.submit(work, item) for item in islice(rest, 1)]


class _Failures:
    """The failures: a count and the first few examples of each kind.

    Args:
        what: Plural name of the items.
    """

    def __init__(self, what: str) -> None:
        self.count = 0
        self._what = what
        self._kinds: dict[str, list[DataError]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, error: DataError) -> None:
        self.count += 1
        kind = kind_of(error.message)
        self._counts[kind] += 1
        kept = self._kinds.setdefault(kind, [])
        if len(kept) < _MOST_LISTED:
            kept.append(error)

    def combine(self) -> DataError:
        """Return one error: each kind with an example, the most frequent first."""
        frequent = [kind for kind, _ in self._counts.most_common()]
        first = self._kinds[frequent[0]][0]
        if self.count == 1:
            return first
        more = "at least " if self.count == _MOST_FAILURES else ""
        lines = [f"cannot prepare {more}{self.count} {self._what}:"]
        lines += [line for kind in frequent[:_MOST_KINDS] for line in self._spell(kind)]
        if len(frequent) > _MOST_KINDS:
            lines.append(f"  and {len(frequent) - _MOST_KINDS} other kinds of errors")
        return DataError("\n".join(lines), path=first.path, where=first.where, hint=first.hint)

    def _spell(self, kind: str) -> list[str]:
        """Return one line per error if they are few, else one line with two examples."""
        errors, count = self._kinds[kind], self._counts[kind]
        if count <= _MOST_LISTED:
            return [f"  {error.message} ({error.where})" for error in errors]
        first, second = errors[:2]
        example = f"{first.message} ({first.where}), and so {second.where}"
        return [f"  {count} {self._what}: {example}, ..."]
