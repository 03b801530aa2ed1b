"""Workers whose clocks show different zones."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

import crew
import optuna
import pytest
from crew import Lockstep


class Abroad(Lockstep):
    """Its worker lives in another time zone."""

    def __init__(self, zone: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.zone = zone

    def __setstate__(self, state: dict[str, Any]) -> None:  # in the worker's process
        super().__setstate__(state)
        os.environ["TZ"] = self.zone
        time.tzset()


def slow(trial: optuna.Trial) -> float:
    value = crew.objective(trial)
    time.sleep(0.05)
    return value


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has no tzset")
def test_workers_in_two_zones_repeat_nothing(address: str, name: str) -> None:
    study = crew.new_study(address, name)
    zones = ("UTC", "Etc/GMT-2")  # which is two hours east
    codes = crew.run(address, name, 8, [Abroad(zone, stale_after=3600) for zone in zones], slow)
    assert codes == [0, 0]
    assert max(Counter(crew.held(study)).values()) == 1
    assert len(crew.held(study)) == 16
