import os

import pytest

pytest.register_assert_rewrite("optuna.testing.pytest_samplers")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the user's is read or written, also by processes that tests start."""
    os.environ["OPTUNA_AGNET_CACHE"] = str(tmp_path_factory.mktemp("generators"))
