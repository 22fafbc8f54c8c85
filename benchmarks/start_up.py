"""How long a start takes: ``import tailmark`` and ``tailmark --help`` beside an empty Python."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

REPETITIONS = 21
HEAVY = ("numpy", "onnxruntime", "scipy", "pyarrow", "pydantic", "PIL", "altair", "rich")
BANNED = {"numpy", "onnxruntime"}


def wall_ms(command: list[str]) -> float:
    """One run, from start to exit."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - begin) * 1e3


def imported(*arguments: str) -> list[str]:
    """Which of the heavy packages a start imports."""
    command = [sys.executable, "-X", "importtime", *arguments]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stderr.splitlines()
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines if "|" in line}
    return [name for name in HEAVY if name in packages]


def script() -> str | None:
    """The installed command, of this interpreter first; None if it does not start."""
    beside = Path(sys.executable).with_name("tailmark")
    found = str(beside) if beside.exists() else shutil.which("tailmark")
    if (
        found is None
        or subprocess.run([found, "--help"], capture_output=True, check=False).returncode
    ):
        return None
    return found


def main() -> None:
    """Measure and print."""
    python = sys.executable
    commands = {
        "python -c pass": [python, "-c", "pass"],
        "python -c 'import tailmark'": [python, "-c", "import tailmark"],
    }
    goals_ms = {"python -c 'import tailmark'": 150, "tailmark --help": 300}
    heavy = {"python -c 'import tailmark'": imported("-c", "import tailmark")}
    command = script()
    if command is not None:
        commands["tailmark --help"] = [command, "--help"]
        heavy["tailmark --help"] = imported(command, "--help")
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(REPETITIONS + 1):
        for name, one in commands.items():
            took = wall_ms(one)
            if turn:  # the first fills the caches
                spent[name].append(took)
    least = median(spent["python -c pass"])
    print(f"milliseconds from start to exit; medians of {REPETITIONS}, in turn\n")
    print(f"{'':<32}{'median':>8}{'lowest':>8}{'highest':>9}{'ratio':>8}   goal")
    for name, found in spent.items():
        took = median(found)
        goal = goals_ms.get(name)
        said = "" if goal is None else f"< {goal} ms: {'met' if took < goal else 'NOT met'}"
        span = f"{min(found):>8.0f}{max(found):>9.0f}"
        print(f"{name:<32}{took:>8.0f}{span}{took / least:>7.1f}×   {said}")
    if command is None:
        print("tailmark --help                 not measured: the command is missing or fails")
    print()
    for name, packages in heavy.items():
        print(f"{name} imports {', '.join(packages) or 'no heavy package'}")
    clean = not BANNED & set(heavy["python -c 'import tailmark'"])
    print(f"goal: the import loads neither numpy nor onnxruntime: {'met' if clean else 'NOT met'}")


if __name__ == "__main__":
    main()
