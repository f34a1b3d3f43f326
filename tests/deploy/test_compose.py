"""compose.yaml and the image fit together, and what they mount and name is there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from sagastack.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CONTROLLERS = ("controller-1", "controller-2", "controller-3")
USER = "10001"


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return read


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def variables_read() -> set[str]:
    """The variables of the environment that settings are read from."""
    return {f"SAGASTACK_{one.name.upper()}" for one in fields(Settings)}


def test_three_controllers_differ_in_nothing_but_their_place() -> None:
    services = compose()["services"]
    told = [dict(services[name]) for name in CONTROLLERS]
    ports = [one.pop("ports") for one in told]
    volumes = [one.pop("volumes") for one in told]
    assert told[0] == told[1] == told[2]
    assert len({str(port) for port in ports}) == 3
    for number, mine in enumerate(volumes, 1):
        assert f"home-{number}:/var/lib/sagastack" in mine and "keys:/keys:ro" in mine


def test_every_variable_is_one_that_a_controller_reads() -> None:
    told = compose()["services"]["controller-1"]["environment"]
    assert not told.keys() - variables_read(), "nobody reads these"
    simulator = compose()["services"]["simulator"]["command"]
    port = simulator[simulator.index("--listen") + 1].split(":")[1]
    assert told["SAGASTACK_SIMULATOR"] == f"server=simulator:{port}"
    database = compose()["services"]["postgres"]["environment"]
    password = database["POSTGRES_PASSWORD"]
    where = f"postgres:5432/{database['POSTGRES_DB']}"
    assert told["SAGASTACK_STORE"] == f"postgres://{database['POSTGRES_USER']}:{password}@{where}"


def test_what_listens_everywhere_is_told_by_an_address_that_can_be_asked() -> None:
    command = re.findall(r'"--host", "(\S+)"', dockerfile())
    assert command == ["0.0.0.0"]
    assert Settings(home=ROOT, host=command[0]).reached_at == "127.0.0.1"
    assert Settings(home=ROOT, host="10.1.2.3").reached_at == "10.1.2.3"


def test_what_is_waited_for_says_when_it_is_well() -> None:
    services = compose()["services"]
    for name, how in services["controller-1"]["depends_on"].items():
        if how["condition"] == "service_healthy":
            assert "healthcheck" in services[name], f"{name} would be waited for without an end"
        else:
            assert how["condition"] == "service_completed_successfully"
            assert "restart" not in services[name]


def test_kafka_is_reached_by_the_name_that_it_gives_itself() -> None:
    services = compose()["services"]
    servers = services["controller-1"]["environment"]["SAGASTACK_KAFKA"]
    kafka = services["kafka"]["environment"]
    assert kafka["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{servers}"
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert kafka["KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR"] == 1


def test_all_that_is_mounted_is_there() -> None:
    top = compose()
    for name, service in top["services"].items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            found = (
                (ROOT / source).exists() if source.startswith("./") else source in top["volumes"]
            )
            assert found, f"{name} mounts {source}, which is not there"


def test_nothing_is_open_to_other_machines() -> None:
    for name, service in compose()["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} opens {port}"


def test_the_key_is_made_once_for_the_images_user_alone() -> None:
    keys = compose()["services"]["keys"]
    script = keys["command"][-1]
    assert "head -c 32 /dev/urandom" in script and "chmod 0400 /keys/vault.key" in script
    assert f"chown {USER}:{USER} /keys /keys/vault.key" in script
    assert f"--uid {USER}" in dockerfile() and f"USER {USER}:{USER}" in dockerfile()
    homes = {one.split(":")[0] for one in keys["volumes"]}
    writers = (*CONTROLLERS, "simulator")
    mine = {v.split(":")[0] for n in writers for v in compose()["services"][n]["volumes"]}
    assert homes == mine, "every volume that a controller writes to is handed over to it"


def test_prometheus_asks_every_controller_and_reads_the_rules() -> None:
    told = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    (job,) = told["scrape_configs"]
    assert job["job_name"] == "sagastack", "alert rules look for this name"
    assert job["static_configs"][0]["targets"] == [f"{name}:8080" for name in CONTROLLERS]
    mounts = compose()["services"]["prometheus"]["volumes"]
    for rules in told["rule_files"]:
        assert f"./deploy/{rules}:/etc/prometheus/{rules}:ro" in mounts


def test_grafana_finds_its_dashboards() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning" / "dashboards" / "sagastack.yml"
    (provider,) = yaml.safe_load(folder.read_text())["providers"]
    grafana = compose()["services"]["grafana"]
    path = provider["options"]["path"]
    assert f"./deploy/grafana/dashboards:{path}:ro" in grafana["volumes"]
    first = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "deploy" / "grafana" / "dashboards" / Path(first).name).is_file()


def test_the_image_is_built_in_stages_and_runs_without_root() -> None:
    lines = dockerfile()
    stages = re.findall(r"^FROM (\S+)", lines, re.M)
    assert len(stages) == 2 and all(re.search(r":\d", stage) for stage in stages)
    last = lines[lines.rindex("FROM") :]
    assert "gcc" not in last and "USER" in last and "HEALTHCHECK" in last
    assert "/healthz" in last and 'ENTRYPOINT ["sagastack"]' in last
    for name in re.findall(r"requirements\S*\.txt", lines):
        assert (ROOT / name).is_file()
    assert lines.count("--require-hashes") == 3, "everything that is fetched is known by its hash"


def test_what_the_image_needs_is_not_ignored() -> None:
    ignored = set((ROOT / ".dockerignore").read_text().split())
    packages = {"aggregates", "api", "drivers", "engine", "guest", "projections", "sagastack"}
    assert not ignored & (packages | {"ui", "pyproject.toml", "README.md"})
    assert {".git", ".venv", "var"} <= ignored, "neither history nor anybody's cloud goes in"
