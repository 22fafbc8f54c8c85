"""A packaged submission as a terminal shows it."""

from rich.console import Console
from rich.text import Text

from tailmark.mlperf.check.text import print_findings
from tailmark.mlperf.package import Package
from tailmark.report.tables import prose


def print_package(package: Package, console: Console) -> None:
    """Where it is, what is still to be filled in, and what the check says."""
    what = " and ".join(package.scenarios)
    console.print(
        Text(f"{package.benchmark}, {what}, on {package.system}: {package.path}", style="bold"),
        soft_wrap=True,
    )
    alike: dict[tuple[str, ...], list[str]] = {}
    for file, names in package.to_complete.items():
        alike.setdefault(names, []).append(file)
    for names, files in alike.items():
        where = " and ".join(files)
        told = f"Nobody recorded these fields of {where}; they say N/A: {', '.join(names)}."
        console.print(prose(told, "yellow", console))
    if package.to_complete:
        told = "Fill them in by --system FILE.json and --measurements FILE.json, or by hand."
        console.print(prose(told, "", console))
    console.print()
    print_findings(package.findings, console)
