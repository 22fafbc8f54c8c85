"""What stands beside the logs of a result: ``measurements.json``, ``user.conf``, ``README.md``."""

from tailmark.mlperf import rules
from tailmark.mlperf.check.findings import Notes, shown
from tailmark.mlperf.check.reading import UnreadableError, read_object
from tailmark.mlperf.check.tree import Result, expect_file

_WHY = {
    "user.conf": "add the LoadGen settings it was measured with",
    "README.md": "say there how to measure it again",
    "measurements.json": f"describe the model there: {', '.join(rules.MEASUREMENT_FIELDS)}",
}


def check_measurements(result: Result, notes: Notes) -> None:
    """Hold the files beside a result's logs against the rules."""
    for name in rules.SCENARIO_FILES:
        expect_file(result.path / name, result.file(name), notes, _WHY[name])
    name = "measurements.json"
    path, file = result.path / name, result.file(name)
    if not expect_file(path, file, notes, _WHY[name]):
        return
    try:
        said = read_object(path)
    except UnreadableError as cause:
        notes.error(
            "file-unreadable", file, f"the file {cause}", "it is one JSON object", _WHY[name]
        )
        return
    for field in rules.MEASUREMENT_FIELDS:
        if not said.get(field):
            notes.error(
                "measurement-field",
                file,
                f"{field!r} is {shown(said[field])}" if field in said else f"there is no {field!r}",
                "it needs a meaningful value",
                "fill it in; 'N/A' where it does not apply",
            )
