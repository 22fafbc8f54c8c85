"""Train a small model of emotions in dialogues, and write it as one ONNX file.

The model reads raw text. It counts words and pairs of words (TF-IDF) in every utterance of a
dialogue, and a logistic regression weighs those of the utterance itself, of the one before it and
of the one after it. Lower-casing, tokens and weights are all inside the graph, by ONNX Runtime's
operators for strings.

    texts   string, [1, utterances]      one dialogue, in the order of speech
    scores  float, [1, utterances, 7]    the highest is the answer; emotions in alphabetical order

An utterance sent alone, [1, 1], is answered without context, on the test split as well as with it.
Nothing is random: two runs on one machine, with as many threads, give the same file. The
development split chooses how far rare emotions are favoured; the test split is read at the end.

Data: MELD by Poria et al., 2019 (https://doi.org/10.18653/v1/P19-1050), licence GPL-3.0: 9989,
1109 and 2610 utterances of the series Friends, 7 emotions.

Needs: pip install scikit-learn onnx onnxruntime
"""

import argparse
import csv
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

TOKEN = "[a-z'’]+|[!?.<>]"
START, END = "<", ">"  # of an utterance; tokens too, so pairs tell what it begins and ends with
CONTEXT = {"previous": 0.2, "own": 1.0, "next": 0.4}  # how much each counts
BALANCES = (0.5, 0.6, 0.7, 0.8, 0.9)  # 0 weighs every utterance alike, 1 every emotion

HERE = Path(__file__).resolve().parent
SHARED = os.environ.get("TAILMARK_DATA") or HERE.parent / "../../shared/data"
DEFAULT_DATA = Path(SHARED).resolve() / "emotion" / "MELD"

Floats = NDArray[np.floating[Any]]


class Split(NamedTuple):
    """Utterances, dialogue after dialogue; each array is of shape (utterances,)."""

    texts: NDArray[np.object_]
    emotions: NDArray[np.str_]
    dialogues: NDArray[np.int64]


def read(data: Path, name: str) -> Split:
    """Read one split, in the order of speech."""
    with (data / f"{name}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: (int(row["Dialogue_ID"]), int(row["Utterance_ID"])))
    return Split(
        np.array([row["Utterance"] for row in rows], dtype=object),
        np.array([row["Emotion"] for row in rows]),
        np.array([int(row["Dialogue_ID"]) for row in rows]),
    )


def tokens(text: str) -> list[str]:
    """Words and marks of an utterance, exactly as the graph finds them."""
    lower = text.encode().lower().decode()  # of bytes, so only A to Z, as in the locale "C"
    return re.findall(TOKEN, START + lower + END)


def with_context(features: Any, dialogues: NDArray[np.int64]) -> Any:
    """Join each utterance's features with those of its neighbours, 0 beyond a dialogue's ends.

    Args:
        features: Sparse, shape (utterances, terms).
        dialogues: Shape (utterances,).

    Returns:
        Sparse, shape (utterances, 3 · terms): of the previous, the utterance itself, the next.
    """
    count = len(dialogues)
    followed = np.flatnonzero(dialogues[1:] == dialogues[:-1])
    ones = np.ones(len(followed))
    after = sparse.csr_array((ones, (followed, followed + 1)), shape=(count, count))
    seen = {"previous": after.T @ features, "own": features, "next": after @ features}
    return sparse.hstack([weight * seen[name] for name, weight in CONTEXT.items()]).tocsr()


class Model(NamedTuple):
    """What scikit-learn fits, and what the graph is made of."""

    vectorizer: TfidfVectorizer
    classifier: LogisticRegression

    def scores(self, split: Split) -> Floats:
        """Of every utterance for every emotion, by scikit-learn; shape (utterances, 7)."""
        features = self.vectorizer.transform(split.texts)
        scores: Floats = self.classifier.decision_function(with_context(features, split.dialogues))
        return scores


def fit(split: Split, balance: float) -> Model:
    """Fit the model; an emotion counts as ``frequency ** -balance``."""
    vectorizer = TfidfVectorizer(
        tokenizer=tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2)
    )
    features = with_context(vectorizer.fit_transform(split.texts), split.dialogues)
    emotions, counts = np.unique(split.emotions, return_counts=True)
    weights = (counts.mean() / counts) ** balance
    classifier = LogisticRegression(
        C=2,
        class_weight=dict(zip(emotions, weights, strict=True)),
        solver="newton-cg",  # converges within seconds, some five times as fast as the default
    )
    return Model(vectorizer, classifier.fit(features, split.emotions))


