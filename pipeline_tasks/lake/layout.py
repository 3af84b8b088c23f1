"""Where everything lies in the lake: names and dates in, keys out."""

from datetime import date

IDENTITY = "identity.json"
LOG = "recommendations/log/"
CURRENT = "recommendations/current.json"
# the oldest night that can be run again, where retention has removed what earlier ones read
FLOOR = "retention.json"
# what a model's folder holds last: without it there is no whole model
MODEL_CONFIG = "config.json"
REPORT_INDEX = "reports/index.html"


def raw(table: str, ingest_date: date) -> str:
    """The arrivals of a day (interactions), or what was known at its end (items, users)."""
    return f"raw/{table}/ingest_date={ingest_date}"


def night(table: str, run_date: date) -> str:
    """A night's partition of any other table, as "clean/items" or "features/item_features"."""
    return f"{table}/run_date={run_date}"


def encoded(encoder: str) -> str:
    """The table of the vectors that an encoder, named by its digest, has made."""
    return f"features/encoded/{encoder}"


def record(run_date: date, stage: str) -> str:
    """The record of a stage's newest run for a night."""
    return f"runs/{run_date}/{stage}.json"


def model(version: str) -> str:
    """The folder of a trained model."""
    return f"models/{version}"


def champion(run_date: date) -> str:
    """Who serves after a night."""
    return f"models/champions/run_date={run_date}.json"


def version(name: str) -> str:
    """The folder of a version of the published tables."""
    return f"recommendations/versions/{name}"


def verdict(run_date: date) -> str:
    """What the check found about a night's version."""
    return f"recommendations/verdicts/run_date={run_date}.json"


def log_entry(sequence: int) -> str:
    """One entry of the commit log."""
    return f"{LOG}{sequence:010d}.json"


def report(run_date: date) -> str:
    """The folder of a night's page."""
    return f"reports/{run_date}"


def data_docs(run_date: date) -> str:
    """The folder of a night's data docs."""
    return f"quarantine/data_docs/run_date={run_date}"


def partition_date(folder: str) -> date:
    """The date in "run_date=2026-01-31" or "ingest_date=2026-01-31"; raises ValueError for another name."""
    return date.fromisoformat(folder.partition("=")[2])


def date_of(name: str) -> date | None:
    """The date that a name is; None where it is none."""
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def stale(run_date: date) -> str:
    """The mark of a night that was made from what an earlier night's rerun has changed since."""
    return f"runs/{run_date}/stale.txt"


def candidates(run_date: date) -> str:
    """The models that a night has trained."""
    return f"models/candidates/run_date={run_date}.json"


def checkpoints(run_date: date) -> str:
    """Where a night's training runs go on from when they were killed."""
    return f"models/checkpoints/run_date={run_date}/"


def checkpoint(run_date: date, model: str) -> str:
    """One of the night's checkpoints."""
    return f"{checkpoints(run_date)}{model}.safetensors"


def gate(run_date: date) -> str:
    """What validate let through: the digests of the raw partitions that preprocess may read."""
    return f"quarantine/passed/run_date={run_date}.json"


def leases(name: str) -> str:
    """Where the claims to a lease lie."""
    return f"leases/{name}/"


def lease(name: str, number: int) -> str:
    """One claim to a lease; the highest number holds it."""
    return f"{leases(name)}{number:010d}.json"
