"""A run's environment and model in MLPerf's fields; what nobody recorded is honestly ``N/A``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from tailmark.mlperf import rules
from tailmark.records.model import Run

UNKNOWN = "N/A"
_ACCELERATOR = "accelerator"


@dataclass(frozen=True, kw_only=True)
class Described:
    """Fields, and which of them somebody who knows has to fill in.

    Args:
        fields: All that are required.
        unknown: Those that nobody recorded.
    """

    fields: Mapping[str, Any]
    unknown: tuple[str, ...]


def describe_system(
    run: Run, given: Mapping[str, Any], own: Mapping[str, Any], loadgen: str
) -> Described:
    """``systems/{system}.json``.

    Args:
        run: Whose environment.
        given: What follows from the submission: division, submitter, status, suite, name.
        own: What the submitter says; it wins.
        loadgen: LoadGen's version.
    """
    known = {**_recorded(run, loadgen), **given}
    without = _on_processor(run)
    fields = {name: known.get(name, UNKNOWN) for name in rules.SYSTEM_FIELDS}
    if without:
        fields["accelerators_per_node"] = "0"  # the number 0 would count as empty
    unknown = tuple(
        name
        for name in rules.SYSTEM_FIELDS
        if fields[name] == UNKNOWN
        and name not in own
        and name not in rules.MAY_BE_EMPTY
        and not (without and name.startswith(_ACCELERATOR))
    )
    return Described(fields={**fields, **own}, unknown=unknown)


def _recorded(run: Run, loadgen: str) -> dict[str, Any]:
    environment = run.manifest.environment
    processor, system = _mapping(environment, "processor"), _mapping(environment, "os")
    python, packages = _mapping(environment, "python"), _mapping(environment, "packages")
    memory, mhz = environment.get("memory_bytes"), processor.get("mhz")
    said = {
        "system_name": default_name(run),
        "number_of_nodes": 1,
        "host_processor_model_name": processor.get("model"),
        "host_processor_core_count": f"{processor['cores']} logical"
        if processor.get("cores")
        else None,
        "host_processor_frequency": f"{mhz:.0f} MHz when measured" if mhz else None,
        "host_memory_capacity": f"{memory / 2**30:.0f} GiB" if memory else None,
        "framework": _framework(run),
        "operating_system": _joined(" ", (system.get(k) for k in ("system", "release", "machine"))),
        "other_software_stack": _joined(
            ", ",
            (
                f"Python {python['version']}" if python.get("version") else None,
                f"LoadGen {loadgen}" if loadgen else None,
                *(f"{name} {number}" for name, number in packages.items()),
            ),
        ),
        "sw_notes": f"measured by tailmark {run.manifest.tailmark}",
    }
    return {name: value for name, value in said.items() if value}


def default_name(run: Run) -> str:
    """The processor and its cores."""
    processor = _mapping(run.manifest.environment, "processor")
    model, cores = processor.get("model") or "unknown processor", processor.get("cores")
    return f"{model}, {cores} cores" if cores else str(model)


def _framework(run: Run) -> str:
    system = run.manifest.system
    return _joined(" ", (system.get("kind"), system.get("version")))


def _on_processor(run: Run) -> bool:
    return str(run.manifest.system.get("device", "")).upper() == "CPU"


def describe_model(run: Run, own: Mapping[str, Any]) -> Described:
    """``measurements.json``.

    Args:
        run: Whose model.
        own: What the submitter says; it wins.
    """
    inputs = _mapping(run.manifest.system, "inputs")
    types = sorted({str(text).partition(" ")[0] for text in inputs.values()})
    model = _mapping(run.manifest.experiment, "system").get("model")
    said = {
        "input_data_types": ", ".join(types),
        "starting_weights_filename": file_name(model) if isinstance(model, str) else "",
    }
    fields = {name: said.get(name) or UNKNOWN for name in rules.MEASUREMENT_FIELDS}
    unknown = tuple(n for n in fields if fields[n] == UNKNOWN and n not in own)
    return Described(fields={**fields, **own}, unknown=unknown)


def file_name(path: str) -> str:
    """The last part of a path of any system."""
    return PureWindowsPath(PurePosixPath(path).name).name


def _mapping(held: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = held.get(name)
    return value if isinstance(value, Mapping) else {}


def _joined(between: str, parts: Any) -> str:
    return between.join(str(part) for part in parts if part)
