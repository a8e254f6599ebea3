"""Numbers in test_causal_diagnostic_witnesses.py, from moderndid 0.2.0, a Python port of the R package HonestDiD.

pip install moderndid==0.2.0, then: python tests/reference/make_honest_did.py

The coefficients are those that HonestDiD 0.2.8 ships as BCdata_EventStudy (Benzarti and Carloni 2019).
"""

# ruff: noqa: T201
from __future__ import annotations

import numpy as np

EVENT_TIME = [-5, -4, -3, -2, 0, 1, 2, 3]
BETA = np.array(
    [
        0.006696351803839207,
        0.029345033690333366,
        -0.006472972221672535,
        0.0730149894952774,
        0.1959611177444458,
        0.31206390261650085,
        0.23954154551029205,
        0.12604250013828278,
    ]
)
LOWER = [
    [0.0008428358123637736],
    [0.00047686867765150964, 0.000642542028799653],
    [0.00026180510758422315, 0.00039874250069260597, 0.000522994960192591],
    [0.00023542203416582197, 0.00024355151981581002, 0.00021176860900595784, 0.0003089595411438495],
    [
        0.00016763714666012675,
        0.00022019603056833148,
        0.00018407222523819655,
        0.00011978660768363625,
        0.00035997043596580625,
    ],
    [
        0.00011287076631560922,
        0.00018045911565423012,
        0.00014585278404410928,
        0.00013340813165996224,
        0.0002478818641975522,
        0.0004263949813321233,
    ],
    [
        1.9928162146243267e-05,
        3.8437650800915435e-05,
        7.005197403486818e-05,
        0.000101633500889875,
        0.00017495792417321354,
        0.00021714378090109676,
        0.0004886697861365974,
    ],
    [
        -0.00013682653661817312,
        -2.960421988973394e-05,
        5.952994979452342e-05,
        0.00010790517262648791,
        0.00016542569210287184,
        0.0002892747870646417,
        0.00038053220487199724,
        0.000761739443987608,
    ],
]
SIGMA = np.zeros((8, 8))
for place, row in enumerate(LOWER):
    SIGMA[place, : place + 1] = SIGMA[: place + 1, place] = row
FIRST, MEAN, MIXED = [1.0, 0.0, 0.0, 0.0], [0.25] * 4, [0.5, 0.0, -1.0, 0.3]


def main() -> None:
    import moderndid.didhonest as md

    for name, weights, low, high in (
        ("FIRST", FIRST, -0.1, 0.5),
        ("MEAN", MEAN, -0.4, 0.8),
        ("MIXED", MIXED, -0.6, 0.4),
    ):
        for mbar in (0.5, 1.0, 2.0):
            found = md.compute_conditional_cs_rm(
                betahat=BETA,
                sigma=SIGMA,
                num_pre_periods=4,
                num_post_periods=4,
                l_vec=np.array(weights),
                m_bar=mbar,
                grid_points=301,
                grid_lb=low,
                grid_ub=high,
                seed=0,
            )
            accepted = found["grid"][found["accept"] == 1]
            print("RM", name, mbar, float(accepted.min()), float(accepted.max()), "step", (high - low) / 300)
        for bound in (0.0, 0.02, 0.1):
            found = md.compute_flci(
                beta_hat=BETA,
                sigma=SIGMA,
                smoothness_bound=bound,
                n_pre_periods=4,
                n_post_periods=4,
                post_period_weights=np.array(weights),
            )
            print("FLCI", name, bound, *map(float, found.flci))


if __name__ == "__main__":
    main()
