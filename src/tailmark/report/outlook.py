"""What the page says of what nobody measured: the rounds to come, and latencies beyond the data."""

from typing import Any

from tailmark.analysis.prediction import Prediction
from tailmark.report import extremes_text
from tailmark.report.findings import Findings
from tailmark.report.prediction_text import overdispersion_sentence, prediction_headline
from tailmark.report.sentences import policy_words, tied
from tailmark.report.tables import Cell, Grid, share_cell


def rounds_to_come(found: Findings) -> dict[str, Any]:
    """The prediction's section; only a reason where there is no prediction."""
    ahead = found.prediction
    if ahead is None:
        return {"says": f"Nothing can be foretold: {found.unpredictable}.", "folded": False}
    return {
        "says": tied(prediction_headline(ahead)),
        "folded": True,
        "table": _foretold(ahead),
        "learnt": tied(
            f"{ahead.model}, learnt from {ahead.trained_on} rounds. "
            f"{overdispersion_sentence(ahead.overdispersion)}"
        ),
        "notes": [tied(_sentence(one)) for one in [*_policy(found, ahead), *ahead.warnings]],
    }


def beyond_the_data(found: Findings) -> dict[str, Any]:
    """The extremes' section; only the reason where nothing is borne."""
    told = found.extremes
    says = tied(extremes_text.headline(told))
    if told.reason or not told.horizon:
        return {"says": says, "folded": False}
    return {
        "says": says,
        "folded": True,
        "tables": extremes_text.grids(told),
        "facts": tied(extremes_text.facts(told)),
        "notes": [tied(_sentence(one)) for one in extremes_text.notes(told)],
    }


def _foretold(ahead: Prediction) -> Grid:
    rows = [
        [Cell(f"{100 * level:g} %"), *_apart(share_cell(ahead.quantiles[level]))]
        for level in (0.01, 0.05, 0.5)
    ]
    worst = Cell(f"the worst of {ahead.rounds_ahead:,}")
    rows.append([worst, *_apart(share_cell(ahead.worst))])
    return Grid("", ["of the rounds", "deliver at most", "95 % interval"], rows)


def _apart(cell: Cell) -> list[Cell]:
    """The interval in a column of its own."""
    return [Cell(cell.value), Cell(cell.interval)]


def _policy(found: Findings, ahead: Prediction) -> list[str]:
    """Where the page grades late answers otherwise than a prediction does."""
    if found.summary.on_late == "fail" or any("late policy" in one for one in ahead.warnings):
        return []
    return [f"here {policy_words('fail')}"]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
