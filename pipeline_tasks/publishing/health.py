"""Health against what was live: two manifests in, warnings for people out. They keep nothing from going live."""

from typing import Any

FEWER_USERS = 0.05
FEWER_ROWS = 0.05
UNAVAILABLE = 0.5


def warnings(now: dict[str, Any], before: dict[str, Any] | None) -> list[str]:
    """Return what looks unlike the manifest `before` (of an earlier night), or odd in itself."""
    found = []
    stock = now["availability"]
    if stock["unavailable"] > UNAVAILABLE * stock["known"]:
        found.append(f"{stock['unavailable']:,} of {stock['known']:,} items cannot be had")
    if before is None:
        return found
    if _fell(now["users"], before["users"], FEWER_USERS):
        found.append(
            f"{now['users']:,} users have a list, {before['users']:,} had one in {before['run_date']}"
        )
    for table, described in before["tables"].items():
        rows = now["tables"][table]["rows"]
        if _fell(rows, described["rows"], FEWER_ROWS):
            found.append(f"{table} has {rows:,} rows, {described['rows']:,} in {before['run_date']}")
    return found


def _fell(now: int, before: int, share: float) -> bool:
    return now < before * (1 - share)
