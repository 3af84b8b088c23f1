"""The closing summary of a night for a terminal: a Summary in, plain lines out."""

from pipeline_tasks.reporting.summary import Sample, Summary

WIDTH = 100


def render(night: Summary) -> str:
    """Return the night in some thirty lines."""
    parts = [
        [f"Night {night.run_date}: {night.state.upper()}. {night.verdict}"],
        _served(night),
        _metrics(night),
        _put_aside(night),
        [f"warning: {line}" for line in night.warnings],
        _places(night),
        *(_sample(each) for each in night.samples),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _served(night: Summary) -> list[str]:
    if night.users is None:
        return [f"live: {night.live or 'nothing yet'}"]
    rows = ", ".join(f"{table} {count:,}" for table, count in night.rows.items())
    lines = [f"users served  {night.users:,}, top {night.n}", f"rows          {rows}"]
    if night.serving:
        lines.append(f"serves        {night.serving['name']} {night.serving['model_version']}")
        lines.append(f"because       {night.serving['reason']}")
    return lines


def _metrics(night: Summary) -> list[str]:
    if not night.metrics:
        return []
    names = list(next(iter(night.metrics.values())))
    days, users = night.holdout.get("days", 0), night.holdout.get("users", 0)
    title = f"holdout: {days} day{'s' if days != 1 else ''}, {users:,} users"
    head = f"{title:<36}" + "".join(f"{name:>14}" for name in names)
    best_first = sorted(night.metrics.items(), key=lambda pair: -pair[1][names[1]])
    return [head] + [
        f"  {model:<34}" + "".join(f"{values[name]:>14.4f}" for name in names) for model, values in best_first
    ]


def _put_aside(night: Summary) -> list[str]:
    lines = []
    for table, account in night.accounts.items():
        counts = ", ".join(f"{account[name]:,} {name}" for name in account if name != "in")
        lines.append(f"{table:<14}{account['in']:,} in: {counts}")
        reasons = night.quarantined.get(table, {})
        if reasons:
            said = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
            lines.extend(f"{'':<14}{line}" for line in _wrapped(said))
    return lines


def _places(night: Summary) -> list[str]:
    places = {
        "version": night.version,
        "tables": night.tables,
        "data docs": night.data_docs,
        "report": night.report,
    }
    return [f"{name:<14}{place}" for name, place in places.items() if place]


def _sample(sample: Sample) -> list[str]:
    history = "; ".join(sample.history[:3]) if sample.history else "no history yet"
    lines = [f"for {sample.user_id} ({history})"]
    for place in sample.places:
        because = f"after {place.reason}" if place.source == "model" else f"popular: {place.reason}"
        lines.append(f"  {place.rank:>2}  {place.title[:44]:<46}{because[:50]}")
    return lines


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split(", "):
        if len(lines[-1]) + len(word) > WIDTH:
            lines.append("")
        lines[-1] += f"{word}, "
    return [line.removesuffix(", ") if line is lines[-1] else line.rstrip() for line in lines]
