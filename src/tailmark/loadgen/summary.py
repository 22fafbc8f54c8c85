"""``mlperf_log_summary.txt``: what LoadGen found, for people to read."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tailmark.loadgen.reading import text_lines

SCENARIOS = {
    "singlestream": "single-stream",
    "multistream": "multi-stream",
    "multistreamfree": "multi-stream",
    "server": "server",
    "offline": "offline",
}
"""What the scenarios are called here, by LoadGen's names without spaces."""

Number = int | float

_LATENCY = re.compile(
    r"(Min|Max|Mean|[\d.]{1,9} percentile)\s+"
    r"(?:(first token) )?(?:(time (?:per|to) output token)|latency) \(ns\)",
    re.IGNORECASE,
)
_EARLY = re.compile(r"\* Early stopping ([\d.]{1,9})th percentile estimate: (\d{1,18})")
_COUNTED = re.compile(r"(No|\d{1,18}) (warning|error)s? encountered", re.IGNORECASE)
_RESULT = "Result is"
_YES, _NO = "yes", "no"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a summary says; an accuracy test's says next to nothing.

    Args:
        sut: The system's name.
        scenario: ``single-stream``, ``multi-stream``, ``server`` or ``offline``; None if not said.
        mode: As LoadGen names it: ``PerformanceOnly``; old versions say ``Performance``.
        valid: Whether the result is; None if not said.
        constraints: Each that was checked, by LoadGen's words: ``Min duration satisfied``.
        metric: The lines above the verdict, by name.
        statistics: Latencies in ns: ``min``, ``max``, ``mean``, ``p50``, ``p99.9``; likewise with
            ``first_token_`` and ``per_token_`` before. Of queries in multi-stream, else of samples.
        rates: The other figures, by name: ``QPS w/ loadgen overhead``.
        early_stopping_ns: The estimates, by percentile: ``p90``.
        parameters: The settings, by name.
        warnings: How many were encountered; None if not said.
        errors: Likewise.
        unread: Lines that are neither of these nor known text.
    """

    sut: str | None = None
    scenario: str | None = None
    mode: str | None = None
    valid: bool | None = None
    constraints: Mapping[str, bool] = field(default_factory=dict)
    metric: Mapping[str, Number] = field(default_factory=dict)
    statistics: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, Number] = field(default_factory=dict)
    early_stopping_ns: Mapping[str, int] = field(default_factory=dict)
    parameters: Mapping[str, str | Number | bool] = field(default_factory=dict)
    warnings: int | None = None
    errors: int | None = None
    unread: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what a run keeps as reported."""
        held = asdict(self)
        del held["unread"]
        return held


def scenario_named(text: object) -> str | None:
    """Our name of a scenario as LoadGen writes it; None where it is none."""
    return SCENARIOS.get(str(text).lower().replace(" ", "").replace("_", ""))


def read_summary(path: str | Path) -> Summary:
    """Read a summary of any version; a line that cannot be read costs that line.

    Raises:
        InputError: The file cannot be read.
    """
    page = _Page()
    for line in text_lines(Path(path)):
        page.take(line.strip())
    return page.summary()


class _Page:
    """A summary in the making: which lines mean what depends on the heading above them."""

    def __init__(self) -> None:
        self.heading = ""
        self.said: dict[str, str] = {}
        self.valid: bool | None = None
        self.constraints: dict[str, bool] = {}
        self.metric: dict[str, Number] = {}
        self.statistics: dict[str, int] = {}
        self.rates: dict[str, Number] = {}
        self.early: dict[str, int] = {}
        self.parameters: dict[str, str | Number | bool] = {}
        self.counted: dict[str, int] = {}
        self.advice = False
        self.unread = 0

    def take(self, line: str) -> None:
        """Read the next line."""
        if not line or not line.strip("="):
            return
        if line in ("MLPerf Results Summary", "Additional Stats", "Test Parameters Used"):
            self.heading, self.advice = line, False
        elif found := _COUNTED.match(line):
            self.counted[found[2].lower()] = 0 if found[1].lower() == "no" else int(found[1])
        elif found := _EARLY.match(line):
            self.early[_percentile(found[1])] = int(found[2])
        elif not self._take_pair(line) and not self.advice:
            self.unread += 1

    def _take_pair(self, line: str) -> bool:
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or name.startswith("*"):
            return False
        if self.heading == "Test Parameters Used":
            # "print_timestamps : 0" is a truth, and nothing says so
            number = _number(value)
            self.parameters[name] = (
                value == "true"
                if value in ("true", "false")
                else (value if number is None else number)
            )
            return True
        if self.heading == "Additional Stats":
            return self._take_figure(name, value)
        if not value:  # "Recommendations:", "Early Stopping Result:" and what follows
            self.advice = True
            return True
        return self._take_result(name, value)

    def _take_figure(self, name: str, value: str) -> bool:
        number = _number(value)
        found = _LATENCY.fullmatch(name)
        if found and isinstance(number, int):
            self.statistics[_statistic(found)] = number
        elif number is not None and not found:
            self.rates[name] = number
        return not value or number is not None

    def _take_result(self, name: str, value: str) -> bool:
        if name in ("SUT name", "Scenario", "Mode"):
            self.said[name] = value
        elif name == _RESULT:
            self.valid = {"VALID": True, "INVALID": False}.get(value)
        elif value.lower() in (_YES, _NO):
            self.constraints[name] = value.lower() == _YES
        elif (number := _number(value)) is not None and self.valid is None:
            self.metric[name] = number
        else:
            return False
        return True

    def summary(self) -> Summary:
        """What was read."""
        return Summary(
            sut=self.said.get("SUT name"),
            scenario=scenario_named(self.said.get("Scenario")),
            mode=self.said.get("Mode"),
            valid=self.valid,
            constraints=self.constraints,
            metric=self.metric,
            statistics=self.statistics,
            rates=self.rates,
            early_stopping_ns=self.early,
            parameters=self.parameters,
            warnings=self.counted.get("warning"),
            errors=self.counted.get("error"),
            unread=self.unread,
        )


def _statistic(found: re.Match[str]) -> str:
    """``90.00 percentile latency (ns)`` in short: ``p90``."""
    which = found[1].lower()
    name = which if which in ("min", "max", "mean") else _percentile(which.split()[0])
    return ("per_token_" if found[3] else "first_token_" if found[2] else "") + name


def _percentile(text: str) -> str:
    """``90.00`` in short: ``p90``."""
    return "p" + (text.rstrip("0").rstrip(".") if "." in text else text)


def _number(text: str) -> Number | None:
    """A number as LoadGen writes it; None where it is none, or no finite one."""
    if re.fullmatch(r"-?\d{1,20}", text):
        return int(text)
    if re.fullmatch(r"-?\d{1,20}(?:\.\d{0,20})?(?:e[+-]?\d{1,2})?", text):
        return float(text)
    return None
