"""The log of a performance run: what was asked of LoadGen, and how it ended."""

import re
from pathlib import Path

from tailmark.mlperf import rules
from tailmark.mlperf.check.findings import Notes, shown
from tailmark.mlperf.check.reading import Log, UnreadableError, read_log, read_text
from tailmark.mlperf.check.tree import Result, expect_file
from tailmark.units import format_duration

_AGAIN = "measure again with the genuine LoadGen"
_MODES = ("PerformanceOnly", "SubmissionRun")
_SAMPLES_PER_QUERY = 8
_TOLD_VALIDITY = re.compile(r"^Result is\s*:\s*(\w+)", re.MULTILINE)
_TOLD_SCENARIO = re.compile(r"^Scenario\s*:\s*(\w+)", re.MULTILINE)
_OPEN = "; the rules ask nothing here of the open division, but the official checker does"


def check_performance(result: Result, notes: Notes) -> None:
    """Hold the performance run of a result against the rules."""
    log = open_logs(result, ("performance", "run_1"), notes)
    if log is not None:
        check_log(result, log, notes)


def open_logs(result: Result, folder: tuple[str, ...], notes: Notes) -> Log | None:
    """The detail log of a run, once its summary has been held against it; None if there is none.

    Args:
        result: Whose run.
        folder: Where the logs are in it.
        notes: For what is found.
    """
    summary, detail = (result.path.joinpath(*folder, name) for name in rules.LOGS)
    told = result.file(*folder, summary.name)
    has_summary = expect_file(summary, told, notes, "add what LoadGen wrote")
    file = result.file(*folder, detail.name)
    if not expect_file(detail, file, notes, "add what LoadGen wrote"):
        return None
    try:
        log = read_log(detail, file)
    except UnreadableError as cause:
        notes.error("log-unreadable", file, f"the log {cause}", "LoadGen writes one", _AGAIN)
        return None
    if log.old:
        notes.error(
            "log-old",
            file,
            "the log does not begin as LoadGen's do since version 1.0",
            f"{rules.VERSION} is measured with a version of its own time",
            _AGAIN,
        )
    elif log.unread:
        notes.error(
            "log-broken",
            file,
            f"lines that cannot be read: {log.unread}",
            "each holds one entry",
            "put in the file as LoadGen wrote it",
        )
    if has_summary:
        _agree(log, summary, told, notes)
    return log


def _agree(log: Log, summary: Path, file: str, notes: Notes) -> None:
    """The summary says what the detail log says; an accuracy run's says nothing."""
    try:
        text = read_text(summary)
    except UnreadableError as cause:
        notes.error(
            "log-unreadable", file, f"the file {cause}", "it can be read", "give leave to read it"
        )
        return
    pairs = ((_TOLD_VALIDITY, "result_validity"), (_TOLD_SCENARIO, "effective_scenario"))
    for pattern, key in pairs:
        told, logged = pattern.search(text), log.text(key)
        if logged and (told[1] if told else None) != logged and "result_validity" in log.values:
            notes.error(
                "summary-unlike",
                file,
                f"the summary says {told[1]!r}" if told else "the summary does not say it",
                f"the detail log has {key} {logged!r}",
                "put in both files of one run",
            )


def check_log(result: Result, log: Log, notes: Notes, test: str = "") -> None:
    """Hold a detail log against the rules.

    Args:
        result: Whose log.
        log: The log.
        notes: For what is found.
        test: The compliance test it belongs to, if any.
    """
    check_loadgen(log, notes)
    for family in (_mode, _scenario, _samples, _seeds, _ending, _bound, _queries, _duration):
        family(result, log, notes)
    for family in (_network, _tokens, _score):
        family(result, log, notes)
    _same_sample(log, notes, test)


def check_loadgen(log: Log, notes: Notes) -> None:
    """No errors of its own, and not altered."""
    for message in log.errors[:5]:
        notes.error(
            "loadgen-error",
            log.file,
            f"LoadGen says {shown(message, 200)}",
            "no run with an error counts",
            "mend what it says, and measure again",
        )
    altered = log.text("loadgen_git_status_message").strip()
    if altered:
        notes.error(
            "loadgen-altered",
            log.file,
            f"LoadGen was built from altered files ({shown(altered)})",
            "it is used without alteration",
            "install mlcommons-loadgen, and measure again",
        )


