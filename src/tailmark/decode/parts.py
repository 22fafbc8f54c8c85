"""A model of several tasks: each reads outputs of its own, by a decoder of its own."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tailmark.decode.base import BadOutputError, Declared, Decode, Decoder
from tailmark.errors import SystemSetupError, nearest
from tailmark.recipes import build
from tailmark.records.catalogue import Answer


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The answer has the columns of every part, in their order.

    Args:
        parts: By name: ``output`` (one of the model's outputs, or a list; the part's name if
            nothing is said), and ``kind`` and settings of a decoder.
        folder: What paths in them are relative to; the experiment's folder.
    """

    parts: dict[str, dict[str, Any]]
    folder: Path = Path()

    def __post_init__(self) -> None:
        """Refuse parts that cannot be read, or whose columns have the same name."""
        if not self.parts:
            raise SystemSetupError(
                "decode.parts is empty: write {NAME: {output: OUTPUT, kind: DECODER}}"
            )
        named = Counter(self.columns)
        twice = next((column for column, times in named.items() if times > 1), None)
        if twice is not None:
            having = [name for name, one in self._decoders.items() if twice in one.columns]
            raise SystemSetupError(
                f"decode.parts {' and '.join(having)} have both the column {twice!r}: give one "
                "another name with its setting column, where it has one"
            )

    @cached_property
    def _decoders(self) -> dict[str, Decoder]:
        return {name: _decoder(name, part, self.folder) for name, part in self.parts.items()}

    @property
    def columns(self) -> tuple[str, ...]:
        """Of every part, in their order."""
        return tuple(column for one in self._decoders.values() for column in one.columns)

    @property
    def ragged(self) -> tuple[str, ...]:
        """Likewise."""
        return tuple(column for one in self._decoders.values() for column in one.ragged)

    def bind(self, raw: Any, declared: Declared) -> tuple[Decode, list[str]]:
        """See `Decoder.bind`.

        Raises:
            SystemSetupError: The model has no such outputs, or a part cannot read its own.
        """
        bound: dict[str, Decode] = {}
        warnings: list[str] = []
        for name, decoder in self._decoders.items():
            try:
                bound[name], found = decoder.bind(self._outputs_of(name, raw), declared)
            except (BadOutputError, SystemSetupError) as cause:
                raise SystemSetupError(f"decode.parts.{name}: {cause}") from cause
            warnings += [f"decode.parts.{name}: {warning}" for warning in found]

        def decode(raw: Any, sample: int) -> Answer:
            answer: Answer = ()
            for name, read in bound.items():
                try:
                    answer += read(self._outputs_of(name, raw), sample)
                except BadOutputError as cause:
                    raise BadOutputError(f"{name}: {cause}") from cause
            return answer

        return decode, warnings

    def _outputs_of(self, name: str, raw: Any) -> Any:
        """What a part reads: one output, or several by name."""
        if not isinstance(raw, Mapping):
            raise BadOutputError("the system has one output without a name, and parts are by name")
        wanted = self.parts[name].get("output", name)
        for one in [wanted] if isinstance(wanted, str) else wanted:
            if one not in raw:
                raise BadOutputError(
                    f"the model has no output {one!r}{nearest(one, raw)}: it has {', '.join(raw)}"
                )
        return raw[wanted] if isinstance(wanted, str) else {one: raw[one] for one in wanted}

    def describe(self) -> dict[str, Any]:
        """Each part's output and settings."""
        described = {
            name: {"output": self.parts[name].get("output", name), **decoder.describe()}
            for name, decoder in self._decoders.items()
        }
        return {"kind": "parts", "parts": described}


def _decoder(name: str, part: Mapping[str, Any], folder: Path) -> Decoder:
    """A part's decoder, checked as one that stands alone."""
    where = f"decode.parts.{name}"
    settings = dict(part)
    output = settings.pop("output", name)
    several = isinstance(output, list | tuple) and output
    if not all(isinstance(one, str) for one in (output if several else [output])):
        raise SystemSetupError(
            f"{where}.output is {output!r}: give the name of an output, or a list of names"
        )
    decoder: Decoder = build("decoders", where, settings, folder, common=("output",))
    return decoder
