"""How queries came and how they were served, in words; of an imported run, what is known of it."""

from collections.abc import Callable, Mapping
from typing import Any

from tailmark.units import format_duration


def load_words(experiment: Mapping[str, Any]) -> str:
    """``"server, 90 queries/s, 2 workers"``: a run's load, as one would say it.

    Args:
        experiment: As the manifest has it.
    """
    return ", ".join([scenario_words(experiment.get("scenario")), *_service(experiment)])


def scenario_words(scenario: Any) -> str:
    """A scenario with the settings that were given."""
    if not isinstance(scenario, Mapping) or "kind" not in scenario:
        return "an unknown scenario"
    kind, rest = str(scenario["kind"]), {k: v for k, v in scenario.items() if v is not None}
    said = [kind, *_WORDS.get(kind, _any)(rest)]
    if rest.get("duration"):
        said.append(f"for {rest['duration']}")
    if rest.get("queries"):
        said.append(f"{rest['queries']:,} queries")
    return ", ".join(said)


def _server(given: Mapping[str, Any]) -> list[str]:
    rate = [f"{given['target_qps']:g} queries/s"] if "target_qps" in given else []
    return rate + (["evenly spaced"] if given.get("arrivals") == "constant" else [])


def _multi_stream(given: Mapping[str, Any]) -> list[str]:
    count = given.get("samples_per_query")
    return [f"{count} samples a query"] if count else []


def _replay(given: Mapping[str, Any]) -> list[str]:
    scale = given.get("scale", 1)
    return [str(given.get("trace", ""))] + ([f"{scale:g} times its rate"] if scale != 1 else [])


def _burst(given: Mapping[str, Any]) -> list[str]:
    rates = f"{given.get('base_qps', 0):g} queries/s and {given.get('burst_qps', 0):g}"
    return [f"{rates} for {given.get('length')} every {given.get('every')}"]


def _ramp(given: Mapping[str, Any]) -> list[str]:
    return [f"{given.get('from_qps', 0):g} to {given.get('to_qps', 0):g} queries/s"]


def _offline(given: Mapping[str, Any]) -> list[str]:
    return [f"{given['samples']:,} samples"] if given.get("samples") else []


def _any(given: Mapping[str, Any]) -> list[str]:
    return [f"{key} {value}" for key, value in given.items() if key not in _SAID_ANYWAY]


_WHEN_BUSY = {"skip": "skipping while busy", "newest": "only the newest served"}

_SAID_ANYWAY = ("kind", "duration", "queries")

_WORDS: dict[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "single-stream": lambda _: [],
    "server": _server,
    "multi-stream": _multi_stream,
    "offline": _offline,
    "replay": _replay,
    "burst": _burst,
    "ramp": _ramp,
    "stream": lambda given: [f"{given['fps']:g} frames/s"] if "fps" in given else [],
}


def _service(experiment: Mapping[str, Any]) -> list[str]:
    """What serves the queue, where it is more than one worker taking one after another."""
    system = experiment.get("system", {})
    workers, batch = system.get("workers", 1), system.get("batch", 1)
    said = [f"{workers} workers"] if workers > 1 else []
    if system.get("when_busy", "queue") != "queue":
        said.append(_WHEN_BUSY.get(system["when_busy"], str(system["when_busy"])))
    if batch > 1:
        wait = system.get("batch_wait_ns", 0)
        said.append(
            f"batches of up to {batch}" + (f" within {format_duration(wait)}" if wait else "")
        )
    if system.get("max_outstanding"):
        said.append(f"at most {system['max_outstanding']} outstanding")
    engine = experiment.get("engine")
    return [*said, "sent by LoadGen"] if isinstance(engine, Mapping) else said
