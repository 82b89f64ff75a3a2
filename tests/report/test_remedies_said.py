"""What the bottom line says of other models is what their table says."""

import re
from html import unescape

import pytest

from reports import arguments, small_data_sets
from skfedmtl._console import main

MODELS = ("a tenth of the tie", "no tie", "ten times lambda2")


@pytest.mark.parametrize("budget", ["0.2", "0"])
def test_the_bottom_line_names_the_least_of_the_table(budget, tmp_path):
    with small_data_sets():
        assert main(arguments(tmp_path, "--attack", "hybrid", "--budget", budget)) == 0
    page = unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    bottom = page.partition("<h2>Bottom line</h2>")[2].partition("</section>")[0]
    table = page[page.index("What reduces the damage") :].partition("</table>")[0]
    lines = re.findall("<tr>(<td>.*?)</tr>", table, re.DOTALL)
    cells = {name: rest for name, *rest in (re.findall("<td>(.*?)</td>", line) for line in lines)}
    errors, limits = ({name: float(cells[name][j]) for name in cells} for j in (4, 6))
    told = re.search("models that were tried, ([a-z0-9 ]*) lowers the test error", bottom)
    if told is None:
        assert all(errors[name] >= errors["as it is"] for name in MODELS)
        assert "No other model that was tried lowers the test error" in bottom
    else:
        best = min(MODELS, key=errors.get)
        assert errors[told[1]] == errors[best] <= errors["as it is"]
        assert f"from {errors['as it is']:.2f} to {errors[best]:.2f}, in one draw" in bottom
    told = re.search("tried, ([a-z0-9 ]*) lowers the certified loss", bottom)
    if told is None:
        assert all(limits[name] >= limits["as it is"] for name in MODELS)
    else:
        best = min(MODELS, key=limits.get)
        assert limits[told[1]] == limits[best] <= limits["as it is"]


def test_without_remedies_nothing_is_said_of_them(tmp_path):
    quick = ["--attack", "direct", "--no-remedies", "--no-bound", "--max-iter", "0"]
    with small_data_sets():
        assert main(arguments(tmp_path, *quick)) == 0
    assert "tried" not in (tmp_path / "report.html").read_text(encoding="utf-8")
