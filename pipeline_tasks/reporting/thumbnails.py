"""Small pictures of items for the page: names of images in, data URIs out; a broken image is left out."""

import base64
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from pipeline_tasks.settings import Settings
from pipeline_tasks.sources import choose
from pipeline_tasks.sources.images import folder_of, read_image

SIDE = 72
MOST_BYTES, MOST_PIXELS = 20 << 20, 50_000_000
AT_ONCE = 8


def thumbnails(settings: Settings, images: Mapping[str, str]) -> dict[str, str]:
    """Return data URIs by item of the first of `images` (item to name), at most `report.thumbnails` of them.

    Raises Refused where the source is not there any more.
    """
    wanted = dict(islice(images.items(), settings.report.thumbnails))
    table = choose(settings).table("items") if wanted else None
    if table is None:
        return {}
    folder = folder_of(table)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = pool.map(lambda name: _thumbnail(read_image(name, folder)), wanted.values())
        return {item: uri for item, uri in zip(wanted, made, strict=True) if uri}


def _thumbnail(data: bytes | None) -> str | None:
    """Return a picture of at most SIDE pixels a side as a data URI; None for what is no picture, or too large."""
    from PIL import Image

    if data is None or len(data) > MOST_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            image.draft("RGB", (SIDE, SIDE))
            small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=80, method=4)
    except Exception:  # whatever an image's bytes can raise: the row is shown without it
        return None
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
