"""MovieLens' layout is cut by time as the data say; each model is asked after the same users, and told no future."""

import json
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peer, temporal
from benchmarks.comparison import Outcome, interval, line
from benchmarks.movielens import read_movielens
from pipeline_tasks.models.data import Catalogue, Histories

DAY = 86_400
MIDNIGHT = 1_000 * DAY

# its lists: the item of each row's newest event but one
ECHO = """
import sys
sys.path.insert(0, {peers!r})
from protocol import answer, empty_lists
def run(job):
    lists = empty_lists(job.rows, job.options["k"])
    lists[:, 0] = job.arrays["items"][job.arrays["offsets"][1:] - 2]
    return {{"lists": lists}}, {{}}
answer(run)
"""


def events(rows: dict[int, list[tuple[float, int]]]) -> Histories:
    """Return by user the items that each took so many days before the midnight that ends all."""
    flat = [(MIDNIGHT - round(before * DAY), item) for row in rows.values() for before, item in row]
    return Histories(
        np.array(list(rows), dtype=np.int32),
        np.cumsum([0, *map(len, rows.values())]),
        np.array([item for _, item in flat], dtype=np.int32),
        np.ones(len(flat), np.int8),
        np.array([time for time, _ in flat], dtype=np.int64),
    )


def write(folder: Path, ratings: list[tuple[int, int, int]], movies: dict[int, tuple[str, str]]) -> Path:
    lines = [f"{user},{movie},4.0,{time}" for user, movie, time in ratings]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *lines]))
    lines = [f'{movie},"{title}",{genres}' for movie, (title, genres) in movies.items()]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *lines]))
    return folder


def test_windows_lie_side_by_side_and_end_with_the_midnight_after_the_newest_event() -> None:
    history = events({1: [(30, 1), (9.5, 2), (0.5, 3)], 2: [(4, 1)], 3: [(40, 1), (12, 2)]})
    days, trials = temporal.windows(history, cuts=3, days=5, cases=3)
    assert days == 5
    assert [(MIDNIGHT - cut) // DAY for cut in trials] == [15, 10, 5]
    assert [trial.truth.users.tolist() for trial in trials.values()] == [[3], [1], [1]]
    assert [trial.known.items.tolist() for trial in trials.values()] == [[1], [1], [1, 2]]


def test_windows_grow_until_there_are_enough_cases() -> None:
    history = events({1: [(30, 1), (7, 2), (0.5, 3)], 2: [(25, 2), (9, 1)]})
    days, trials = temporal.windows(history, cuts=1, days=3, cases=2)
    assert days == 9
    assert [trial.truth.users.tolist() for trial in trials.values()] == [[1, 2]]


def test_where_no_length_gives_enough_the_best_one_is_taken() -> None:
    history = events({1: [(30, 1), (7, 2), (0.5, 3)], 2: [(25, 2), (9, 1)]})
    assert temporal.windows(history, cuts=1, days=3, cases=99)[0] == 9


def test_movies_are_numbered_by_their_ids_as_text_and_described_by_title_and_genres(tmp_path: Path) -> None:
    movies = {
        9: ("Kettle (1990)", "Drama"),
        10: ("Teapot (1991)", "Drama"),
        2: ("Clock (1990)", "(no genres listed)"),
    }
    histories, catalogue = read_movielens(
        write(tmp_path, [(7, 9, 50), (7, 2, 50), (7, 10, 60)], movies), seed=0
    )
    assert histories.items.tolist() == [2, 3, 1]  # "10" < "2" < "9"; of one second the smaller first
    alike = catalogue.content @ catalogue.content.T
    assert np.diag(alike)[1:] == pytest.approx(1.0)
    assert alike[1, 3] > alike[2, 3] > 0  # a genre in common counts more than a year


def test_a_peer_learns_from_all_and_answers_for_those_who_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rectools_ease.py").write_text(ECHO.format(peers=str(peer.SCRIPTS)))
    monkeypatch.setattr(peer, "SCRIPTS", tmp_path)
    monkeypatch.setattr(peer, "PEERS_PYTHON", Path(sys.executable))
    history = events({4: [(9, 1), (8, 2)], 6: [(9, 5), (8, 6)], 9: [(9, 3), (8, 4)]})
    past = temporal.Past(
        MIDNIGHT, history, history.rows(np.array([0, 2])), Catalogue(np.zeros((7, 1), np.float32))
    )
    lists = temporal.MAKERS["rectools-ease"](
        "rectools-ease", past, Namespace(seed=1, threads=1, set=["dim=8"])
    )
    assert lists[:, 0].tolist() == [1, 3]


def test_no_model_is_told_of_what_comes_after_the_cut() -> None:
    before, after = [(9.0 - n / 10, item) for n, item in enumerate([1, 2])], [(1.0, 3)]
    history = events(dict.fromkeys(range(1, 9), before + after))
    days, trials = temporal.windows(history, cuts=1, days=4, cases=8)
    assert days == 4
    options = Namespace(seed=1, threads=1, set=[])
    catalogue = Catalogue(np.zeros((4, 1), np.float32))
    found = temporal.outcome("item_knn", history, trials, catalogue, options)
    assert len(found.recall) == 8
    assert not found.recall.any()  # everybody takes item 3 next, but nobody knows that yet


def test_every_model_is_measured_on_the_same_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(1)
    ratings = [
        (user, int(movie), MIDNIGHT - int(random.integers(1, 40 * DAY)))
        for user in range(1, 31)
        for movie in random.permutation(20)[:8]
    ]
    write(tmp_path, ratings, {movie: (f"Film {movie}", "Drama") for movie in range(20)})
    command = ["temporal", "--data", str(tmp_path), "--cuts", "2", "--days", "5", "--cases", "10"]
    monkeypatch.setattr(sys, "argv", [*command, "--model", "popular", "item_knn", "--peer"])
    temporal.main()
    told, _, rest = capsys.readouterr().out.partition("\n\n")
    first, second = map(json.loads, told.splitlines())
    assert (first["model"], second["model"]) == ("popular", "item_knn")
    assert first["cases"] == second["cases"] > 10
    assert first["difference interval"] == [0.0, 0.0]
    assert second["difference"] == pytest.approx(second["NDCG@10"] - first["NDCG@10"], abs=2e-4)
    assert "| item_knn | " in rest


def test_an_interval_is_that_of_the_mean_and_narrow_where_cases_agree() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.1, 400)
    low, high = interval(values, seed=1)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / 20, rel=0.2)


def test_a_difference_is_taken_case_by_case() -> None:
    hard = np.linspace(0, 1, 50)
    own, other = (Outcome(name, hard + more, hard, hard > 0, 0.0) for name, more in (("a", 0.01), ("b", 0.0)))
    told = line(own, other, seed=0)
    assert told["difference"] == 0.01
    assert told["difference interval"] == [0.01, 0.01]
