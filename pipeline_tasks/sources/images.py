"""Images of items: the names that a source gives them in, their bytes out."""

from functools import cache

from pipeline_tasks.lake.store import Store, open_store
from pipeline_tasks.settings import SourceTable
from pipeline_tasks.sources.files import GLOB, files


def folder_of(table: SourceTable) -> str:
    """Return the URI of the folder that holds a table's files: what their relative names start from."""
    whole = table.uri.rstrip("/")
    if files(table) == [whole]:
        return whole.rpartition("/")[0]
    match = GLOB.search(whole)
    return whole[: match.start()].rpartition("/")[0] if match else whole


def read_image(name: str, folder: str) -> bytes | None:
    """Return the bytes of an image, None where it is not there.

    `name` is a file:// or s3:// URI, or a key under the URI `folder`; nothing is fetched from elsewhere.
    """
    root, key = name.rsplit("/", 1) if "://" in name else (folder, name)
    try:
        return _store(root).read(key)
    except Exception:  # a name is whatever the source says: it is counted as missing
        return None


@cache
def _store(uri: str) -> Store:
    return open_store(uri)
