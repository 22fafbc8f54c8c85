"""Everything needed to measure the same again: plain settings, checked when they are put together.

Knows nothing of files, clocks or how queries are sent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from tailmark import plugins
from tailmark.decode.base import Decoder
from tailmark.decode.classes import Classes
from tailmark.drive.isolated import IsolatedService
from tailmark.drive.loadgen.settings import LoadGen, check_scenario, drawn_by_loadgen
from tailmark.drive.loadgen.worker import Job
from tailmark.drive.service import Timed
from tailmark.errors import InputError, nearest
from tailmark.quality.choose import choose
from tailmark.quality.late import parse_policy
from tailmark.quality.requirement import LatencyRequirement, Requirement, parse_requirement
from tailmark.scenario.base import Order, Scenario, Schedule, order_of
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.single_stream import SingleStream
from tailmark.stopping import Until, at_most
from tailmark.system.base import System
from tailmark.units import format_duration, parse_deadline
from tailmark.workload.base import Workload

_QUALITY = ("metric", "also", "deadlines", "on_late")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A measurement before it is made; its fields are `measure`'s arguments, and ``folder``.

    ``engine`` is None for our own; ``folder`` is where the experiment file is, to record its git
    commit.

    Raises:
        InputError: A setting that cannot be carried out.
    """

    workload: Workload
    system: System
    rounds: int | Until = 100
    scenario: Scenario = field(default_factory=SingleStream)
    decode: Decoder = field(default_factory=Classes)
    quality: Mapping[str, Any] = field(default_factory=dict)
    require: Mapping[str, Any] | None = None
    warmup: int = 50
    timed: Timed = "inference"
    order: Order | None = None
    seed: int = 0
    timeout_ns: int = 10**10
    isolate: bool = False
    queueing: Queueing = field(default_factory=Queueing)
    engine: LoadGen | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out before an hour is spent on it."""
        counts = (("rounds", self.at_most, 1), ("warmup", self.warmup, 0), ("seed", self.seed, 0))
        for name, given, least in counts:
            if given < least:
                raise InputError(f"{name} is {given}: give {least} or more")
        for name, kind in (("timed", Timed), ("order", Order)):
            known = get_args(kind)
            chosen = getattr(self, name)
            if chosen is not None and chosen not in known:
                close = nearest(str(chosen), known)
                raise InputError(f"{name} is {chosen!r}{close}: {' or '.join(known)}")
        order_of(self.scenario, self.order)
        if self.timeout_ns <= 0:
            raise InputError(
                f"timeout is {format_duration(self.timeout_ns)}: give more than zero, such as 10s"
            )
        _check_quality(self.quality, self.folder or Path())
        lent = self.quality.get("on_late") == "fallback"
        if lent and isinstance(self.rounds, Until) and self.rounds.rule.grades:
            raise InputError(
                "rounds cannot wait for a quality under on_late 'fallback', which needs another "
                "run: measure with on_late: fail, and summarize with --on-late fallback"
            )
        if self.require is not None:
            parse_requirement(self.require)
        if isinstance(self.rounds, Until):
            self.rounds.check_requirement(bool(self.require))
        if self.engine is not None:
            self._check_engine()

    def _check_engine(self) -> None:
        """Refuse what LoadGen does not do."""
        check_scenario(self.scenario, self.sample_order)
        if self.isolate:
            raise InputError(
                "isolate: true is not LoadGen's, which runs the system in a process of its own and "
                "goes on with no other: leave isolate out, or use engine: tailmark"
            )
        if self.queueing.when_busy != "queue":
            raise InputError(
                f"system.when_busy is {self.queueing.when_busy!r} and LoadGen's queries wait their "
                "turn: leave when_busy out, or use engine: tailmark"
            )

    @property
    def sample_order(self) -> Order:
        """How samples are chosen: as asked, or as the scenario must have it."""
        return order_of(self.scenario, self.order)

    @property
    def at_most(self) -> int:
        """The most rounds it may take."""
        return at_most(self.rounds)

    def check_references(self, there: bool) -> None:
        """Refuse what waits for a quality, or requires one, where nobody knows what is right.

        Raises:
            InputError: So it is.
        """
        if isinstance(self.rounds, Until):
            self.rounds.check_references(there)
        required = parse_requirement(self.require) if self.require else ()
        if not there and any(isinstance(one, Requirement) for one in required):
            raise InputError(
                "require is about quality, and the workload has no references: give them, or "
                "require a latency, such as {latency: 'p99 <= 15ms'}"
            )

    def schedule(self, samples: int, index: int) -> Schedule:
        """What is sent in round ``index``, and when.

        Raises:
            InputError: The scenario does not fit the workload, or the way that queries wait.
        """
        made = self.scenario.schedule(samples, order=self.sample_order, seed=self.seed, index=index)
        if self.queueing.when_busy != "queue" and (made.due_ns is None or made.patient):
            raise InputError(
                f"system.when_busy is {self.queueing.when_busy!r} and scenario "
                f"{self.scenario.describe().get('kind')!r} waits for every answer: leave when_busy "
                "out, or measure a stream, a server or a replay"
            )
        return made

    def isolated(self) -> IsolatedService:
        """What answers it, in a process of its own; not started yet."""
        return IsolatedService(
            self.workload,
            self.system,
            self.decode,
            self.timed,
            self.timeout_ns,
            self.queueing.batch,
        )

    def job(self) -> Job:
        """What answers it, as LoadGen's processes are told."""
        return Job(
            workload=self.workload,
            system=self.system,
            decoder=self.decode,
            timed=self.timed,
            queueing=self.queueing,
            timeout_ns=self.timeout_ns,
            warmup=self.warmup,
        )

    @property
    def latency_bound(self) -> LatencyRequirement | None:
        """The first requirement of ``require`` that is about latency."""
        required = parse_requirement(self.require) if self.require else ()
        return next((one for one in required if isinstance(one, LatencyRequirement)), None)

    def describe(self) -> dict[str, Any]:
        """As plain data, for ``run.json``."""
        deadlines = self.quality.get("deadlines", ())
        order = drawn_by_loadgen(self.sample_order) if self.engine else self.sample_order
        described = {
            "workload": {**self.workload.describe(), "order": order},
            "system": {
                **self.system.describe(),
                "decode": self.decode.describe(),
                "timeout_ns": self.timeout_ns,
                "isolate": self.isolate,
                **self.queueing.describe(),
            },
            "scenario": self.scenario.describe(),
            "rounds": self.rounds.describe() if isinstance(self.rounds, Until) else self.rounds,
            "engine": self.engine.describe() if self.engine else "tailmark",
            "warmup": self.warmup,
            "timed": self.timed,
            "quality": {
                **self.quality,
                "deadlines": [f"{d}ns" if isinstance(d, int) else str(d) for d in deadlines],
            },
            "require": dict(self.require) if self.require else None,
            "seed": self.seed,
        }
        plain: dict[str, Any] = json.loads(json.dumps(described))
        return plain


def _check_quality(quality: Mapping[str, Any], folder: Path) -> None:
    for key in quality:
        if key not in _QUALITY:
            known = ", ".join(_QUALITY)
            raise InputError(f"quality has no setting {key!r}{nearest(key, _QUALITY)}: {known}")
    with plugins.first_on_path(folder):
        for metric in (quality.get("metric"), *quality.get("also", ())):
            if metric:
                choose(metric, code=True)
    if quality.get("on_late"):
        parse_policy(quality["on_late"])
    for deadline in quality.get("deadlines", ()):
        parse_deadline(deadline)
