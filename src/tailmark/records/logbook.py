"""A run in the making: its rounds as they come, and a ``run.json`` that stays true of them."""

import signal
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from tailmark.errors import StoreError
from tailmark.records.catalogue import Catalogue
from tailmark.records.model import Manifest, References, Round, Status
from tailmark.records.store import RunWriter, count_rounds, open_run

_MAY_CHANGE = ("rounds", "quality", "require")
"""Settings that may differ when a run is gone on with: they change nothing that was measured."""

_RESTLESS = ("processor.mhz",)
"""What an environment shows differently each time it is looked at."""


class Logbook:
    """Keeps a run while it is measured; ``stopping`` is set to what the manifest shall say of it.

    Args:
        writer: Where to.
        manifest: What is known before anything is measured.
        columns: Of the outputs.
        ragged: Which of them differ in length from answer to answer.
    """

    def __init__(
        self,
        writer: RunWriter,
        manifest: Manifest,
        columns: tuple[str, ...],
        ragged: Collection[str] = (),
    ) -> None:
        self._writer = writer
        self._manifest = manifest
        self._counts: Counter[str] = Counter()
        self._anomalies: Counter[str] = Counter()
        self.rounds = 0
        self.outputs = Catalogue(columns, {}, ragged)
        self.stopping: Mapping[str, Any] | None = None
        self._begun = False
        self._earlier = writer.earlier()
        if self._earlier is not None:
            self._take_up(self._earlier, columns, ragged)

    def _take_up(
        self, earlier: Manifest, columns: tuple[str, ...], ragged: Collection[str]
    ) -> None:
        """Go on where the finished rounds end.

        Raises:
            StoreError: It is a run of another experiment; what differs is named.
        """
        path, fresh = str(self._writer.path), self._manifest
        differ = differences(earlier.experiment, fresh.experiment, ignore=_MAY_CHANGE)
        differ += [f"the {name}" for name in differences(earlier.hashes, fresh.hashes)]
        if earlier.tailmark != fresh.tailmark:
            differ.append(f"tailmark's version ({earlier.tailmark})")
        if differ:
            raise StoreError(
                f"{path!r} is a run of another experiment (what differs: {', '.join(differ)}): put "
                "it back to resume, or give another --out"
            )
        before, asked = earlier.rounds_asked or 0, fresh.rounds_asked or 0
        was = "was begun for"
        if earlier.experiment["rounds"] != before:  # a rule may have stopped it long before
            before, was = count_rounds(self._writer.path), "holds"
        if before > asked:
            raise StoreError(
                f"{path!r} {was} {before} rounds and {asked} are asked for: ask for as many or more"
            )
        elsewhere = differences(earlier.environment, fresh.environment, ignore=("git",))
        moved = [name for name in elsewhere if name not in _RESTLESS]
        said = (
            f"gone on with from round {count_rounds(self._writer.path)} in another environment "
            f"(what differs: {', '.join(moved)}): the rounds before and after may not compare"
        )
        self._manifest = replace(
            earlier,
            experiment=fresh.experiment,
            warnings=(*earlier.warnings, said) if moved else earlier.warnings,
        )
        self._anomalies.update({str(a["what"]): int(a["count"]) for a in earlier.anomalies})
        if count_rounds(self._writer.path):
            run = open_run(self._writer.path)
            for one in run.rounds():
                self._count(one)
            self.outputs = Catalogue(columns, run.outputs, ragged)

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to measure."""
        if self._earlier is None or self._earlier.status != "complete":
            return False
        asked = self._manifest.experiment["rounds"]
        if isinstance(asked, Mapping):
            return bool(self._earlier.experiment["rounds"] == asked)
        return bool(self.rounds >= asked)

    @property
    def inferences(self) -> int:
        """Queries in the finished rounds."""
        return self._counts.total()

    def begin(self, references: References, warnings: Iterable[str], **known: Any) -> None:
        """Write down what is known before the first round; a run gone on with keeps its own.

        Args:
            references: The samples.
            warnings: Sentences for the reader.
            known: Further fields of the manifest.
        """
        self._begun = True
        said = tuple(dict.fromkeys([*self._manifest.warnings, *warnings]))
        self._manifest = replace(self._manifest, warnings=said)
        if self._earlier is None:
            self._manifest = replace(self._manifest, **known)
            self._writer.begin(self._manifest, references)
        else:
            self._writer.update(replace(self._manifest, status="partial"))

    def remark(self, sentences: Iterable[str]) -> None:
        """Tell the reader what came to light on the way, each thing once."""
        said = tuple(dict.fromkeys([*self._manifest.warnings, *sentences]))
        if said != self._manifest.warnings:
            self._manifest = replace(self._manifest, warnings=said)
            self._writer.update(warnings=said)

    def report(self, what: Mapping[str, Any]) -> None:
        """Keep what another harness said of the round just added."""
        said = (*self._manifest.reported, what)
        self._manifest = replace(self._manifest, reported=said)
        self._writer.update(reported=said)

    def add(self, one: Round, failures: Mapping[str, int]) -> None:
        """Write a finished round.

        Args:
            one: The round.
            failures: Why queries have no answer, and how many.

        Raises:
            StoreError: It cannot be written; the earlier rounds stand.
        """
        with _interrupted_after():
            new = self.outputs.take_new()
            self._writer.append(one, new)
            self._anomalies.update(failures)
            self._count(one)

    def _count(self, one: Round) -> None:
        self.rounds += 1
        for status in Status:
            self._counts[status.name] += int(np.count_nonzero(one.status == status))

    @property
    def first_cause(self) -> str | None:
        """The commonest failure so far, if not one query was answered."""
        if self._counts["ok"] or not self._anomalies:
            return None
        cause, times = self._anomalies.most_common(1)[0]
        return f"{times} of {self._counts.total()} with: {cause}"

    def end(self, status: str, warning: str | None = None) -> None:
        """Say how the run ended; where nothing was begun there is nothing to say."""
        if not self._begun:
            return
        said = [warning] if warning else []
        unanswered = self._counts.total() - self._counts["ok"]
        if unanswered:
            causes = [f"; most often ({n}): {what}" for what, n in self._anomalies.most_common(1)]
            said.append(
                f"{unanswered} of {self._counts.total()} queries have no answer{''.join(causes)}"
            )
        self._writer.update(
            status=status,
            counts={s.name: self._counts[s.name] for s in Status},
            anomalies=tuple({"what": w, "count": n} for w, n in self._anomalies.most_common()),
            ending=tuple(said),
            stopping=self.stopping,
        )


@contextmanager
def _interrupted_after() -> Iterator[None]:
    """Let Ctrl-C wait, so that a round is both on the disk and counted, or neither."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    pressed: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], ignore: Iterable[str] = ()
) -> list[str]:
    """Dotted names of the settings in which two nested mappings differ, sorted."""
    skip = set(ignore)
    found = []
    for key in old.keys() | new.keys():
        if key in skip:
            continue
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += [f"{key}.{name}" for name in differences(a, b)]
        elif a != b:
            found.append(str(key))
    return sorted(found)
