"""The digest of the settings: it changes with what changes a night's results, and with nothing else."""

from typing import Any


def test_only_keys_that_change_results_are_in_the_digest(make_settings) -> None:
    here = make_settings().results_digest()
    assert (
        make_settings(
            lake="s3://elsewhere/x", publish={"mode": "off"}, spark={"master": "local[1]"}
        ).results_digest()
        == here
    )
    assert make_settings(train={"launcher": "docker"}).results_digest() == here
    told = {"webhook": "https://hooks.example.com", "report_url": "https://reports.example.com"}
    assert make_settings(notify=told, airflow={"deadline": "06:00"}).results_digest() == here
    network = {"image_encoder": "timm:resnet18"}
    first, moved = (make_settings(features={**network, "image_weights": f"/{place}/w.pt"}) for place in "ab")
    assert first.results_digest() == moved.results_digest() != here
    assert make_settings(evaluate={"resamples": 500, "confidence": 0.9}).results_digest() == here
    decides = make_settings(evaluate={"rule": "unless_worse"}).results_digest()
    assert make_settings(evaluate={"rule": "unless_worse", "resamples": 500}).results_digest() != decides
    assert make_settings(train={"dim": 32}).results_digest() != here
    assert make_settings(seed=8).results_digest() != here
    assert make_settings(train={"precision": "bfloat16"}).results_digest() != here
    assert make_settings(train={"processes": 2}).results_digest() != here  # each draws its own dropout


def test_rules_are_in_the_digest_once_there_are_any_and_where_blocks_lie_is_not(make_settings) -> None:
    def digest(**rules: Any) -> str:
        found: str = make_settings(rules=rules).results_digest()
        return found

    assert digest() == digest(candidates=50) != digest(diversity=0.5)
    assert digest(blocked="a.csv") == digest(blocked="b.csv") != digest()


def test_where_als_is_fitted_is_in_the_digest_of_those_who_name_it(make_settings) -> None:
    def digest(model: str, **spark: Any) -> str:
        found: str = make_settings(train={"model": model}, spark=spark).results_digest()
        return found

    assert digest("ease") == digest("ease", master="yarn")
    asked = [digest("als"), digest("als", master="yarn"), digest("als", master="yarn", shuffle_partitions=9)]
    assert len(set(asked)) == 3
    assert digest("als", shuffle_partitions=9) == asked[0]
