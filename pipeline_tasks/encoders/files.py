"""Encoders that lie in files: paths in; digests of what they hold out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

HEX = 12


def digest_of(kind: str, files: Sequence[tuple[str, Path]]) -> str:
    """Return `kind` and 12 hex digits over the files' names and content, whatever their folder."""
    whole = hashlib.sha256()
    for name, path in sorted(files):
        with path.open("rb") as handle:
            whole.update(f"{name}\n{hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return f"{kind}-{whole.hexdigest()[:HEX]}"


def files_below(folder: Path) -> list[tuple[str, Path]]:
    """Return each file below the folder with its path from there; hidden ones are not part of a model."""
    found = [(path.relative_to(folder), path) for path in folder.rglob("*") if path.is_file()]
    return [
        (name.as_posix(), path)
        for name, path in found
        if not any(part.startswith((".", "__pycache__")) for part in name.parts)
    ]
