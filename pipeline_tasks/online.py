"""A version that is about to go live in; its lists in Feast's online store first, where publish.online asks for it."""

from datetime import date

from pipeline_tasks.lake.store import Store
from pipeline_tasks.publishing.catalogue import names
from pipeline_tasks.publishing.versions import is_whole
from pipeline_tasks.reader import open_version
from pipeline_tasks.settings import Settings


def put_online(settings: Settings, store: Store, name: str) -> int | None:
    """Push the lists of the version `name`, and return how many they are; None where nobody asks for them.

    Raises NightjarError where the online store fails, and Refused where the version is not what was checked. What a
    killed run leaves is of a version that is not live, which services do not ask for.
    """
    if not settings.publish.online:
        return None
    from pipeline_tasks.featurestore.lists import push

    # rows of a version that can be gone back to stay
    kept = (each for each in names(store) if is_whole(store, each))
    return push(settings, open_version(store.uri, name), date.fromisoformat(next(kept, name)[:10]))
