"""Where the time of an ask goes."""

from __future__ import annotations

import time

import pytest

from benchmarks import ask


class Slow:
    def outer(self) -> None:
        self.inner()

    def inner(self) -> None:
        pass


def test_a_stage_is_timed_without_those_that_it_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by one whenever it is read."""
    clock = iter(range(100))
    monkeypatch.setattr(time, "process_time", lambda: float(next(clock)))
    watch = ask.Stopwatch()  # reads 0
    with watch.watching(Slow, "outer", "outer"), watch.watching(Slow, "inner", "inner"):
        Slow().outer()  # reads 1 to 4
    assert dict(watch.seconds) == {ask.REST: 1.0, "outer": 2.0, "inner": 1.0}
    assert "timed" not in repr(Slow.outer)


def test_every_stage_takes_its_share_of_an_ask() -> None:
    found = ask.seconds("NAS-Bench-201", 16, 26)
    assert list(found) == [*ask.STAGES, ask.REST]
    assert all(spent > 0 for spent in found.values())
    table = ask.report({"NAS-Bench-201": found}, {"NAS-Bench-201": 0.5}, 16, 26).splitlines()
    shares = [int(line.split("|")[2].rstrip(" %")) for line in table if line.endswith("% |")]
    assert abs(sum(shares) - 100) <= len(shares) / 2
