"""Means over seeds of ``table2.py``, and how they are printed."""

import numpy as np
from _common import print_table
from _protocols import ATTACKS, DATA, PROTOCOLS, PUBLIC
from _published import CLEAN, RATIO

__all__ = ["show", "summarise"]

KINDS = ("none", "random", "ascent", "optimised", "constant", "local", "global")
MOVED = ("ascent", "optimised")  #: kinds that the paper's ratios are held against
LOSSES = ("clean_loss", "found", "bound", "share")
TITLES = {
    "paper": "paper protocol: features in [0, 1], no intercept, lambda1 = lambda2 = 1e-3",
    "sane": "sane protocol: as the paper's, with an intercept that is less penalised",
    "honest": "honest protocol: z-scores, intercept, lambdas by folds of the clean training rows",
}


def summarise(rows):
    """One row a protocol, data set, attack and kind, and their averages over the public data."""
    groups = {}
    for row in rows:
        key = tuple(row[name] for name in ("protocol", "attack", "kind", "dataset"))
        groups.setdefault(key, {})[row["seed"]] = row
    for protocol, attack, kind in dict.fromkeys(key[:3] for key in groups if key[2] in KINDS):
        parts = [groups.get((protocol, attack, kind, data), {}) for data in PUBLIC]
        common = set.intersection(*map(set, parts))
        if common:
            groups[protocol, attack, kind, "average"] = {
                seed: {"error": np.mean([part[seed]["error"] for part in parts])}
                | {name: parts[0][seed][name] for name in ("steps", "version")}
                for seed in sorted(common)
            }
    keys = sorted((key for key in groups if key[2] in KINDS), key=_place)
    return [_line(key, groups) for key in keys]


def _place(key):
    protocol, _, kind, data = key
    return PROTOCOLS.index(protocol), (*DATA, "average").index(data), KINDS.index(kind)


def _line(key, groups):
    protocol, attack, kind, data = key
    own, clean = groups[key], groups.get((protocol, "none", "none", data), {})
    seeds = sorted(own)
    line = {"protocol": protocol, "dataset": data, "attack": attack, "kind": kind}
    line["mean"], line["se"] = _mean_and_error([own[seed]["error"] for seed in seeds])
    if set(seeds) <= set(clean):
        line["ratio"] = line["mean"] / np.mean([clean[seed]["error"] for seed in seeds])
    if protocol == "paper" and kind == "none" and data in CLEAN:
        line["paper"] = CLEAN[data]
    if kind in MOVED and (data, attack) in RATIO:
        line["paper_ratio"] = RATIO[data, attack]
    for name in ("auc", "balanced"):
        values = [own[seed][name] for seed in seeds if np.isfinite(own[seed].get(name, np.nan))]
        if values:
            line[name], line[f"{name}_se"] = _mean_and_error(values)
    if kind == "optimised":
        line |= _certified(own, clean, groups.get((protocol, attack, "bound", data), {}))
    line["steps"] = own[seeds[0]]["steps"]
    line["seed"] = f"{seeds[0]}-{seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    return line | {"version": own[seeds[0]]["version"]}


def _certified(own, clean, bounds):
    """Mean losses of a target, clean and found, what is certified, and the share that is found."""
    seeds = sorted(set(own) & set(clean) & set(bounds))
    if not seeds:
        return {}
    losses = {
        name: [rows[seed]["H"] / bounds[seed]["targets"] for seed in seeds]
        for name, rows in (("clean_loss", clean), ("found", own), ("bound", bounds))
    }
    shares = np.divide(losses["found"], losses["bound"])
    return {name: np.mean(values) for name, values in losses.items()} | {"share": shares.mean()}


def _mean_and_error(values):
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return np.mean(values), error


def show(summary):
    """Print the tables of each protocol."""
    for protocol in dict.fromkeys(line["protocol"] for line in summary):
        own = [line for line in summary if line["protocol"] == protocol]
        print(f"\n{TITLES[protocol]}\n")
        _show_errors(own)
        print()
        _show_ratios(own)
        if protocol != "paper":
            _show_ranking([line for line in own if line["dataset"] == "landmine"])


def _named(line):
    if line["kind"] == "none":
        return "no attack"
    return line["kind"] if line["attack"] == "none" else f"{line['kind']} {line['attack']}"


def _show_errors(lines):
    places = [data for data in (*PUBLIC, "average", "endad_like") if _of(lines, data)]
    table = {}
    for line in sorted(lines, key=_rank):
        cells = table.setdefault(_named(line), {"test error": _named(line)})
        cells[line["dataset"]] = f"{line['mean']:.2f} +- {line['se']:.2f}"
    published = {line["dataset"]: f"{line['paper']:.2f}" for line in lines if "paper" in line}
    rows = list(table.values())
    if published:
        rows.insert(1, {"test error": "  the paper's"} | published)
    print_table({"test error": "s", **dict.fromkeys(places, ">s")}, rows)


def _rank(line):
    attack = ATTACKS.index(line["attack"]) if line["attack"] in ATTACKS else 0
    return KINDS.index(line["kind"]), attack


def _of(lines, data):
    return [line for line in lines if line["dataset"] == data]


def _show_ratios(lines):
    rows = {}
    for line in lines:
        if line["kind"] in ("random", *MOVED) and "ratio" in line:
            start = {"error / no attack": line["dataset"], "attack": line["attack"]}
            row = rows.setdefault(tuple(start.values()), start)
            row[line["kind"]] = line["ratio"]
            names = {"paper_ratio": "goal"} | {name: name for name in LOSSES}
            row |= {new: line[name] for name, new in names.items() if name in line}
    for row in rows.values():
        if "goal" in row:
            row["reached"] = "yes" if _is_reached(row) else "NO"
    columns = {"error / no attack": "s", "attack": "s"}
    columns |= dict.fromkeys(("random", *MOVED), ".3f") | {"goal": ".2f", "reached": "s"}
    if rows:
        print_table(columns | dict.fromkeys(LOSSES, ".4g"), list(rows.values()))


def _is_reached(row):
    strongest = max(row.get(kind, 0.0) for kind in MOVED)
    random = row.get("random", 0.0)
    return strongest >= row["goal"] and strongest > random


def _show_ranking(lines):
    if lines:
        print("\nlandmine beyond the error: targets with both classes in their test rows\n")
        rows = [line | {"": _named(line)} for line in sorted(lines, key=_rank)]
        print_table(
            {"": "s", "auc": ".4f", "auc_se": ".4f", "balanced": ".2f", "balanced_se": ".2f"}, rows
        )
