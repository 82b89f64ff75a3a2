"""Table II and figures 3 to 6 of Sun et al. (2020), and where its print differs.

Runs ``errata.py``, ``table2.py`` and ``figure3.py`` to ``figure6.py``, one after the other, each
with its defaults. What a stopped run has finished is kept. Exit status 1 if one of them fails.

    python benchmarks/paper/run.py [--data-home DIR] [--output DIR] [--n-jobs N] [--only NAME ...]
"""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import make_parser

SCRIPTS = ("errata", "table2", "figure3", "figure4", "figure5", "figure6")


def main(argv=None):
    """Run the scripts."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=SCRIPTS, metavar="NAME")
    arguments = parser.parse_args(argv)
    options = ["--output", str(arguments.output)]
    if arguments.data_home is not None:
        options += ["--data-home", str(arguments.data_home)]
    failed = []
    for name in arguments.only:
        start = time.perf_counter()
        print(f"\n== {name}", flush=True)
        script = Path(__file__).with_name(f"{name}.py")
        own = [] if name == "errata" else ["--n-jobs", str(arguments.n_jobs)]
        command = [sys.executable, str(script), *options, *own]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
