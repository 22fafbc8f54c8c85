"""Which answers flip between environments: the real models of the examples, each image once.

Times play no part here, so every environment is only asked; `tailmark diff` on the same files
measures them too. Needs the example data (``TAILMARK_DATA``) and the extras that the files name; an
environment that lacks one is a row with its reason.
"""

import argparse
import copy
import tempfile
from pathlib import Path

from tailmark.differential_file import plan_differential
from tailmark.experiment_file import read_document
from tailmark.report.differential_sentences import attribution_sentences
from tailmark.report.differential_text import error_words
from tailmark.study.differential import differential

EXAMPLES = Path(__file__).parents[1] / "examples" / "environments"
MODELS = ("mobilenet_v2", "squeezenet", "mobilenet_v1")


def tell(name: str) -> None:
    """Ask one model's environments, and print what flips."""
    document = copy.deepcopy(read_document(EXAMPLES / f"{name}.yaml"))
    for one in document["environments"]:
        one["answers_only"] = True
    with tempfile.TemporaryDirectory() as folder:
        found = differential(plan_differential(document, EXAMPLES), out=Path(folder) / "diff")
    print(f"\n{name}: {found.samples} images, against {found.baseline}; errors to {found.oracle}")
    print(
        f"{'':22}{'top-1':>7}{'flips':>7}{'fixed':>7}{'broken':>7}{'both wrong':>11}{'error':>9}"
        "  precision"
    )
    for cell in found.measured:
        pair, oracle = (found.pair(other, cell.name) for other in (found.baseline, found.oracle))
        counts = pair.counts if pair is not None else {}
        ideal = cell.summary.ideal.value if cell.summary and cell.summary.ideal else None
        print(
            f"{cell.name:22}{100 * (ideal or 0):6.1f}%{len(pair.flips) if pair else 0:7}"
            f"{counts.get('fix', 0):7}{counts.get('break', 0):7}{counts.get('both_wrong', 0):11}"
            f"{error_words(oracle) if oracle else '–':>9}  {cell.system.get('precision', '–')}"
        )
    for cell in found.failed:
        print(f"{cell.name:22}failed: {cell.environment.error}")
    for sentence in attribution_sentences(found):
        print(f"  {sentence}")


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS, help=", ".join(MODELS))
    for name in parser.parse_args().models:
        tell(name)


if __name__ == "__main__":
    main()
