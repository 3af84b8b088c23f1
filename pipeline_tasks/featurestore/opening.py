"""Open Feast's store of a lake: settings in; a store whose registry holds the definitions out."""

import contextlib
import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from feast import FeatureStore
from feast.repo_operations import RepoContents, apply_total_with_repo_instance, parse_repo

from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.featurestore.definitions import STATE_VARIABLE
from pipeline_tasks.settings import CHECKOUT, Settings

REPOSITORY = CHECKOUT / "feature_repo"
LOCK = "feast.lock"
# some millions of rows are materialized in so much; who waits here may hold a lease that others wait for
WAIT_SECONDS = 300.0
POLL_SECONDS = 0.2


@contextmanager
def open_feature_store(settings: Settings) -> Iterator[FeatureStore]:
    """Give the store with the definitions applied, and keep every other run of this lake out meanwhile.

    Feast's file registry loses concurrent writes. Raises Refused where Feast's configuration is wrong, and
    NightjarError where another run does not leave the store in time, or where the store fails. What Feast prints goes to
    stderr.
    """
    os.environ[STATE_VARIABLE] = str(settings.state_dir)
    config = _checked_config(settings)
    with _alone(settings.state_dir), contextlib.redirect_stdout(sys.stderr):
        definitions = read_definitions(REPOSITORY)
        try:
            store = FeatureStore(repo_path=str(REPOSITORY), fs_yaml_file=config)
            # a cache that expires while definitions are applied, or seems to as the clock jumps, takes them with it;
            # nobody else writes to the registry meanwhile, and zero is never
            store.config.registry.cache_ttl_seconds = 0
            apply_total_with_repo_instance(
                store, store.project, store.registry, definitions, skip_source_validation=True
            )
        except Exception as error:  # each kind of store raises errors of its own
            raise NightjarError(
                f"the feature store cannot be opened: {type(error).__name__}: {error}",
                f"see {config}, and run it again",
            ) from error
        yield store


def copies_folder(settings: Settings) -> Path:
    """Where the definitions look for the snapshots' copies."""
    return settings.state_dir / "features"


def read_definitions(repository: Path) -> RepoContents:
    """Return the objects defined in the repository's files, imported as `feast apply` imports them."""
    before = set(sys.modules)
    sys.path.insert(0, str(repository))
    try:
        with contextlib.chdir(repository):
            return parse_repo(repository)
    finally:
        sys.path.remove(str(repository))
        # the definitions depend on the lake's state folder: the next reader imports them anew
        for name in set(sys.modules) - before:
            if (file := getattr(sys.modules[name], "__file__", None)) and Path(file).parent == repository:
                del sys.modules[name]


def _checked_config(settings: Settings) -> Path:
    """Return Feast's configuration file; Feast itself would take an unset ${VARIABLE} for a name."""
    path = CHECKOUT / settings.features.feast
    if not path.is_file():
        raise Refused(f"features.feast: there is no file {path}")
    unset = [name for name in re.findall(r"\$\{?(\w+)\}?", path.read_text()) if not os.environ.get(name)]
    if unset:
        raise Refused(f"{path} names ${{{unset[0]}}}, which is not set in the environment")
    return path


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock file meanwhile; it says which process does. The kernel frees a dead one's."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as lock:
        _wait_for(lock, folder)
        lock.truncate(0)
        lock.write(f"process {os.getpid()}")
        lock.flush()
        yield


def _wait_for(lock: TextIO, folder: Path) -> None:
    begun, told = time.monotonic(), False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read() or "another process"
        waited = time.monotonic() - begun
        if waited >= WAIT_SECONDS:
            raise NightjarError(
                f"the feature store in {folder} is used by {holder}; waited {waited:.0f} s",
                "run it again when that has ended",
            )
        if not told:
            print(f"waiting for the feature store in {folder}, used by {holder}", file=sys.stderr, flush=True)
        told = True
        time.sleep(POLL_SECONDS)
