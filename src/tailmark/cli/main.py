"""``tailmark``: the commands together, and how every one of them ends."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Annotated

import typer

from tailmark.cli.audit import audit
from tailmark.cli.check import check
from tailmark.cli.compare import compare
from tailmark.cli.demo import demo
from tailmark.cli.diff import diff
from tailmark.cli.extremes import extremes
from tailmark.cli.find_peak import find_peak
from tailmark.cli.import_ import csv, imports, loadgen, tail_quality
from tailmark.cli.init import init
from tailmark.cli.mlperf import check as check_mlperf
from tailmark.cli.mlperf import comply, mlperf, package, result
from tailmark.cli.predict import predict
from tailmark.cli.report import report
from tailmark.cli.run import run
from tailmark.cli.shared import grading_told
from tailmark.cli.summarize import summarize
from tailmark.cli.what_if import what_if
from tailmark.errors import MeasurementError, TailmarkError

app = typer.Typer(
    name="tailmark",
    help="Measure what a deep-learning system delivers on time: late counts as wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a requirement failed or undecided, 2 bad input, 3 a partial run.",
)


def _well_ended(command: Callable[..., object]) -> Callable[..., object]:
    """End a command on Ctrl-C as on any error of ours, and quietly when nobody reads on.

    The parser would end both without a word, and the latter as if a requirement had failed.
    """

    @wraps(command)
    def run_command(*given: object, **options: object) -> object:
        try:
            return command(*given, **options)
        except KeyboardInterrupt as stop:
            raise MeasurementError(str(stop) or "interrupted") from stop
        except BrokenPipeError:  # the reader of our output has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit from None

    return run_command


for one in (
    demo,
    init,
    check,
    run,
    summarize,
    predict,
    compare,
    diff,
    extremes,
    what_if,
    find_peak,
    report,
    audit,
):
    app.command()(_well_ended(one))
imports.command()(_well_ended(csv))
imports.command()(_well_ended(loadgen))
imports.command()(_well_ended(tail_quality))
app.add_typer(imports)
mlperf.command()(_well_ended(result))
mlperf.command()(_well_ended(package))
mlperf.command("check")(_well_ended(check_mlperf))
mlperf.command()(_well_ended(comply))
app.add_typer(mlperf)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tailmark {version('tailmark')}")
        raise typer.Exit


@app.callback()
def _common(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del show_version


def main() -> None:
    """Run a command; whatever the user can mend ends in one sentence."""
    try:
        with grading_told():
            code = app(standalone_mode=False)
    except TailmarkError as error:
        code = _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        code = _complain("interrupted", 3)
    except Exception as error:
        # What the parser raises shares only this; anything else is a fault of ours and is shown.
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()  # empty where the help was the answer
        code = _complain(message, 2) if message else 2
    sys.exit(code if isinstance(code, int) else 0)


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(f"tailmark: {' '.join(sentence.split())}\n")
    return code
