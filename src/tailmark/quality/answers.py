"""Answers in words: right if they are what the reference says, to the letter or nearly so."""

import re
import string
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError
from tailmark.quality.base import Floats, Grader, column, score_answers
from tailmark.quality.reading import rows_of
from tailmark.quality.spelling import spelled
from tailmark.records.model import Int32s, Int64s
from tailmark.records.ragged import Ragged

Normalize = Literal["none", "squad"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class ExactMatch:
    """The share of answers that are one of those accepted.

    Args:
        normalize: ``none`` compares to the letter. ``squad`` compares in lower case, without
            punctuation and without articles, however words are spaced, as SQuAD's
            ``evaluate-v1.1.py`` does (``normalize_answer``).

    Raises:
        InputError: Another way to compare.
    """

    normalize: Normalize = "none"

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        if self.normalize not in get_args(Normalize):
            raise InputError(
                f"normalize is {self.normalize!r}: give {' or '.join(get_args(Normalize))}"
            )

    @property
    def name(self) -> str:
        """``exact_match``, ``exact_match:squad``."""
        return spelled("exact_match", self)

    def prepare(self, outputs: Any, references: Any) -> Grader:
        """See `Metric.prepare`.

        Args:
            outputs: A run's ``answers``, or strings of shape (outputs,).
            references: Strings of shape (samples,); or several that are accepted of each sample:
                `Ragged`, (samples, n), or a list of lists.
        """
        given = column(outputs, "answers", self.name, "outputs", "measure a system that answers")
        right = column(references, "answers", self.name, "references", "give accepted answers")
        answers = rows_of(given, "U", self.name, "outputs", "one string an output")
        accepted = rows_of(right, "U", self.name, "references", "strings, those accepted a row")
        texts = np.concatenate([_texts(answers), _texts(accepted)])
        distinct, text = np.unique(texts, return_inverse=True)
        if self.normalize == "squad":
            plain = np.array([as_squad(one) for one in distinct.tolist()], dtype=np.str_)
            distinct, number = np.unique(plain, return_inverse=True)
            text = number[text]
        answer, right_ones = np.split(text, [len(answers.values)])
        sample = np.repeat(np.arange(len(accepted)), accepted.lengths)
        return _AnswerGrader(answer, np.unique(sample * len(distinct) + right_ones), len(distinct))


@dataclass(frozen=True)
class _AnswerGrader:
    """Texts are numbered.

    Args:
        answer: The number of each output's, shape (outputs,).
        accepted: sample × texts + text of each that is accepted, ascending.
        texts: How many are numbered.
    """

    answer: Int64s
    accepted: Int64s
    texts: int

    def scores(self, samples: Int32s, outputs: Int32s) -> Floats:
        """Whether each is accepted."""
        return score_answers(samples, outputs, self._accepted)

    def _accepted(self, samples: Int32s, outputs: Int32s) -> npt.NDArray[np.bool_]:
        key = samples.astype(np.int64) * self.texts + self.answer[outputs]
        return np.isin(key, self.accepted)


def as_squad(text: str) -> str:
    """A text as SQuAD compares it."""
    plain = _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION))
    return " ".join(plain.split())


def _texts(rows: Ragged) -> Any:
    return rows.values.astype(np.str_) if rows.values.size else np.empty(0, dtype=np.str_)
