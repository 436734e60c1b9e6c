# SPDX-License-Identifier: Apache-2.0
"""The same work on many files, by a few threads, with one error for all that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from zoo.errors import DataError
from zoo.files import is_disk_full

__all__ = ["Progress", "run_jobs"]

Progress = Callable[[int, int], None]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST_FAILURES = 20


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
        work: Called from threads.
        items: What it is called with; few of them wait at a time, so memory does not grow.
        what: How an error calls several of them, as ``pairs``.
        workers: Threads.
        progress: Called with items done and items in all.

    Raises:
        DataError: One for all items that cannot be used, up to 20; a full disk at once.
    """
    results: list[_Result] = []
    failures: list[DataError] = []
    with _leaving_at_once(workers) as pool:
        for number, future in enumerate(_submit(pool, work, items, ahead=2 * workers), start=1):
            try:
                results.append(future.result())
            except DataError as error:
                if is_disk_full(error):
                    raise  # as every later item would
                failures.append(error)
                if len(failures) == _MOST_FAILURES:
                    break
            if progress is not None:
                progress(number, len(items))
    if failures:
        raise _combine(failures, what)
    return results


@contextmanager
def _leaving_at_once(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool which, if the block fails or is stopped, ends with what runs in it just then."""
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
    """Yield futures in order, with no more than ``ahead`` of them waiting."""
    rest = iter(items)
    waiting = [pool.submit(work, item) for item in islice(rest, ahead)]
    while waiting:
        yield waiting.pop(0)
        waiting += [pool.submit(work, item) for item in islice(rest, 1)]


def _combine(failures: Sequence[DataError], what: str) -> DataError:
    first = failures[0]
    if len(failures) == 1:
        return first
    more = "at least " if len(failures) == _MOST_FAILURES else ""
    lines = [f"cannot prepare {more}{len(failures)} {what}:"]
    lines += [f"  {error.message} ({error.where})" for error in failures]
    return DataError("\n".join(lines), path=first.path, where=first.where, hint=first.hint)
