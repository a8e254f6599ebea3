"""Numbers in test_causal_diagnostic_witnesses.py, from pyfixest 0.60.0.

pip install pyfixest==0.60.0, then: python tests/reference/make_multiplicity.py
"""

# ruff: noqa: T201
from __future__ import annotations

import numpy as np


def family(seed: int = 21) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, standard errors and draws of their joint error, correlated by one half."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(0.5 * np.eye(5) + 0.5)
    std_errors = np.array([1.0, 2.0, 0.5, 1.5, 1.0])
    draws = rng.standard_normal((999, 5)) @ root.T * std_errors
    return np.array([2.6, -5.0, 0.9, -1.0, 2.0]), std_errors, draws


def main() -> None:
    from pyfixest.estimation.post_estimation.multcomp import _get_rwolf_pval

    estimates, std_errors, draws = family()
    print([float(p) for p in _get_rwolf_pval(estimates / std_errors, draws / std_errors)])


if __name__ == "__main__":
    main()
