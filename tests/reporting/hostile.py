"""What a source may say to do harm, and contents that say it everywhere."""

from typing import Any

EVIL = "</title><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>{{ 7 * 7 }}\"' "


def hostile(told: Any, harm: str = EVIL, key: str = "") -> Any:
    """Return the same with every text, and every name that a source may say, replaced by what means harm."""
    if isinstance(told, dict):
        free = key in ("metrics", "rules", "rows", "top_n", "places")
        return {(f"{harm}{name}" if free else name): hostile(each, harm, name) for name, each in told.items()}
    if isinstance(told, list):
        return [hostile(each, harm, key) for each in told]
    kept = ("run_date", "state", "status", "before", "week", "day", "band", "when")
    return harm if isinstance(told, str) and key not in kept else told
