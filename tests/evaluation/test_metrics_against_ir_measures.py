"""Our metrics are those of trec_eval, as ir-measures gives them."""

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

from pipeline_tasks.evaluation.metrics import measure
from tests.evaluation.test_metrics import truth_of

K, USERS, ITEMS = 10, 150, 40


def test_recall_ndcg_and_mrr_are_those_of_ir_measures() -> None:
    generator = np.random.default_rng(11)
    lists = np.stack([generator.permutation(ITEMS)[:15] + 1 for _ in range(USERS)]).astype(np.int32)
    lists[generator.random(USERS) < 0.2, 6:] = 0  # short lists
    truth = [(generator.permutation(ITEMS)[: generator.integers(1, 25)] + 1).tolist() for _ in range(USERS)]
    found = measure(lists, truth_of(truth), K, ITEMS)

    wanted = [ir_measures.Qrel(str(user), str(item), 1) for user, items in enumerate(truth) for item in items]
    shown = [
        ir_measures.ScoredDoc(str(user), str(item), -float(rank))
        for user, own in enumerate(lists.tolist())
        for rank, item in enumerate(own)
        if item
    ]
    expected = {measure_: np.zeros(USERS) for measure_ in (R @ K, nDCG @ K, RR @ K)}
    for metric in ir_measures.iter_calc(list(expected), wanted, shown):
        expected[metric.measure][int(metric.query_id)] = metric.value
    np.testing.assert_allclose(found.recall, expected[R @ K], atol=1e-9)
    np.testing.assert_allclose(found.ndcg, expected[nDCG @ K], atol=1e-9)
    np.testing.assert_allclose(found.mrr, expected[RR @ K], atol=1e-9)
