"""From one source model to a variant of it, step by step, each made once and kept."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from tailmark.conversion.apart import convert_apart, kind_of
from tailmark.conversion.base import Conversion, Inputs
from tailmark.conversion.kept import default_cache, keep, key_of
from tailmark.errors import ConversionError
from tailmark.system.model_file import content_hash, files_of


@dataclass(frozen=True)
class Made:
    """How one step was made.

    Args:
        step: The conversion's settings.
        tools: The versions of the distributions that did it.
        seconds: What making it took, whenever that was.
        sha256: Of what came out.
        cached: It had been made before.
    """

    step: dict[str, Any]
    tools: dict[str, str]
    seconds: float
    sha256: str
    cached: bool


@dataclass(frozen=True)
class Variant:
    """A model made from a source.

    Args:
        path: Its file; the source's own where there were no steps.
        source_sha256: Of the source and its companions.
        steps: How it was made, in order.
    """

    path: Path
    source_sha256: str
    steps: tuple[Made, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; of the path, the last part."""
        return {
            "model": self.path.name,
            "source_sha256": self.source_sha256,
            "steps": [asdict(made) for made in self.steps],
        }


def make_variant(
    source: Path,
    steps: Sequence[Conversion],
    *,
    inputs: Callable[[int], Inputs],
    cache: Path | None = None,
    timeout_s: float = 1800,
    tell: Callable[[str], object] | None = None,
) -> Variant:
    """Make a variant, or find it made.

    A step is kept by the content of what it is made from, its settings, the versions of its tools
    and the inputs it wants; each is made in a process of its own.

    Args:
        source: The model's file, or a folder that is one.
        steps: Conversions, each of what the one before wrote; none for the source itself.
        inputs: The workload's first ``n`` inputs, or fewer if there are fewer.
        cache: Where made models are kept; `default_cache` if not given.
        timeout_s: How long one step may take.
        tell: Is told what is being made, when it is.

    Raises:
        ConversionError: There is no source; or a step failed, crashed or did not end, and what the
            steps before it made is kept.
    """
    path, files = source, files_of(source)
    if not files:
        raise ConversionError(f"model {str(source)!r} does not exist: give a model's file")
    sha256 = source_sha256 = content_hash(files)
    made = []
    for step in steps:
        described, tools = step.describe(), _versions(step.tools)
        given = inputs(step.wants_inputs) if step.wants_inputs else ()
        kept = keep(
            cache or default_cache(),
            key_of(sha256, described, tools, given),
            _maker(step, path, given, timeout_s, tell),
            {"source_sha256": sha256, "step": described, "tools": tools},
        )
        path, sha256 = kept.folder / step.writes, kept.sha256
        made.append(Made(described, tools, kept.seconds, sha256, kept.cached))
    return Variant(path, source_sha256, tuple(made))


def _maker(
    step: Conversion,
    source: Path,
    inputs: Inputs,
    timeout_s: float,
    tell: Callable[[str], object] | None,
) -> Callable[[Path], float]:
    def make(folder: Path) -> float:
        if tell is not None:
            tell(f"{kind_of(step)} of {source.name}")
        started = time.perf_counter()
        convert_apart(step, source, folder / step.writes, inputs, timeout_s)
        return time.perf_counter() - started

    return make


def _versions(tools: Sequence[str]) -> dict[str, str]:
    """Ours too; what is not installed is left out, and the conversion says what it needs.

    A package may be of a distribution of another name, as that of onnxruntime-gpu is.
    """
    found = {}
    for name in ("tailmark", *tools):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            others = packages_distributions().get(name.replace("-", "_"), ())
            found |= {other: version(other) for other in others}
    return found
