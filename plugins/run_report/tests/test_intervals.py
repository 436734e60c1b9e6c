# SPDX-License-Identifier: Apache-2.0
"""Intervals against SciPy's bootstrap and against a plain loop over drawn groups."""

from __future__ import annotations

import time

import numpy as np
import pytest
from zoo_run_report import intervals
from zoo_run_report.intervals import DRAWS, SEED, Interval, bootstrap, mean_of, means_of


@pytest.mark.parametrize("count", [5, 40, 300])
def test_interval_of_single_images_is_that_of_scipy(count: int) -> None:
    """Percentile bootstrap of a mean; the draws differ, so that ends agree but for their noise."""
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(count).beta(8, 2, count)

    found = mean_of({f"{i}.png": float(v) for i, v in enumerate(values)}, {})

    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.06 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.06 * width)


def test_groups_are_drawn_whole() -> None:
    """Equal to a loop that draws groups by the same numbers and averages their images."""
    random = np.random.default_rng(3)
    groups = {f"{i}.png": f"patient {i % 7}" for i in range(50)}
    values = {file: float(random.random() / 10 + int(group[-1])) for file, group in groups.items()}

    found = mean_of(values, groups)

    names = sorted(set(groups.values()))
    members = [[values[file] for file in values if groups[file] == name] for name in names]
    picks = np.random.default_rng(SEED).integers(7, size=(DRAWS, 7))
    means = [np.mean([v for pick in row for v in members[pick]]) for row in picks]
    low, high = np.percentile(means, [2.5, 97.5])
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    single = mean_of(values, {})
    assert single is not None
    assert single.low is not None
    # Images of a patient resemble each other here, so single images would promise too much.
    assert high - low > 1.8 * (float(single.high or 0) - single.low)


def share(sums: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """The first number as a part of the second; NaN without a second."""
    return np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)


def test_ratio_of_sums_is_drawn_as_a_ratio() -> None:
    """Pooled scores add counts before they divide; a draw without pixels has no value."""
    sums = np.array([[1.0, 2], [0, 0], [30, 40], [5, 50], [3, 6], [2, 9]])

    ((found,),) = bootstrap(sums[:, None], [share], list("abcdef"))

    assert found is not None
    assert found.value == pytest.approx(41 / 107)
    assert 0.1 <= float(found.low or 0) < found.value < float(found.high or 0) <= 0.75


@pytest.mark.parametrize("cells", [1, 60, 10**9], ids=["one by one", "in parts", "at once"])
@pytest.mark.parametrize("seed", range(3))
def test_table_is_that_of_a_loop(seed: int, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row and statistic by the same draws, equal to NumPy's loop over picked groups."""
    monkeypatch.setattr(intervals, "_MOST_CELLS", cells)
    random = np.random.default_rng(seed)
    count, rows = 40, int(random.integers(1, 5))
    sums = random.integers(0, 50, (count, rows, 2)) * (random.random((count, rows, 1)) < 0.7)
    groups = [f"patient {random.integers(12)}" for _ in range(count)]

    def total(drawn: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return drawn.sum(axis=1)

    found = bootstrap(sums.astype(float), [share, total], groups)

    names = sorted(set(groups))
    members = [[i for i in range(count) if groups[i] == name] for name in names]
    picks = np.random.default_rng(SEED).integers(len(names), size=(DRAWS, len(names)))
    drawn = np.array(
        [sums[[i for pick in row for i in members[pick]]].sum(axis=0) for row in picks]
    )
    for row in range(rows):
        for place, statistic in enumerate((share, total)):
            low, high = np.nanpercentile(statistic(drawn[:, row]), [2.5, 97.5])
            value = statistic(sums[:, row].sum(axis=0)[None])[0]
            expected = Interval(*(pytest.approx(each, rel=1e-12) for each in (value, low, high)))
            assert found[row][place] == expected


def test_means_of_columns_that_lack_images() -> None:
    """An image without a value is drawn, and changes neither sum nor count."""
    random = np.random.default_rng(0)
    files = [f"{i:02}.png" for i in range(30)]
    some = {file: float(random.random()) for file in files[::3]}
    every = {file: float(random.random()) for file in files}

    found = means_of({"some": some, "every": every}, {})

    assert found["every"] == mean_of(every, {})
    picks = np.random.default_rng(SEED).integers(30, size=(DRAWS, 30))
    lists = [[some[files[i]] for i in row if files[i] in some] for row in picks]
    low, high = np.percentile([np.mean(each) for each in lists if each], [2.5, 97.5])
    mean = np.mean(list(some.values()))
    expected = Interval(*(pytest.approx(each, rel=1e-12) for each in (mean, low, high)))
    assert found["some"] == expected


@pytest.mark.parametrize("count", range(8))
def test_few_groups_have_no_interval(count: int) -> None:
    """Fewer than five values say little of what a sixth would be."""
    values = {f"{i}": i / 10 for i in range(count)}

    found = mean_of(values, {})

    if not count:
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(sum(values.values()) / count)
    assert (found.low is None, found.high is None) == (count < 5, count < 5)


@pytest.mark.parametrize("groups", [1, 2, 4, 5])
def test_few_patients_have_no_interval(groups: int) -> None:
    """However many images they bring."""
    values = {f"{i}": i / 100 for i in range(100)}

    found = mean_of(values, {file: f"patient {int(file) % groups}" for file in values})

    assert found is not None
    assert (found.low is None) == (groups < 5)


def test_class_of_few_images_has_no_interval() -> None:
    """Of forty images, those that lack a class say nothing of how well it is found."""
    sums = np.zeros((40, 2, 2))
    sums[:4, 0] = sums[:5, 1] = [3, 4]

    (few,), (enough,) = bootstrap(sums, [share], [f"{i}" for i in range(40)])

    assert few == Interval(0.75)
    assert enough == Interval(0.75, 0.75, 0.75)


@pytest.mark.parametrize("value", [1e308, -1e308, 1.7e308])
@pytest.mark.filterwarnings("error")
def test_values_near_the_largest_float_have_no_mean(value: float) -> None:
    """Their sum is not finite; no warning and no invented number."""
    assert mean_of({f"{i}": value for i in range(9)}, {}) is None


@pytest.mark.slow
def test_many_classes_share_their_draws() -> None:
    """Twenty classes, four scores and 10,000 images take seconds; each drawn anew, minutes."""
    random = np.random.default_rng(0)
    sums = random.integers(0, 9, (10_000, 20, 3)).astype(float)
    start_s = time.process_time()

    found = bootstrap(sums, [share] * 4, [f"{i}" for i in range(10_000)])

    assert time.process_time() - start_s < 14  # 1.5 where nothing else runs
    assert len(found) == 20
