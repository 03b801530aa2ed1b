"""What holds for all tests."""

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("optuna.testing.pytest_samplers")

DATA = "OPTUNA_AGNET_DATA"  # in the reason of every test that is skipped for a missing file of the data folder


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the user's is read or written, also by processes that tests start."""
    os.environ["OPTUNA_AGNET_CACHE"] = str(tmp_path_factory.mktemp("generators"))


@pytest.fixture
def calls() -> Callable[[Callable[[], object]], int]:
    """Counts the calls of functions, built-in ones too, in this thread: a cost that no other work changes."""

    def count(work: Callable[[], object]) -> int:
        counted = 0

        def see(frame: object, event: str, argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(see)
        try:
            work()
        finally:
            sys.setprofile(before)
        return counted

    return count


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true, a test that lacks data although the data folder is there fails: nobody reads what was skipped."""
    report = yield
    folder = Path(os.environ.get(DATA, Path(__file__).parents[2] / "shared" / "benchmarks"))
    if os.environ.get("CI") == "true" and report.skipped and folder.is_dir():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if DATA in reason:
            report.outcome = "failed"
            report.longrepr = (
                f"{reason}\n(skipped, which CI=true does not let pass: {folder} is there)"
            )
    return report
