"""``tailmark predict``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import Json, Metric, Time, console, print_json


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    *,
    deadline: Annotated[
        str | None,
        typer.Option(metavar="20ms|p99", help="By default the experiment's first, or p99."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="round-effects, independent, kde or bootstrap.")
    ] = "round-effects",
    rounds_ahead: Annotated[
        int | None, typer.Option(help="How many rounds to foretell; 1000 if nobody says.")
    ] = None,
    train_rounds: Annotated[
        int | None, typer.Option(help="Learn from the first so many; the rest is held out.")
    ] = None,
    holdout: Annotated[
        int | None, typer.Option(help="Hold out the last so many, and try each model on them.")
    ] = None,
    target: Annotated[
        list[float] | None,
        typer.Option(metavar="0.75", help="Ask for the chance of this quality; repeatable."),
    ] = None,
    metric: Metric = None,
    time: Time = None,
    json: Json = False,
) -> None:
    """Foretell what the rounds to come will deliver, the worst of them included."""
    found = tailmark.predict(
        run,
        deadline=deadline,
        model=model,
        rounds_ahead=rounds_ahead,
        train_rounds=train_rounds,
        holdout=holdout,
        targets=target or (),
        metric=metric,
        time=time,
    )
    if json:
        print_json(found.to_dict())
    else:
        from tailmark.report.prediction_text import print_prediction

        print_prediction(found, console())
