"""A file of utterances becomes dialogues, or the first thing wrong is named."""

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.errors import WorkloadError
from tailmark.testing import check_workload
from tailmark.workload.dialogues import Dialogues

HEADER = "Sr No.,Utterance,Emotion,Dialogue_ID,Utterance_ID"
ROWS = ['1,"What, now?",surprise,4,0', "2,Yes.,joy,4,2", "3,Sure?,fear,0,7", "4,No,anger,4,1"]


def written(folder: Path, rows: list[str], header: str = HEADER, **settings: Any) -> Dialogues:
    """A file of these lines."""
    (folder / "said.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return Dialogues(path=folder / "said.csv", **settings)


def texts(workload: Dialogues) -> list[list[str]]:
    """What each sample says."""
    samples = workload.open()
    prepared = [samples.prepare(samples.load(index)) for index in range(len(samples))]
    return [np.asarray(one).tolist() for one in prepared]


def test_a_dialogue_is_a_sample_of_its_utterances_in_order(tmp_path: Path) -> None:
    """Dialogues in the order of the file, utterances in that of their numbers."""
    workload = written(tmp_path, ROWS)
    samples = workload.open()
    assert samples.ids == ("4", "0")
    assert texts(workload) == [["What, now?", "No", "Yes."], ["Sure?"]]
    assert [row.tolist() for row in samples.references] == [[3, 0, 2], [1]]
    assert samples.references.values.dtype == np.int64
    assert samples.classes == 4
    assert samples.sequences is None


def test_an_utterance_may_be_a_sample(tmp_path: Path) -> None:
    """Of one text; those of a dialogue follow each other."""
    workload = written(tmp_path, ROWS, unit="utterance")
    samples = workload.open()
    assert samples.ids == ("4.0", "4.1", "4.2", "0.7")
    assert texts(workload) == [["What, now?"], ["No"], ["Yes."], ["Sure?"]]
    assert samples.references.tolist() == [3, 0, 2, 1]
    assert samples.sequences is not None
    assert samples.sequences.tolist() == [0, 0, 0, 1]
    assert samples.sequences.dtype == np.int32


def test_labels_are_numbered_as_the_model_has_them(tmp_path: Path) -> None:
    """Those that nobody shows count, too."""
    order = ("joy", "anger", "disgust", "surprise", "fear")
    samples = written(tmp_path, ROWS, labels=order).open()
    assert samples.classes == 5
    assert [row.tolist() for row in samples.references] == [[3, 1, 0], [4]]


@given(
    st.dictionaries(
        st.text("0123abc", min_size=1, max_size=3),
        st.dictionaries(
            st.integers(0, 30),
            st.tuples(
                st.text(
                    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20
                ),
                st.sampled_from("xyz"),
            ),
            min_size=1,
            max_size=5,
        ),
        min_size=1,
        max_size=5,
    ),
    st.randoms(),
)
def test_whatever_is_said_is_said_to_the_model(dialogues: dict[str, Any], random: Any) -> None:
    """Commas, quotes, line ends and any script; rows in any order."""
    rows = [
        {"what": text, "how": label, "where": name, "when": str(number)}
        for name, one in dialogues.items()
        for number, (text, label) in one.items()
    ]
    random.shuffle(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["where", "how", "what", "when"])
    writer.writeheader()
    writer.writerows(rows)
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(buffer.getvalue().encode())
        file.flush()
        workload = Dialogues(
            path=Path(file.name),
            text_column="what",
            label_column="how",
            dialogue_column="where",
            utterance_column="when",
            labels=("x", "y", "z"),
        )
        samples, said = workload.open(), texts(workload)
    order = list(dict.fromkeys(row["where"] for row in rows))
    assert list(samples.ids) == order
    wanted = [[one[number] for number in sorted(one)] for one in map(dialogues.__getitem__, order)]
    assert said == [[text for text, _ in one] for one in wanted]
    labels = [row.tolist() for row in samples.references]
    assert labels == [["xyz".index(label) for _, label in one] for one in wanted]


@pytest.mark.parametrize(
    ("name", "dialogues", "utterances", "longest"),
    [("train", 1038, 9989, 24), ("dev", 114, 1109, 23), ("test", 280, 2610, 33)],
)
def test_meld_is_read_whole(
    data: Path, name: str, dialogues: int, utterances: int, longest: int
) -> None:
    """With the numbers of dialogues and utterances that its authors give, and seven emotions."""
    path = data / "emotion" / "MELD" / f"{name}_sent_emo.csv"
    workload = Dialogues(path=path)
    check_workload(workload)
    samples = workload.open()
    assert len(samples) == dialogues
    assert len(samples.references.values) == utterances
    assert samples.references.lengths.max() == longest
    assert samples.classes == 7
    said = [text for one in texts(workload) for text in one]
    assert len(said) == utterances
    assert not any("\ufffd" in text or "\x92" in text for text in said)
    alone = Dialogues(path=path, unit="utterance")
    assert [text for one in texts(alone) for text in one] == said
    assert alone.open().references.tolist() == samples.references.values.tolist()


def test_an_old_encoding_is_declared(tmp_path: Path) -> None:
    """What is not the declared one is refused, naming the line; it is never guessed."""
    path = tmp_path / "said.csv"
    path.write_bytes(f"{HEADER}\n1,Ok.,joy,0,0\n2,He\u2019s lost,joy,0,1\n".encode("cp1252"))
    with pytest.raises(
        WorkloadError, match=r"line 3 is not utf-8 \(byte 0x92\): set workload\.enc"
    ):
        Dialogues(path=path).open()
    assert texts(Dialogues(path=path, encoding="cp1252")) == [["Ok.", "He\u2019s lost"]]
    with pytest.raises(WorkloadError, match=r"workload\.encoding is 'ansi7', which Python does n"):
        Dialogues(path=path, encoding="ansi7").open()


def test_it_keeps_the_workload_contract(tmp_path: Path) -> None:
    """The same samples each time, here and in another process."""
    check_workload(written(tmp_path, ROWS))
    check_workload(written(tmp_path, ROWS, unit="utterance"))


def test_the_fingerprint_follows_what_is_said_and_by_whom_it_is_said_together(
    tmp_path: Path,
) -> None:
    """Another text, or another split into dialogues, is another workload; a label is not."""
    prints = [
        written(tmp_path, rows).open().fingerprint
        for rows in (
            ["1,a,joy,0,0", "2,b,joy,0,1"],
            ["1,a,joy,0,0", "2,b,joy,1,0"],
            ["1,a,joy,0,0", "2,c,joy,0,1"],
            ["1,a,joy,0,0", "2,b,fear,0,1"],
        )
    ]
    assert len(set(prints[:3])) == 3
    assert prints[3] == prints[0]


@pytest.mark.parametrize(
    ("rows", "settings", "says"),
    [
        ([], {}, "said.csv' has no utterances: give at least one row"),
        (["1,a,joy,0,x"], {}, r"line 2 has Utterance_ID 'x': give a whole number"),
        (["1,a,joy,0"], {}, r"line 2 has Utterance_ID None: give a whole number"),
        (["1,a,joy,0,0", "2,,joy,0,1"], {}, r"line 3 has Utterance '': give a text that is not"),
        (["1,a,,0,0"], {}, r"line 2 has Emotion '': give a text"),
        (["1,a,joy,,0"], {}, r"line 2 has Dialogue_ID '': give a text"),
        (["1"], {}, r"line 2 has Utterance None"),
        (
            ["1,a,joy,0,0", '2,"b\nc",joi,0,1'],
            {"labels": ("joy", "fear")},
            r"line 4 has Emotion 'joi': workload\.labels are joy, fear \(did you mean 'joy'\?\)",
        ),
        (
            ["1,a,joy,0,3", "2,b,joy,0,03"],
            {},
            r"line 3 has Utterance_ID '03': dialogue '0' has it already; give each number once",
        ),
        (["1,a,joy,0,0"], {"labels": ("joy", "joy")}, r"labels is \['joy', 'joy'\]: name each"),
        (["1,a,joy,0,0"], {"labels": ()}, r"workload\.labels is \[\]: name each class once"),
        (
            ["1,a,joy,0,0"],
            {"text_column": "Uterance"},
            r"no column 'Uterance' \(did you mean 'Utterance'\?\): it has Sr.*text_column",
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, rows: list[str], settings: dict[str, Any], says: str
) -> None:
    """File, line, column, value, and what is allowed."""
    with pytest.raises(WorkloadError, match=says) as caught:
        written(tmp_path, rows, **settings).open()
    if "labels is" not in str(caught.value):
        assert "said.csv'" in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    """Missing, a folder, or no CSV."""
    with pytest.raises(WorkloadError, match=r"absent\.csv' does not exist: correct workload\.path"):
        Dialogues(path=tmp_path / "absent.csv").open()
    with pytest.raises(WorkloadError, match="cannot be read: Is a directory"):
        Dialogues(path=tmp_path).open()
    (tmp_path / "empty.csv").touch()
    with pytest.raises(WorkloadError, match="has no column 'Utterance': it has none"):
        Dialogues(path=tmp_path / "empty.csv").open()
    (tmp_path / "long.csv").write_text(f"{HEADER}\n1,{'x' * 200_000},joy,0,0\n")
    with pytest.raises(WorkloadError, match="cannot be read as CSV: field larger"):
        Dialogues(path=tmp_path / "long.csv").open()
