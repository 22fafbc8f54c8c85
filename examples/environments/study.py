"""The empirical study: three image-recognition models in many environments, as tables.

    python study.py                    runs what is not there yet, and prints the tables
    python study.py --rounds 3         fewer rounds, for a first look

After DeltaNN (arXiv 2306.06208), which found up to 72 % of labels changed across frameworks. What
differs here, on purpose: every environment has the same checkpoint and the same preprocessing, so
only the environment is left to change anything; rounds are measured by turns; answers are held
against what is right, and against float64 numbers. What also differs, for want of them: MobileNetV1
and SqueezeNet stand for ResNet101 and InceptionV3, and there is one device, the processor this runs
on, where the paper has four.
"""

import argparse
from pathlib import Path

import tailmark
from tailmark.analysis.differential import Differential
from tailmark.analysis.pairs import Pair
from tailmark.records.differential import is_differential
from tailmark.report.differential_sentences import attribution_sentences
from tailmark.report.differential_text import error_words, p_words

HERE = Path(__file__).parent
MODELS = {"MobileNetV2": "mobilenet_v2", "SqueezeNet": "squeezenet", "MobileNetV1": "mobilenet_v1"}


def measured(name: str, out: Path, rounds: int) -> Differential:
    """One model's environments, as they were measured before or now."""
    folder = out / name
    if is_differential(folder):
        found = tailmark.open_differential(folder)
        if found.complete:
            return found
    plan = tailmark.load_differential(HERE / f"{name}.yaml", [f"rounds={rounds}"])
    return tailmark.differential(plan, out=folder, resume=is_differential(folder))


def row(pair: Pair) -> list[str]:
    """The paper's measures, and those it lacks."""
    ratio, counts, rankings = pair.latency_ratio, pair.counts, pair.rankings or {}
    time = "–"
    if ratio is not None and ratio.value is not None:
        time = f"{100 * (ratio.value - 1):+.0f} %"
        if ratio.low is not None and ratio.high is not None:
            time += f" ({100 * (ratio.low - 1):+.0f} to {100 * (ratio.high - 1):+.0f})"
    return [
        pair.b,
        f"{100 * len(pair.flips) / pair.samples:.1f} %",
        str(counts.get("fix", 0)),
        str(counts.get("break", 0)),
        str(counts.get("both_wrong", 0)),
        p_words(pair.p_adjusted),
        *(f"{rankings[name]:.3f}" if name in rankings else "–" for name in ("kendall", "jaccard")),
        error_words(pair),
        time,
    ]


def table(found: Differential) -> str:
    """One model's environments against its baseline, in Markdown."""
    header = [
        f"against {found.baseline}",
        "labels changed",
        "fixed",
        "broken",
        "both wrong",
        "p",
        "Kendall tau@5",
        "Jaccard@5",
        "largest error",
        "time",
    ]
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *map(row, found.against_baseline)]
    lines += [
        [cell.name, f"failed: {cell.environment.error}", *[""] * (len(header) - 2)]
        for cell in found.failed
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("runs") / "study")
    asked = parser.parse_args()
    for title, name in MODELS.items():
        found = measured(name, asked.out, asked.rounds)
        tailmark.write_differential_report(found, found.path / "report.html")
        print(f"\n## {title}: {found.samples} images, {asked.rounds} rounds by turns\n")
        print(table(found))
        for sentence in attribution_sentences(found):
            print(f"\n- {sentence}", end="")
        print()


if __name__ == "__main__":
    main()
