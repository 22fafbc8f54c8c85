"""Conversions of known behaviour, where another process finds them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.errors import ConversionError


@dataclass(frozen=True, kw_only=True)
class Append:
    """Write the source and some text after it, and note that it did."""

    text: str
    makings: Path
    wants_inputs: int = 0
    tools: tuple[str, ...] = ("numpy", "no-such-distribution")
    writes: str = "model.bin"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Also beside it, how many inputs there were."""
        with self.makings.open("a") as file:
            file.write(self.text)
        print("noise")  # noqa: T201 - converters print
        out.write_text(source.read_text() + self.text)
        out.with_suffix(".count").write_text(str(len(inputs)))

    def describe(self) -> dict[str, Any]:
        """The text."""
        return {"kind": "append", "text": self.text}


@dataclass(frozen=True, kw_only=True)
class Misbehave:
    """Fail in some way."""

    how: str
    tools: tuple[str, ...] = ()
    wants_inputs: int = 0
    writes: str = "model.bin"

    def convert(self, source: Path, out: Path, inputs: Inputs) -> None:
        """Leave half a file behind, too."""
        del source, inputs
        out.with_suffix(".half").write_text("half")
        if self.how == "crashes":
            os.write(2, b"Assertion `a == b' failed\n")
            os.abort()
        if self.how == "raises":
            raise RuntimeError("tensors disagree\nin many lines")
        if self.how == "exits":
            raise SystemExit(3)
        if self.how == "refuses":
            raise ConversionError("model 'x' has none: give another")
        if self.how == "hangs":
            time.sleep(600)

    def describe(self) -> dict[str, Any]:
        """The way."""
        return {"kind": "misbehave", "how": self.how}
