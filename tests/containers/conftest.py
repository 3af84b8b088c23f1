"""A real Docker engine and the image of the training container; tests skip, saying why, where there is none."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
STARTER = CHECKOUT.parent / "shared" / "tools" / "docker-engine"
BASE = "python:3.11-slim-bookworm"
IMAGE = "nightjar-trainer:tests"


def docker(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run Docker's command line in the checkout, on the engine that DOCKER_HOST names."""
    return subprocess.run(["docker", *arguments], cwd=CHECKOUT, check=check, capture_output=True, text=True)


def succeeds(*arguments: str) -> bool:
    return docker(*arguments, check=False).returncode == 0


def usual_engine() -> str:
    """Return the address of the engine that Docker's command line uses; empty where none answers."""
    if not shutil.which("docker") or not succeeds("version"):
        return ""
    context = docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").stdout.strip()
    return os.environ.get("DOCKER_HOST") or context


def started_engine() -> str:
    """Start an engine and make its base image, or find both; return its address."""
    if not STARTER.is_file():
        pytest.skip("no Docker engine answers")
    if os.geteuid() != 0:
        pytest.skip("no Docker engine answers, and only root can start one")
    said = ""
    for step in ("base", "up"):
        done = subprocess.run([STARTER, step], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{STARTER.name} {step} failed: {done.stderr.strip()[-300:]}")
        said = done.stdout.strip()
    return said.rpartition("DOCKER_HOST=")[2]


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """The address of a Docker engine that has the base image, or can pull it."""
    host = usual_engine() or started_engine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", host)
        if not succeeds("image", "inspect", BASE) and not succeeds("pull", "--quiet", BASE):
            pytest.skip(f"the Docker engine at {host} has no {BASE} and cannot pull it")
        yield host


@pytest.fixture(scope="session")
def image(engine: str) -> str:
    """The name of the training image, built from this checkout; later builds find the packages' layers made."""
    indexes = [name for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL") if name in os.environ]
    given = [part for name in indexes for part in ("--build-arg", name)]
    file = ("-f", "docker/trainer.Dockerfile", "-t", IMAGE)
    done = docker("build", "--network=host", *file, *given, ".", check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return IMAGE
