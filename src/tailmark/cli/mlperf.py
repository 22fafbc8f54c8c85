"""``tailmark mlperf``: runs by MLPerf's rules."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import (
    ExperimentFile,
    Json,
    Settings,
    console,
    new_run,
    print_json,
    progress_bar,
    several,
)

mlperf = typer.Typer(
    name="mlperf", help="Judge, package and check by MLPerf's rules.", no_args_is_help=True
)


def result(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    *,
    bound: Annotated[
        str | None, typer.Option(metavar="15ms", help="The latency a server's queries may have.")
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option(metavar="99", help="What the scenario is judged by; by default MLPerf's."),
    ] = None,
    min_duration: Annotated[
        str, typer.Option(metavar="600s", help="What the rounds must last, added up.")
    ] = "600s",
    min_queries: Annotated[
        int | None,
        typer.Option(metavar="N", help="How many there must be (offline: samples)."),
    ] = None,
    json: Json = False,
) -> None:
    """Say what MLPerf would: the scenario's metric, and whether it is valid."""
    found = tailmark.mlperf_result(
        run,
        bound=bound,
        percentile=percentile,
        min_duration=min_duration,
        min_queries=min_queries,
    )
    if json:
        print_json(found.to_dict())
    else:
        from tailmark.report.mlperf_text import print_mlperf

        print_mlperf(found, console())
    if not found.valid:
        raise typer.Exit(1)


def package(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN…", help="Runs that LoadGen drove, one a scenario.")
    ],
    *,
    submitter: Annotated[str, typer.Option(help="Who hands it in.")],
    benchmark: Annotated[str, typer.Option(help="Which benchmark it is, as resnet50.")],
    out: Annotated[Path, typer.Option(help="The submission's directory; may be there already.")],
    division: Annotated[str, typer.Option(help="open, closed or network.")] = "open",
    suite: Annotated[str, typer.Option(help="edge, datacenter or datacenter,edge.")] = "edge",
    category: Annotated[str, typer.Option(help="available, preview or rdi.")] = "available",
    system_name: Annotated[
        str | None, typer.Option(help="By default made of the processor and its cores.")
    ] = None,
    stands_for: Annotated[
        str | None,
        typer.Option(metavar="BENCHMARK", help="The official benchmark whose task it performs."),
    ] = None,
    system: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Fields of the system that nobody recorded."),
    ] = None,
    measurements: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Fields of the model, likewise.")
    ] = None,
    accuracy: Annotated[
        str | None,
        typer.Option(metavar="mAP=33.1", help="What it reached, where that is no top-1."),
    ] = None,
    round_index: Annotated[
        int, typer.Option("--round", min=0, help="Which round is handed in.")
    ] = 0,
    json: Json = False,
) -> None:
    """Build a submission from runs measured with engine: loadgen, and check it."""
    found = tailmark.package_submission(
        runs,
        submitter=submitter,
        benchmark=benchmark,
        out=out,
        division=division,
        suite=suite,
        category=category,
        system_name=system_name,
        stands_for=stands_for,
        system=system,
        measurements=measurements,
        accuracy=accuracy,
        round_index=round_index,
    )
    if json:
        print_json(found.to_dict())
    else:
        from tailmark.mlperf.packaged_text import print_package

        print_package(found, console())


def check(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where open/, closed/ or network/ are.")
    ],
    *,
    json: Json = False,
) -> None:
    """Hold a submission's directory against MLPerf's rules."""
    from tailmark.mlperf.check.text import document, print_findings

    found = tailmark.check_submission(directory)
    if json:
        print_json(document(found))
    else:
        print_findings(found, console())
    if any(one.severity == "error" for one in found):
        raise typer.Exit(1)


def comply(
    experiment: ExperimentFile,
    *,
    settings: Settings = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="test01,test04,load,batch", help="Make these checks alone."),
    ] = None,
    rounds: Annotated[
        int, typer.Option(metavar="5", help="Of each condition, and accuracy passes.")
    ] = 5,
    batch: Annotated[
        int | None,
        typer.Option(metavar="N", help="The largest batch; by default system.batch.max."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where runs go; by default runs/NAME-comply-DATE-TIME."),
    ] = None,
    json: Json = False,
) -> None:
    """Check that answers do not depend on how they are asked for, and that none is cached."""
    plan = tailmark.load_experiment(experiment, settings or ())
    folder = out or new_run(f"{experiment.stem}-comply")
    with progress_bar() as progress:
        found = tailmark.comply(
            plan,
            out=folder,
            only=several(only) or None,
            rounds=rounds,
            batch=batch,
            progress=progress,
        )
    if json:
        print_json(found.to_dict())
    else:
        from tailmark.report.compliance_text import print_compliance

        print_compliance(found, console())
        typer.echo(f"\n{folder}")
    if found.outcome != "pass":
        raise typer.Exit(1)
