"""The names of the container's packages: all that its stages and torch need, all locked, nothing more."""

from importlib.metadata import requires

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_architecture import LIGHT
from tests.test_lock import CHECKOUT, pinned

NAMES = [
    line
    for line in (CHECKOUT / "docker" / "trainer-requirements.in").read_text().splitlines()
    if line and not line.startswith("#")
]


def needed(name: str) -> set[str]:
    """Return what a package asks for on this machine, CUDA's packages aside."""
    asked = [Requirement(text) for text in requires(name) or []]
    here = {**default_environment(), "extra": ""}
    names = {canonicalize_name(r.name) for r in asked if not r.marker or r.marker.evaluate(here)}
    return {found for found in names if not found.startswith(("nvidia", "cuda", "triton"))}


def test_every_name_is_in_the_lock() -> None:
    assert [name for name in NAMES if name not in pinned()] == []


def test_the_names_are_what_the_stages_import_and_all_that_follows_from_it() -> None:
    follows, open_names = set(), {canonicalize_name(name) for name in LIGHT}
    while open_names:
        follows |= open_names
        open_names = {more for name in open_names for more in needed(name)} - follows
    assert set(NAMES) == follows - {"torch"}
