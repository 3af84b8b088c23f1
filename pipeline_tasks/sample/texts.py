"""An item's words: the numbers drawn for it come in, title, description, category, tags and brand come out."""

from typing import Any

from pipeline_tasks.sample import vocabulary as words
from pipeline_tasks.sample.catalogue import Catalogue

_OPENINGS = (
    "{this} {style} {noun} by {brand} {is_} made for {use}.",
    "{adjective}, and right for {use}: the {series} {noun} by {brand}.",
    "The {noun} for {use}, the way {brand} does it: {adjective_low} and {style}.",
)
_OPENINGS_ZH = (
    "{brand}这款{style}{noun}专为{use}设计。",
    "{adjective}之选，适合{use}：{brand}{series}系列{noun}。",
    "为{use}而生，{brand}带来{adjective}的{style}{noun}。",
)
_MIDDLES = (
    "You get {feature} and {other}.",
    "What people like about {it}: {feature} and {other}.",
    "With {feature}, and with {other}.",
)
_MIDDLES_ZH = (
    "配有{feature}和{other}。",
    "大家最喜欢它的{feature}与{other}。",
    "{feature}、{other}，细节都想到了。",
)


def brand_name(number: int, language: int = 0) -> str:
    """Name brand `number` in English (0) or Chinese (1)."""
    head, tail = divmod(number, len(words.BRAND_TAILS))
    return words.BRAND_HEADS[head][language] + words.BRAND_TAILS[tail][language]


def item_text(catalogue: Catalogue, item: int) -> dict[str, Any]:
    """Write what does not change about an item, its texts in both languages."""
    category = words.CATEGORIES[catalogue.category[item]]
    english, chinese = (_names(catalogue, item, language) for language in (0, 1))
    title = "{brand} {series} {style} {noun}, {size}".format(**english)
    title_zh = "{brand} {series} {style}{noun} {size}".format(**chinese)
    coloured = category.kind.coloured
    return {
        "title": f"{title}, {english['colour']}" if coloured else title,
        "title_zh": f"{title_zh} {chinese['colour']}" if coloured else title_zh,
        "description": _description(catalogue, item, english, 0),
        "description_zh": _description(catalogue, item, chinese, 1),
        "category": category.path,
        "tags": [english["style"], english["use"], *([english["colour"]] if coloured else [])],
        "brand": english["brand"],
    }


def _names(catalogue: Catalogue, item: int, language: int) -> dict[str, str]:
    """Choose the item's words of one language."""
    category = words.CATEGORIES[catalogue.category[item]]
    kind, noun = category.kind, category.noun[language]
    style, feature, use, size, adjective, series, other, *_ = catalogue.draws[item].tolist()
    plural = noun.endswith("s") and not noun.endswith("ss")
    praise = _pick(words.ADJECTIVES, adjective)[language]
    return {
        "brand": brand_name(int(catalogue.brand[item]), language),
        "series": words.SERIES[series % len(words.SERIES)],
        "style": _pick(kind.styles, style)[language],
        "noun": noun,
        "use": _pick(kind.uses, use)[language],
        "size": _pick(kind.sizes, size)[language],
        "colour": words.COLOURS[catalogue.colour[item]][language],
        "feature": _pick(kind.features, feature)[language],
        "other": _pick(kind.features, feature + 1 + other % (len(kind.features) - 1))[language],
        "adjective": praise if language else praise.capitalize(),
        "adjective_low": praise,
        "this": "These" if plural else "This",
        "is_": "are" if plural else "is",
        "it": "them" if plural else "it",
    }


def _pick(pairs: tuple[words.Pair, ...], number: int) -> words.Pair:
    return pairs[number % len(pairs)]


def _description(catalogue: Catalogue, item: int, names: dict[str, str], language: int) -> str:
    opening, middle, closing = catalogue.draws[item].tolist()[7:]
    openings, middles = (_OPENINGS_ZH, _MIDDLES_ZH) if language else (_OPENINGS, _MIDDLES)
    parts = (
        openings[opening % len(openings)].format(**names),
        middles[middle % len(middles)].format(**names),
        _pick(words.CLOSINGS, closing)[language],
    )
    return ("" if language else " ").join(parts)