def export(model: Model, path: Path) -> None:
    """Write the model as one ONNX file that gives the same scores from raw text."""
    column = model.vectorizer.vocabulary_
    terms = sorted(column, key=lambda term: (len(term.split()), term))  # words, then pairs
    words = sum(" " not in term for term in terms)
    columns = [column[term] for term in terms]
    emotions = len(model.classifier.classes_)
    by_place = model.classifier.coef_.reshape(emotions, len(CONTEXT), -1)[:, :, columns]
    by_place = by_place * np.array([*CONTEXT.values()])[:, None]
    weights = by_place.transpose(2, 1, 0).reshape(len(terms), -1)
    constants: dict[str, Any] = {
        "weights": weights.astype(np.float32),
        "bias": model.classifier.intercept_.astype(np.float32),
        "start": np.array([START], dtype=object),
        "end": np.array([END], dtype=object),
        "first": np.array([0]),
        "last": np.array([1]),
        "down": np.array([1, 0, -1, 0]),  # a row of 0 before the first, the last one cut off
        "up": np.array([-1, 0, 1, 0]),
    }
    node = helper.make_node
    nodes = [
        node("StringNormalizer", ["texts"], ["lower"], case_change_action="LOWER", locale="C"),
        node("Squeeze", ["lower", "first"], ["dialogue"]),
        node("StringConcat", ["start", "dialogue"], ["started"]),
        node("StringConcat", ["started", "end"], ["ended"]),
        node("Tokenizer", ["ended"], ["tokens"], domain="com.microsoft", tokenexp=TOKEN,
             mark=0, mincharnum=1, pad_value=""),
        node("TfIdfVectorizer", ["tokens"], ["features"], mode="TFIDF", max_skip_count=0,
             min_gram_length=1, max_gram_length=2, ngram_counts=[0, words],
             ngram_indexes=range(len(terms)), pool_strings=" ".join(terms).split(" "),
             weights=model.vectorizer.idf_[columns]),
        node("ReduceL2", ["features", "last"], ["norm"]),
        node("MatMul", ["features", "weights"], ["weighed"]),
        node("Div", ["weighed", "norm"], ["shares"]),
        node("Split", ["shares"], [*CONTEXT], axis=1, num_outputs=len(CONTEXT)),
        node("Pad", ["previous", "down"], ["from_previous"]),
        node("Pad", ["next", "up"], ["from_next"]),
        node("Sum", ["from_previous", "own", "from_next", "bias"], ["sum"]),
        node("Unsqueeze", ["sum", "first"], ["scores"]),
    ]  # fmt: skip
    texts = helper.make_tensor_value_info("texts", TensorProto.STRING, [1, "utterances"])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, "utterances", emotions])
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(nodes, "emotions", [texts], [scores], held)
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    helper.set_model_props(proto, {"emotions": ",".join(model.classifier.classes_)})
    onnx.save_model(proto, str(path))


Serve = Callable[[NDArray[np.object_]], Floats]


def opened(path: Path) -> Serve:
    """Load the file on one thread; texts of shape (utterances,) to scores (utterances, 7)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def serve(texts: NDArray[np.object_]) -> Floats:
        scores: Floats = session.run(["scores"], {"texts": texts[None]})[0][0]
        return scores

    return serve


def served(serve: Serve, texts: NDArray[np.object_], starts: NDArray[np.int64]) -> Floats:
    """Serve the parts that begin at ``starts`` one by one; print how long one takes."""
    scores, times = [], []
    for part in np.split(texts, starts[1:]):
        start = time.perf_counter()
        scores.append(serve(part))
        times.append((time.perf_counter() - start) * 1e3)
    p50, p99 = np.quantile(times, [0.5, 0.99])
    print(f"  {len(times)} calls on one thread: p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    return np.concatenate(scores)


def graded(answers: NDArray[np.str_], right: NDArray[np.str_]) -> str:
    """Say how good the answers are."""
    weighted, macro = (f1_score(right, answers, average=how) for how in ("weighted", "macro"))
    accuracy = accuracy_score(right, answers)
    return f"weighted F1 {weighted:.4f}, macro F1 {macro:.4f}, accuracy {accuracy:.4f}"


def report(model: Model, path: Path, test: Split) -> None:
    """Print what the written file measures on the test split, and how near scikit-learn it is.

    Raises:
        SystemExit: An answer differs from scikit-learn's.
    """
    serve = opened(path)
    alone = test._replace(dialogues=np.arange(len(test.texts)))
    for unit, split in (("dialogues", test), ("single utterances", alone)):
        print(f"test, {unit}:")
        expected = model.scores(split)
        scores = served(serve, split.texts, np.unique(split.dialogues, return_index=True)[1])
        answers = scores.argmax(axis=1)
        differ = np.count_nonzero(answers != expected.argmax(axis=1))
        if differ:
            raise SystemExit(f"{differ} answers of ONNX Runtime differ from scikit-learn's")
        print(f"  {graded(model.classifier.classes_[answers], split.emotions)}")
        apart = np.abs(scores - expected).max()
        print(f"  all {len(answers)} answers as scikit-learn's, scores within {apart:.1e}")


def main() -> None:
    """Train, write the file and print what it measures."""
    parser = argparse.ArgumentParser(description="Train the model of the MELD example.")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, help="folder of MELD's CSV files"
    )
    parser.add_argument("--out", type=Path, default=HERE / "meld.onnx", help="file to write")
    given = parser.parse_args()
    if not (given.data / "train_sent_emo.csv").is_file():
        parser.error(f"{str(given.data)!r} has no train_sent_emo.csv: give MELD's folder by --data")
    train, dev = read(given.data, "train"), read(given.data, "dev")
    models = [fit(train, balance) for balance in BALANCES]
    answers = [model.classifier.classes_[model.scores(dev).argmax(axis=1)] for model in models]
    best = int(np.argmax([f1_score(dev.emotions, each, average="weighted") for each in answers]))
    print(f"dev, balance {BALANCES[best]}: {graded(answers[best], dev.emotions)}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    export(models[best], given.out)
    print(f"{given.out.name}: {given.out.stat().st_size} bytes")
    report(models[best], given.out, read(given.data, "test"))


if __name__ == "__main__":
    main()
