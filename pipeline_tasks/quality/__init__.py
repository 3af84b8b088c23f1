"""The quality gate: rules, quarantine predicates and expectations made from the contracts, and data docs."""
