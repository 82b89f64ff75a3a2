"""The console command ``skfedmtl``; help loads the options alone, a node what a node needs."""

import sys
from collections.abc import Sequence

from skfedmtl._report import parse
from skfedmtl.federation import COMMANDS, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    code : int
        Exit code: 0, 1 if what was asked failed, 2 if it could not start, 130 after Ctrl-C.
        Wrong options leave by ``SystemExit`` with code 2.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] not in COMMANDS:
        options = parse(argv)
        from skfedmtl._report import run_report

        return run_report(options, argv)
    try:
        return run_command(argv)
    except KeyboardInterrupt:
        print(f"skfedmtl {argv[0]}: error: interrupted", file=sys.stderr)
        return 130
