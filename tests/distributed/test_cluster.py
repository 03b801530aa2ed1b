"""integrations/cluster: the worker script on a real PostgreSQL; the YAML files agree with it and with each other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import TrialState

from optuna_agnet import spaces

FOLDER = Path(__file__).resolve().parents[2] / "integrations" / "cluster"
COMPOSE = yaml.safe_load((FOLDER / "docker-compose.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))


def resource(kind: str, name: str) -> dict[str, Any]:
    (found,) = [r for r in KUBERNETES if (r["kind"], r["metadata"]["name"]) == (kind, name)]
    return found


def test_compose_file_is_consistent() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"db", "study", "worker", "dashboard"}
    build = services["worker"]["build"]
    context = (FOLDER / build["context"]).resolve()
    assert (context / build["dockerfile"]).is_file()
    for line in (context / build["dockerfile"]).read_text().splitlines():
        if line.startswith("COPY"):
            assert all((context / path).exists() for path in line.split()[1:-1]), line
    database = services["db"]["environment"]
    user, password, name = (database[f"POSTGRES_{key}"] for key in ("USER", "PASSWORD", "DB"))
    url = f"postgresql+psycopg://{user}:{password}@db/{name}"
    for service in ("study", "worker", "dashboard"):
        assert services[service]["environment"]["STORAGE"] == url
    assert services["study"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    for service in ("worker", "dashboard"):
        after = {"study": {"condition": "service_completed_successfully"}}
        assert services[service]["depends_on"] == after


def test_kubernetes_file_is_consistent() -> None:
    secret = resource("Secret", "agnet-storage")["stringData"]
    database = resource("StatefulSet", "agnet-db")["spec"]["template"]["spec"]["containers"][0]
    settings = {entry["name"]: entry.get("value") for entry in database["env"]}
    user, name = settings["POSTGRES_USER"], settings["POSTGRES_DB"]
    assert secret["url"] == f"postgresql+psycopg://{user}:{secret['password']}@agnet-db/{name}"
    for service in ("agnet-db", "agnet-dashboard"):
        selector = resource("Service", service)["spec"]["selector"]
        kind = "StatefulSet" if service == "agnet-db" else "Deployment"
        pods = resource(kind, service)["spec"]
        assert pods["selector"]["matchLabels"] == pods["template"]["metadata"]["labels"] == selector
    job = resource("Job", "agnet-workers")["spec"]
    assert "completions" not in job
    assert job["template"]["spec"]["restartPolicy"] == "OnFailure"


def test_kubernetes_accepts_the_file() -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="needs pip install kubernetes-validate (72 MB of schemas)"
    )
    for found in KUBERNETES:
        validator.validate(found, "1.37", strict=True)


def test_docker_understands_the_compose_file() -> None:
    docker = shutil.which("docker")
    command = [str(docker), "compose", "-f", str(FOLDER / "docker-compose.yaml"), "config"]
    if docker is None or subprocess.run([*command[:2], "version"], capture_output=True).returncode:
        pytest.skip("needs docker with its compose plugin")
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.slow
def test_two_workers_on_postgresql(postgresql: str, name: str) -> None:
    pytest.importorskip("sklearn", reason="the worker trains on scikit-learn's digits")
    environment = {**os.environ, "STORAGE": postgresql, "STUDY": name, "TRIALS": "6"}
    create = ["optuna", "create-study", "--storage", postgresql, "--study-name", name]
    create += ["--direction", "maximize", "--skip-if-exists"]
    subprocess.run([Path(sys.executable).parent / create[0], *create[1:]], check=True)
    workers = [
        subprocess.Popen([sys.executable, FOLDER / "worker.py"], env=environment) for _ in range(2)
    ]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    study = optuna.load_study(study_name=name, storage=postgresql)
    done = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert 6 <= len(done) == len(study.trials) <= 7
    space = spaces.nas_bench_201()
    assert len({space.from_params(t.params).key for t in done}) == len(done)
