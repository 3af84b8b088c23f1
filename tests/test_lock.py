"""The lock: everything declared is pinned and hashed, and what torch needs is there, CUDA's packages aside."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent
LOCK = (CHECKOUT / "requirements.txt").read_text()


def pinned() -> dict[str, list[str]]:
    """Return name to the versions that the lock pins, one for each marker."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", LOCK, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
# installed only where they are asked for, so their pins stand in pyproject.toml
ASKED_FOR = ("text", "image")


def declared() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    named = [line for name, lines in extras.items() if name not in ASKED_FOR for line in lines]
    return [Requirement(text) for text in (*PROJECT["dependencies"], *named)]


def test_what_is_installed_only_when_asked_for_is_pinned() -> None:
    for extra in ASKED_FOR:
        for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
            assert [each.operator for each in requirement.specifier] == ["=="], requirement


def test_every_declared_dependency_is_pinned_within_its_range() -> None:
    versions = pinned()
    for requirement in declared():
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement.name} is not in requirements.txt; run make lock"
        assert all(requirement.specifier.contains(version) for version in found), requirement


def test_every_pin_is_hashed() -> None:
    for entry in re.split(r"\n(?=[A-Za-z0-9])", LOCK.strip()):
        assert "--hash=sha256:" in entry, entry


def test_what_torch_needs_is_locked_and_nothing_of_cuda_is() -> None:
    versions = pinned()
    assert "torch" not in versions
    assert not [name for name in versions if name.startswith(("nvidia", "cuda", "triton"))]
    for text in requires("torch") or []:
        needed = Requirement(text)
        if needed.marker and not needed.marker.evaluate({**default_environment(), "extra": ""}):
            continue
        if needed.name.startswith(("nvidia", "cuda", "triton")):
            continue
        found = versions.get(canonicalize_name(needed.name), [])
        assert found, f"torch needs {needed.name}"
        assert all(needed.specifier.contains(version) for version in found), text