def _need(log: Log, key: str, notes: Notes) -> int | float | None:
    found = log.number(key)
    if found is None and not log.old:
        said = f"{key} is {shown(log.values[key])}" if key in log.values else f"there is no {key}"
        notes.error(
            "log-entry",
            log.file,
            said,
            "LoadGen writes a number there",
            "put in the whole log, as LoadGen wrote it",
        )
    return found


def _mode(result: Result, log: Log, notes: Notes) -> None:
    del result
    mode = log.text("effective_test_mode")
    if mode not in _MODES and not log.old:
        notes.error(
            "mode",
            log.file,
            f"the test's mode is {shown(mode)}",
            f"a performance run's is {_MODES[0]}",
            "put in the log of a performance run",
        )


def _scenario(result: Result, log: Log, notes: Notes) -> None:
    logged, folder = log.text("effective_scenario"), result.scenario
    if log.old:
        return  # it has other names for them
    if logged not in rules.SCENARIOS:
        notes.error(
            "scenario",
            log.file,
            f"the scenario is {shown(logged)}",
            f"LoadGen knows {', '.join(rules.SCENARIOS[:-1])}",
            "put in the log as LoadGen wrote it",
        )
        return
    if not folder or logged.lower() == folder.lower():
        return
    if (logged, folder.lower()) == ("Server", "interactive"):
        return
    sources = next((s for f, s in rules.INFERRED.items() if f.lower() == folder.lower()), ())
    if logged in sources and "edge" in result.suite:
        return
    because = " (edge suite only)" if logged in sources else ""
    notes.error(
        "scenario",
        log.file,
        f"the run is {logged}",
        f"the folder says {folder!r}, which is not inferred from it{because}",
        "move it to the folder of its scenario",
    )


def _samples(result: Result, log: Log, notes: Notes) -> None:
    found = _need(log, "effective_performance_sample_count", notes)
    if result.asks and found is not None and found < result.asks.performance_samples:
        least = result.asks.performance_samples
        notes.error(
            "performance-samples",
            log.file,
            f"{found:,} samples were loaded",
            f"{result.official} needs {least:,} or more",
            f"measure again with {least:,} samples or more",
        )


def _seeds(result: Result, log: Log, notes: Notes) -> None:
    del result
    for name, seed in rules.SEEDS.items():
        found = _need(log, f"effective_{name}", notes)
        if found is not None and found != seed:
            notes.error(
                "seed",
                log.file,
                f"{name} is {found}",
                f"that of {rules.VERSION} is {seed}",
                f"set {name} = {seed} in user.conf, and measure again",
            )


def _ending(result: Result, log: Log, notes: Notes) -> None:
    del result
    early = log.text("effective_scenario") in rules.EARLY_STOPPING
    if log.old:
        return  # its verdict is in the summary only
    if early and log.values.get("early_stopping_met") is not True:
        why = " ".join(log.text("early_stopping_result").replace("*", " ").split())
        notes.error(
            "early-stopping",
            log.file,
            f"early stopping was not satisfied{f' ({shown(why, 160)})' if why else ''}",
            "it has to be",
            "send more queries, or a lower rate",
        )
    if log.text("result_validity") != "VALID":
        named = {
            "result_perf_constraints_met": "latency",
            "result_min_duration_met": "duration",
            "result_min_queries_met": "number of queries",
        }
        failed = [word for key, word in named.items() if log.values.get(key) is False]
        notes.error(
            "validity",
            log.file,
            f"LoadGen calls the result {log.text('result_validity') or 'nothing'}"
            f"{f' for its {_listed(failed)}' if failed else ''}",
            "a result has to be VALID",
            "measure again as its summary recommends",
        )


def _listed(words: list[str]) -> str:
    return " and its ".join(words)


def _bound(result: Result, log: Log, notes: Notes) -> None:
    bounds = result.asks.latency_bound_ns if result.asks else {}
    logged = log.text("effective_scenario")
    folder = {s.lower(): s for s in rules.SCENARIOS}.get(result.scenario.lower(), "")
    bound = bounds.get(folder if logged == "Server" else logged) or bounds.get(logged)
    if bound is None:
        return
    found = _need(log, "effective_target_latency_ns", notes)
    if found is not None and found > bound:
        say = notes.warning if result.is_open else notes.error
        say(
            "latency-bound",
            log.file,
            f"the latency bound was {format_duration(found)}",
            f"that of {result.official} is {format_duration(bound)}"
            f"{_OPEN if result.is_open else ''}",
            f"set {folder or logged}.target_latency = {bound / 1e6:g} in user.conf, "
            "and measure again",
        )


