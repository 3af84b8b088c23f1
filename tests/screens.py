"""Pictures of a lake's reports for the README: `python -m tests.screens LAKE_FOLDER NIGHT OUT_FOLDER`."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests import browser

WIDTH = 1200
# file name: the page below reports/, and how much of it is shown
SCREENS = {"morning-report.png": ("{night}/index.html", 1480), "all-nights.png": ("index.html", 900)}
COLOURS = 64


def small(picture: bytes) -> bytes:
    """Return a PNG with few colours, which is a fraction as large."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        # by coverage, or a thin line's colour is lost
        few = image.convert("RGB").quantize(
            COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE
        )
        few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def take(seen: browser.Browser, lake: Path, night: str) -> dict[str, bytes]:
    """Return the screens by file name."""
    taken = {}
    for name, (page, height) in SCREENS.items():
        seen.open((lake / "reports" / page.format(night=night)).as_uri(), WIDTH, height)
        taken[name] = small(seen.picture())
    return taken


def main(lake: Path, night: str, out: Path) -> None:
    program = browser.find()
    if program is None:
        sys.exit(f"no browser: install one of {', '.join(browser.NAMES)}")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        browser.opened(program, Path(folder)) as seen,
    ):
        for name, data in take(seen, lake.resolve(), night).items():
            (out / name).write_bytes(data)
            print(f"{out / name}: {len(data):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
