"""What a source says is text on the pages, whatever it is."""

from typing import Any

from pipeline_tasks.reporting import page, trends
from tests.reporting.hostile import EVIL, hostile
from tests.reporting.reading import Reader, stands_alone


def test_whatever_is_said_is_shown_as_text(content: dict[str, Any]) -> None:
    online = content.pop("online")
    content = {**hostile(content), "online": {**online, "version": EVIL}}
    made = Reader(page.render(content, {EVIL: 'data:image/webp;base64,"><script>'}))
    stands_alone(made)
    assert made.text.count("alert('x')") > 30
    assert "{{ 7 * 7 }}" in made.text


def test_the_page_over_all_nights_lets_nothing_through(content: dict[str, Any]) -> None:
    night = trends.line({**hostile(content), "online": content["online"], "state": "failed"})
    made = Reader(page.render_index([night], [EVIL]))
    stands_alone(made)
    assert "alert('x')" in made.text
