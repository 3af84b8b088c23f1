"""The compose stack: settings that exist, no secret written down, nothing that listens beyond this machine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline_tasks import settings

FOLDER = Path(settings.CHECKOUT) / "docker"
TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]


def test_what_it_sets_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = SERVICES["scheduler"]["environment"]
    for name in (name for name in chosen if name.startswith(settings.PREFIX)):
        monkeypatch.setenv(name, re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", chosen[name]))
    loaded = settings.load()
    assert (loaded.lake_uri, loaded.data_root) == ("s3://nightjar/lake", "/data")


def test_no_secret_is_written_down() -> None:
    secret = re.compile(r"PASSWORD|SECRET|JWT|SQL_ALCHEMY_CONN|WEBHOOK")
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not secret.search(name) or re.search(r"\$\{(STACK_PASSWORD|WEBHOOK)", value), name


def test_it_listens_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_of_others_are_pinned() -> None:
    others = [service["image"] for service in SERVICES.values() if "build" not in service]
    assert all(":" in image and not image.endswith(":latest") for image in others)


def test_the_image_copies_what_the_build_context_lets_through() -> None:
    copied = re.findall(
        r"^COPY (\S+)", (FOLDER / "airflow.Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    let_through = (settings.CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in copied} <= set(let_through)
