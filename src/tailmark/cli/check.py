"""``tailmark check``."""

import typer

import tailmark
from tailmark.cli.shared import ExperimentFile, Json, Settings, print_json
from tailmark.units import format_duration


def check(experiment: ExperimentFile, *, settings: Settings = None, json: Json = False) -> None:
    """Validate an experiment without measuring: files, settings, and that the parts fit."""
    from tailmark.stopping import Until

    plan = tailmark.load_experiment(experiment, settings or ())
    found = tailmark.rehearse(plan)
    until = plan.rounds if isinstance(plan.rounds, Until) else None
    if json:
        print_json(
            {
                "format": 1,
                "samples": found.samples,
                "rounds": plan.describe()["rounds"],
                **({"looks": list(until.looks)} if until else {}),
                "query_ns": found.query_ns,
                "total_ns": found.total_ns,
                "system": dict(found.system),
                "warnings": list(found.warnings),
            }
        )
        return
    most = "at most " if until else ""
    typer.echo(
        f"{experiment} is fine: {most}{plan.at_most} rounds of {found.samples} samples, about "
        f"{format_duration(found.query_ns, 2)} a query, so {most}about "
        f"{_long(found.total_ns)} in all"
    )
    if until:
        typer.echo(until.rule.explain(until.looks))
    for warning in found.warnings:
        typer.echo(f"warning: {warning}")


def _long(ns: int) -> str:
    seconds = ns / 1e9
    return f"{seconds / 60:.0f} min" if seconds >= 120 else format_duration(ns, 2)
