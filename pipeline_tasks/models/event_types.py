"""Event types by name: a model whose types are numbered in one order in, the same model for another order out."""

from collections.abc import Sequence

from pipeline_tasks.models.interface import State


def renumbered(state: State, own: Sequence[str], wanted: Sequence[str]) -> State:
    """Return a model, whose event types are numbered from 1 as in `own`, with those of `wanted` in its place.

    A type that the model does not know is what padding's is to it: an event of it weighs nothing, and of a sequence
    model's input it leaves the item.
    """
    if list(own) == list(wanted):
        return state
    numbers = {name: number for number, name in enumerate(own, 1)}
    places = [0, *(numbers.get(name, 0) for name in wanted)]
    config, tensors = dict(state.facts["config"]), dict(state.tensors)
    if "weights" in config:
        config["weights"] = [config["weights"][place] for place in places]
    if "event_types" in config:
        config["event_types"] = len(wanted)
        tensors["types.weight"] = tensors["types.weight"][places]
    return State(tensors, {**state.facts, "config": config})
