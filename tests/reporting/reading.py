"""Pages as a reader has them: their text, their tags, and what they reach for."""

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img"}


class Reader(HTMLParser):
    """Collects the text and the tags of a page; raises where a tag is closed that is not open."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(markup)
        assert self.open == []

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def stands_alone(made: Reader) -> None:
    """Assert that a page loads nothing, runs nothing, and links only to its neighbours."""
    assert not {tag for tag, _ in made.tags} & {"script", "iframe", "object", "embed", "form", "base"}
    for tag, attrs in made.tags:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        for name in ("src", "href", "xlink:href", "action"):
            target = attrs.get(name)
            assert target is None or re.match(r"(data:|\.\./|\d{4}-\d\d-\d\d/index\.html$)", target), target
