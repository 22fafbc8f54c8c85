"""The pages of a submission that people read."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from tailmark.mlperf import rules
from tailmark.mlperf.describing import file_name
from tailmark.mlperf.measured import Measured


def scenario_page(one: Measured, benchmark: str, accuracy: str) -> str:
    """``README.md`` beside a result's logs."""
    detail = one.detail
    score = rules.SCORES[one.scenario]
    run = one.run.manifest
    hashes = "\n".join(f"- {name}: `{digest}`" for name, digest in run.hashes.items())
    return f"""# {benchmark}, {one.scenario}

Measured by tailmark {run.tailmark}, driven by LoadGen {one.loadgen}.

- {score}: {detail.get(score)}
- LoadGen's verdict: {detail.get("result_validity")}
- accuracy run: {accuracy}
- performance run: round {one.round + 1} of {one.rounds} that were measured
- warm-up before it: {run.experiment.get("warmup", 0)} queries

To measure it again, put the settings of `{_source(benchmark, one.scenario)}` into an
experiment file and run `tailmark run EXPERIMENT.yaml`; `user.conf` is what LoadGen was given.

SHA-256 of what went in:

{hashes}
"""


def source_page() -> str:
    """``src/README.md``."""
    return """# Code

These results were measured by tailmark with `engine: loadgen`, which drives a system by the genuine
LoadGen (`mlcommons-loadgen`). The folders here, one a benchmark, hold what was measured and how:
a file of settings a scenario.
"""


def documentation_page(system: str) -> str:
    """``documentation/README.md``."""
    return f"""# System

`systems/{system}.json` says what was captured when it was measured, and `N/A` of what was not.
"""


def settings_page(one: Measured) -> str:
    """The experiment as JSON, with no folder of the machine in it."""
    settings = {
        "experiment": one.run.manifest.experiment,
        "environment": one.run.manifest.environment,
        "system": one.run.manifest.system,
    }
    return json.dumps(_without_folders(settings), indent=2, ensure_ascii=False) + "\n"


def _source(benchmark: str, scenario: str) -> str:
    return f"src/{benchmark}/{scenario}.json"


def _without_folders(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _without_folders(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folders(v) for v in value]
    if isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith("~")):
        return file_name(value)
    return value