def _queries(result: Result, log: Log, notes: Notes) -> None:
    logged = log.text("effective_scenario")
    each = _need(log, "effective_samples_per_query", notes)
    _need(log, "effective_min_query_count", notes)
    if each is None:
        return
    if logged == "MultiStream" and each != _SAMPLES_PER_QUERY:
        say = notes.warning if result.is_open else notes.error
        say(
            "samples-per-query",
            log.file,
            f"a query held {each:,} samples",
            f"MultiStream sends {_SAMPLES_PER_QUERY}",
            "leave samples_per_query out of user.conf, and measure again",
        )
    least = result.asks.offline_samples if result.asks else None
    if logged == "Offline" and least and each < least and not result.is_open:
        notes.error(
            "offline-samples",
            log.file,
            f"the query held {each:,} samples",
            f"{result.official} needs {least:,} or more",
            "set a higher target_qps, or min_query_count, in user.conf, and measure again",
        )


def _duration(result: Result, log: Log, notes: Notes) -> None:
    if result.asks and not result.asks.min_duration:
        return
    found = _need(log, "effective_min_duration_ms", notes)
    if found is not None and found < rules.MIN_DURATION_MS:
        notes.error(
            "min-duration",
            log.file,
            f"the run was to last {format_duration(found * 1e6)} or more",
            f"a run lasts {rules.MIN_DURATION_MS // 1000} s or more",
            f"set min_duration = {rules.MIN_DURATION_MS} in user.conf, and measure again",
        )


def _network(result: Result, log: Log, notes: Notes) -> None:
    name = log.text("sut_name")
    if result.is_network and rules.NETWORK_SUT not in name:
        notes.error(
            "network-sut",
            log.file,
            f"the system under test is called {shown(name)}",
            f"the name of one behind a network contains {rules.NETWORK_SUT!r}",
            "name it so, and measure again",
        )


def _tokens(result: Result, log: Log, notes: Notes) -> None:
    if not result.asks or not result.asks.tokens:
        return
    if log.values.get("requested_use_token_latencies") is not True:
        notes.error(
            "token-latencies",
            log.file,
            "token latencies were not asked for",
            f"{result.official} is a language model",
            "set use_token_latencies = 1 in user.conf, and measure again",
        )
        return
    folder = {s.lower(): s for s in rules.SCENARIOS}.get(result.scenario.lower(), "")
    bound = result.asks.token_bounds.get(folder)
    if bound is None:
        return
    for what, key, most in (
        ("the first token", "result_first_token_99.00_percentile_latency_ns", bound.first_ns),
        ("a further token", "result_time_per_output_token_99.00_percentile_ns", bound.each_ns),
    ):
        found = _need(log, key, notes)
        if found is not None and found >= most:
            say = notes.warning if result.is_open else notes.error
            say(
                "token-bound",
                log.file,
                f"{what} took {format_duration(found)} at the 99th percentile",
                f"{result.official} has less than {format_duration(most)} for it"
                f"{_OPEN if result.is_open else ''}",
                "measure again at a lower rate",
            )


def _score(result: Result, log: Log, notes: Notes) -> None:
    """There is a number to be ranked by; 0 is what early stopping writes where it has none."""
    logged = log.text("effective_scenario")
    key = rules.SCORES.get(logged)
    if logged == "SingleStream" and result.scenario.lower() == "multistream":
        key = rules.SCORES["MultiStream"]
    if key is None:
        return
    found = _need(log, key, notes)
    if found is not None and found <= 0:
        notes.error(
            "score",
            log.file,
            f"{key} is {found}",
            "the result is that number, above zero",
            "send more queries: early stopping says how many it needs",
        )


def _same_sample(log: Log, notes: Notes, test: str) -> None:
    same = log.values.get("effective_performance_issue_same") is True
    if same != (test == "TEST04"):
        notes.error(
            "same-sample",
            log.file,
            f"performance_issue_same is {str(same).lower()}",
            "TEST04 sends the same sample again and again, and no other run does",
            "measure again with the settings of this test",
        )
