"""Ctrl-C: what is finished is written, nothing by halves, and no process is left."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from reports import FILES, arguments, read, small_data_sets
from skfedmtl._console import main
from skfedmtl._report import command, plan


@pytest.fixture(scope="module", autouse=True)
def small():
    with small_data_sets():
        yield


def test_an_interrupt_leaves_nothing(tmp_path, capsys, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "to_csv", interrupt)
    assert main(arguments(tmp_path / "report")) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def stop_after(n_pieces, monkeypatch):
    """Let Ctrl-C come while the next piece of work is done."""
    done, work = [], plan.run_piece

    def run_or_stop(*args):
        if len(done) == n_pieces:
            raise KeyboardInterrupt
        done.append(1)
        return work(*args)

    monkeypatch.setattr(plan, "run_piece", run_or_stop)


#: pieces of work of the first repetition: a clean one, and of three attacks the random, the
#: optimised and the bound; others have no bounds
EACH = 10
NEXT = 7


@pytest.mark.parametrize("n_pieces", [EACH, EACH + NEXT - 1])
def test_an_interrupt_leaves_the_report_of_what_is_finished(
    n_pieces, tmp_path, capsys, monkeypatch
):
    assert main(arguments(tmp_path / "one", "--no-remedies")) == 0
    capsys.readouterr()
    stop_after(n_pieces, monkeypatch)
    assert main(arguments(tmp_path / "cut", "--repeats", "3")) == 130
    out, err = capsys.readouterr()
    note = "interrupted: 1 of 3 repetitions were finished"
    assert note in out and note in err and "1 repetition," in out
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == sorted(FILES)
    assert note in (tmp_path / "cut" / "report.html").read_text(encoding="utf-8")
    for by_node in (False, True):
        one, cut = (read(tmp_path / name, by_node) for name in ("one", "cut"))
        for row in (*one, *cut):
            row["seconds"] = 0.0
        np.testing.assert_equal(cut, one)


def test_an_interrupt_among_the_remedies_keeps_all_repetitions(tmp_path, capsys, monkeypatch):
    stop_after(EACH + 2, monkeypatch)
    assert main(arguments(tmp_path)) == 130
    assert "not all that may reduce the damage was tried" in capsys.readouterr().err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no tie" in page and "half the budget" not in page


def test_an_interrupt_in_the_first_repetition_leaves_nothing(tmp_path, capsys, monkeypatch):
    stop_after(EACH - 1, monkeypatch)
    assert main(arguments(tmp_path / "report")) == 130
    assert "interrupted before a repetition was finished" in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends a signal as a terminal does")
def test_ctrl_c_of_a_terminal_ends_all_processes(tmp_path):
    """To the whole group, workers among it, once the work has begun."""
    code = (
        "import signal, sys\n"
        "from skfedmtl._console import main\n"
        "from skfedmtl._report import command, plan\n"
        "run = plan.run\n"
        "def told(*args):\n"
        "    for done in run(*args):\n"
        "        yield done\n"
        "        print('piece', flush=True)\n"
        "command.run = told\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    options = ["report", "--n-jobs", "2", "--repeats", "40", "--bound-iter", "30"]
    options += ["--no-remedies", "--attack", "direct", "--output", str(tmp_path)]
    run = subprocess.Popen(
        [sys.executable, "-c", code, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for _ in range(4):
        assert run.stdout.readline() == "piece\n"
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 130, err
    assert "of 40 repetitions were finished" in err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
