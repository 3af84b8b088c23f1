"""Evaluation: where the holdout begins, how good lists are on it, and who serves."""
