"""A real headless browser, spoken to over its DevTools pipe: a page's URI in; its picture, measures and errors out.

https://chromedevtools.github.io/devtools-protocol/; without a driver, a port or a package of their own.
"""

import base64
import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)


def find() -> str | None:
    """Return the browser that this machine has, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser with one page; `errors` are what a page has logged since it was opened."""

    def __init__(self, commands: int, replies: int) -> None:
        self._commands, self._replies = commands, os.fdopen(replies, "rb", buffering=0)
        self._numbers, self._held = itertools.count(1), b""
        self._session: str | None = None
        self.errors: list[str] = []
        self.asked: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, uri: str, width: int, height: int, scheme: str = "light") -> None:
        """Show a page in a window of this size (CSS pixels); a width under 600 is a phone's."""
        self.errors, self.asked = [], []
        phone = width < 600
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._call("Page.navigate", url=uri)
        while self._event()["method"] != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """Return what a JavaScript expression comes to on the page, as JSON."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get(
            "value"
        )

    def picture(self, *, whole: bool = False) -> bytes:
        """Return what is seen as PNG; with `whole` the page down to its end."""
        made = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **(
            {"clip": {**self.evaluate(
                "({x: 0, y: 0, width: innerWidth, height: document.documentElement.scrollHeight})"), "scale": 1}}
            if whole else {}
        ))  # fmt: skip
        return base64.b64decode(made["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (reply := self._read()).get("id") != number:
            self._note(reply)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def _event(self) -> dict[str, Any]:
        while "method" not in (event := self._read()):
            pass
        self._note(event)
        return event

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method"), event.get("params", {})
        if method == "Log.entryAdded":
            self.errors.append(f"{told['entry']['level']}: {told['entry']['text']}")
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown"):
            self.errors.append(json.dumps(told))
        elif method == "Network.requestWillBeSent":
            self.asked.append(told["request"]["url"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            read = self._replies.read(1 << 16)
            if not read:
                raise RuntimeError("the browser has gone")
            self._held += read
        message, _, self._held = self._held.partition(b"\0")
        return json.loads(message)


@contextmanager
def opened(program: str, folder: Path) -> Iterator[Browser]:
    """Give a browser whose profile lies in `folder`; it ends with the block."""
    (its_in, commands), (replies, its_out) = os.pipe(), os.pipe()
    # Chromium reads descriptor 3 and writes 4; above 9 neither is in the other's way
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (its_in, its_out)]
    os.close(its_in), os.close(its_out)
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}', program, *OPTIONS, f"--user-data-dir={folder}"],
        pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    for end in ends:
        os.close(end)
    try:
        yield Browser(commands, replies)
    finally:
        os.close(commands)  # which a browser ends at
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what of it is left
