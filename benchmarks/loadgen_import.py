"""Importing LoadGen's logs: a trace of a million queries, beside ``json.loads`` line by line."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUERIES = 1_000_000
ANSWERS = 50_000
GOAL_S = 10.0
GOAL_RATIO = 5.0
_BLOCK = 10_000

_LINES = (
    '{{"name":"Waiting","ph":"X","pid":9,"tid":9,"ts":{due},"dur":0.284,"args":{{}}}},\n'
    '{{"name":"Sample","cat":"default","ph":"b","pid":9,"id":{k},"ts":{due},"args":'
    '{{"sample_seq":{k},"query_seq":{k},"sample_idx":{index},"issue_start_ns":0,'
    '"complete_ns":{took}}}}},\n'
    '{{"name":"Sample","cat":"default","ph":"e", "pid":9,"id":{k},"ts":{done}}},\n'
    '{{"name":"QuerySamplesComplete","ph":"X","pid":9,"tid":9,"ts":{done},"dur":2.4,"args":{{}}}},\n'
    '{{"name":"IssueQuery","ph":"X","pid":9,"tid":9,"ts":{due},"dur":6757.3,"args":{{}}}},\n'
    '{{"name":"SampleLoop","ph":"X","pid":9,"tid":9,"ts":{due},"dur":6757.9,"args":{{}}}},\n'
)
"""What LoadGen writes of a query in a single stream."""


def write_trace(path: Path, queries: int) -> None:
    """A trace as LoadGen writes it."""
    due = 426_048_865
    with path.open("w", encoding="ascii") as file:
        file.write('{"traceEvents":[\n')
        for start in range(0, queries, _BLOCK):
            text = []
            for k in range(start, min(start + _BLOCK, queries)):
                took = 6_000_000 + k * 7919 % 2_000_000
                text.append(
                    _LINES.format(
                        k=k, index=k * 31 % 50_000, took=took, due=_us(due), done=_us(due + took)
                    )
                )
                due += took + 3_000
            file.write("".join(text))
        file.write('{"name":"LastTrace"}\n],\n"displayTimeUnit":"ns"\n}\n')


def _us(ns: int) -> str:
    return f"{ns // 1000}.{ns % 1000:03d}"


def write_accuracy(path: Path, answers: int) -> None:
    """An accuracy log as LoadGen writes it."""
    entries = (
        f'\n{{ "seq_id" : {k}, "qsl_idx" : {k * 31 % answers}, "data" : "{k % 1000:08X}" }}'
        for k in range(answers)
    )
    path.write_text("[" + ",".join(entries) + "\n]\n", encoding="ascii")


def line_by_line(path: Path) -> int:
    """What a reader does who parses every line by itself, as broken traces ask for."""
    found = 0
    with path.open("rb") as file:
        for line in file:
            try:
                event = json.loads(line.rstrip(b",\n"))
            except ValueError:
                continue
            found += event.get("name") == "Sample" and event.get("ph") == "b"
    return found


def worker(what: str, path: Path, out: str) -> None:
    """One task in a process of its own: its seconds, and the memory it took beyond its imports."""
    from tailmark.importers.loadgen import import_loadgen
    from tailmark.loadgen.logs import read_accuracy, read_trace

    tasks = {
        "json": lambda: line_by_line(path),
        "trace": lambda: len(read_trace(path)),
        "accuracy": lambda: len(read_accuracy(path)),
        "import": lambda: len(import_loadgen(path, out=out).stored[0]),
    }
    before = _peak_mb()
    begin, used = time.perf_counter(), time.process_time()
    found = tasks[what]()
    spent = time.perf_counter() - begin, time.process_time() - used
    print(*spent, _peak_mb() - before, found)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(what: str, path: Path, out: Path) -> tuple[float, float, float, int]:
    """Seconds, those of the processor, MB and rows of one task."""
    words = [sys.executable, __file__, what, str(path), str(out)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    seconds, used, memory, found = done.stdout.split()
    return float(seconds), float(used), float(memory), int(found)


def main() -> None:
    """Measure and print."""
    queries = int(sys.argv[1]) if len(sys.argv) > 1 else QUERIES
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "logs"
        logs.mkdir()
        trace = logs / "mlperf_log_trace.json"
        write_trace(trace, queries)
        accuracy = Path(folder) / "mlperf_log_accuracy.json"
        write_accuracy(accuracy, ANSWERS)
        print(f"a trace of {queries:,} queries, {trace.stat().st_size / 1e6:,.0f} MB")
        tasks = {
            "json": ("json.loads, line by line", trace),
            "trace": ("read_trace", trace),
            "import": ("import_loadgen, to the run on disk", logs),
            "accuracy": (f"read_accuracy, {ANSWERS:,} answers", accuracy),
        }
        spent = {}
        for name, (title, path) in tasks.items():
            seconds, spent[name], memory, found = measured(name, path, Path(folder) / "run")
            print(
                f"{title:36} {seconds:8.2f} s ({spent[name]:6.2f} s of the processor) "
                f"{memory:6,.0f} MB {found:10,} rows"
            )
    ratio = spent["json"] / spent["trace"]
    met = "met" if ratio >= GOAL_RATIO else "NOT met"
    print(f"read_trace takes 1/{ratio:.1f} of the processor (goal ≤ 1/{GOAL_RATIO:g}: {met})")
    met = "met" if spent["import"] <= GOAL_S else "NOT met"
    print(f"an import takes {spent['import']:.1f} s of it (goal ≤ {GOAL_S:g} s: {met})")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        worker(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    else:
        main()
