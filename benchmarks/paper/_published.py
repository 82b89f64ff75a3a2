"""What Sun et al. (2020) print in Table II, as far as it is repeated here.

Ratios are the error of an optimised attack over that without an attack.
"""

__all__ = ["CLEAN", "RATIO"]

#: error in percent, or RMSE, without an attack
CLEAN = {
    "human_activity": 2.586,
    "landmine": 5.682,
    "parkinsons_total": 6.302,
    "parkinsons_motor": 4.125,
}
RATIO = {
    ("human_activity", "direct"): 11.4,
    ("human_activity", "indirect"): 1.33,
    ("human_activity", "hybrid"): 6.9,
    ("landmine", "direct"): 2.40,
    ("landmine", "indirect"): 1.31,
    ("landmine", "hybrid"): 1.69,
    ("parkinsons_total", "direct"): 7.1,
    ("parkinsons_total", "indirect"): 1.23,
    ("parkinsons_total", "hybrid"): 3.5,
    ("parkinsons_motor", "direct"): 8.0,
    ("parkinsons_motor", "indirect"): 1.66,
    ("parkinsons_motor", "hybrid"): 4.1,
}
