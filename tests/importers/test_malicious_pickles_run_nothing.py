"""Law: whatever a pickle asks for, nothing of it runs; it is refused by name."""

import functools
import operator
import os
import pickle
import pickletools
import re
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tailmark
from tailmark.errors import InputError
from tailmark.importers.opcodes import highest_number
from tailmark.importers.pickles import read_pickle


class Call:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.reduced = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        """What the reader is to call."""
        return self.reduced


def touching(marker: Path) -> dict[str, tuple[Call, str]]:
    """Calls that leave a mark, each with the name that is refused."""
    code = f"open({str(marker)!r}, 'w').close()"
    words = ["touch", str(marker)]
    return {
        "a shell": (Call(os.system, f"touch '{marker}'"), "system"),
        "a process": (Call(subprocess.call, words), "call"),
        "popen": (Call(subprocess.Popen, words), "Popen"),
        "eval": (Call(eval, code), "eval"),
        "exec": (Call(exec, code), "exec"),
        "getattr": (Call(getattr, marker, "touch"), "getattr"),
        "a partial": (Call(functools.partial, Call(eval, code)), "partial"),
        "a method": (Call(operator.methodcaller("touch"), 1), "methodcaller"),
        "an attribute": (Call(operator.attrgetter("touch"), 1), "attrgetter"),
        "within a list": (Call(list, [Call(os.system, f"touch '{marker}'")]), "list"),
        "within a key": (Call(dict, [(Call(os.system, f"touch '{marker}'"), 1)]), "dict"),
    }


LIVE = ("a shell", "a process", "eval", "exec", "within a list", "within a key")
"""Those that leave their mark by being read."""

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
KINDS = sorted(touching(Path("marker")))


@pytest.mark.parametrize("kind", LIVE)
def test_these_pickles_are_live(kind: str, tmp_path: Path) -> None:
    """Python's own reader runs them: what is refused below is no dummy."""
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(touching(marker)[kind][0]))
    assert marker.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_is_refused_by_name(kind: str, protocol: int, tmp_path: Path) -> None:
    """In every protocol, alone or deep in plain data, and with no mark left."""
    marker = tmp_path / "marker"
    call, name = touching(marker)[kind]
    for content in (call, {"inference": [{1: 0.5, 2: call}], "total": [1]}, [[(call,)]]):
        file = tmp_path / "file.pickle"
        file.write_bytes(pickle.dumps(content, protocol=protocol))
        with pytest.raises(InputError) as refused:
            read_pickle(file)
        assert "was refused, nothing in it ran" in str(refused.value)
        assert re.search(rf"'\w+(\.\w+)*\.{name}'", str(refused.value))
    assert not marker.exists()


HAND_MADE = {
    "the text protocol": (b"cos\nsystem\n(S'touch MARKER'\ntR.", "'os.system'"),
    "an instance": (b"(S'touch MARKER'\nios\nsystem\n.", "'os.system'"),
    "an object": (b"(cos\nsystem\nS'touch MARKER'\no.", "'os.system'"),
    "a new object": (b"\x80\x02cos\nsystem\n(S'touch MARKER'\nt\x81.", "'os.system'"),
    "numpy's own loader": (b"cnumpy\nload\n(S'MARKER'\ntR.", "'numpy.load'"),
    "a function inside numpy": (
        b"cnumpy.testing._private.utils\nrunstring\n(S'1'\nN}tR.",
        "'numpy.testing._private.utils.runstring'",
    ),
    "a way through an admitted name": (
        b"\x80\x04\x8c\x05numpy\x8c\x0fdtype.__class__\x93.",
        "'numpy.dtype.__class__'",
    ),
    "a module as an attribute": (
        b"\x80\x04\x8c\x16numpy._core.multiarray\x8c\tos.system\x93.",
        "'numpy._core.multiarray.os.system'",
    ),
    "a registered class": (b"ccopyreg\n_reconstructor\n(cbuiltins\nobject\ntR.", "'copyreg._reco"),
    "an extension": (b"ccopyreg\nadd_extension\n(S'os'\nS'system'\nI240\ntR.", "'copyreg.add_ext"),
    "a name with control characters": (b"c\x1b[31mos\nsystem\n.", r"'\x1b[31mos.system'"),
    "an array of objects": (
        b"cnumpy\ndtype\n(S'O8'\nI00\nI01\ntR.",
        "an array of type 'O8'",
    ),
    "a type given by other types": (
        b"cnumpy\ndtype\n((lp0\nS'O'\natR.",
        "an array of type",
    ),
    "a type with fields": (
        b"cnumpy\ndtype\n(S'f8'\nI00\nI01\ntR(I3\nS'|'\nN(S'a'\nt}I-1\nI-1\nI0\ntb.",
        "an array of structured type",
    ),
    "an array without a type": (
        b"cnumpy._core.multiarray\n_reconstruct\n(tR(I1\n(I1\ntNI00\n(lp0\ntb.",
        "an array of objects",
    ),
    "another encoding": (b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.", "_codecs.encode"),
    "a change of the reader": (
        b"cnumpy\ndtype\n(N}S'_call'\nNstb.",
        "a change of what is read with",
    ),
}


@pytest.mark.parametrize("kind", sorted(HAND_MADE))
def test_a_hand_made_pickle_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    """Opcodes that no writer of Python's would put together."""
    marker = tmp_path / "marker"
    content, name = HAND_MADE[kind]
    file = tmp_path / "file.pickle"
    file.write_bytes(content.replace(b"MARKER", str(marker).encode()))
    with pytest.raises(InputError) as refused:
        read_pickle(file)
    assert name in str(refused.value)
    assert "nothing in it ran" in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert not marker.exists()
    test_plain_data_is_still_read(tmp_path)


def test_plain_data_is_still_read(tmp_path: Path) -> None:
    """What a refused pickle tried to change is as it was."""
    file = tmp_path / "plain.pickle"
    file.write_bytes(pickle.dumps({1: np.float64(0.5), 2: np.arange(3)}))
    assert read_pickle(file) == {1: 0.5, 2: [0, 1, 2]}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_array_of_objects_smuggles_nothing(protocol: int, tmp_path: Path) -> None:
    """Its elements would be pickled by themselves, so it is refused before they count."""
    marker = tmp_path / "marker"
    smuggling = np.array([Call(os.system, f"touch '{marker}'"), None], dtype=object)
    structured = np.zeros(2, dtype=[("time", "f8"), ("what", "O")])
    for content in (smuggling, structured, np.array([1, None], dtype=object)):
        file = tmp_path / "file.pickle"
        file.write_bytes(pickle.dumps([content], protocol=protocol))
        with pytest.raises(InputError, match="was refused, nothing in it ran"):
            read_pickle(file)
    assert not marker.exists()


def test_an_import_of_a_malicious_file_leaves_no_run(tmp_path: Path) -> None:
    """Refused through the front door too, whichever of the files it is."""
    marker = tmp_path / "marker"
    evil = tmp_path / "evil.pickle"
    evil.write_bytes(pickle.dumps({"inference": [Call(os.system, f"touch '{marker}'")]}))
    good = tmp_path / "good.pickle"
    good.write_bytes(pickle.dumps({"inference": [{1: 0.5}], "total": [{1: 0.6}]}))
    for files in (
        {"times": evil},
        {"times": good, "results": evil},
        {"times": good, "results": good, "references": evil},
    ):
        with pytest.raises(InputError):
            tailmark.import_tail_quality(out=tmp_path / "run", task="mobilenet", **files)
        assert not (tmp_path / "run").exists()
    assert not marker.exists()


def test_tensors_are_refused_with_the_way_out(tmp_path: Path) -> None:
    """The published PyTorch script writes its labels as tensors, which only torch can rebuild."""
    file = tmp_path / "golden.pkl"
    file.write_bytes(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.")
    with pytest.raises(InputError, match=r"'torch\._utils\._rebuild_tensor_v2'.*tensor\.tolist"):
        read_pickle(file)


@given(content=st.binary(max_size=60), plain=st.booleans())
def test_garbage_is_refused_in_one_sentence(
    content: bytes, plain: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any bytes at all end in plain data or in one sentence."""
    file = tmp_path_factory.getbasetemp() / "garbage.pickle"
    file.write_bytes(pickle.dumps([1.5, {"a": np.arange(3)}])[: len(content)] if plain else content)
    refused = ""
    try:
        read_pickle(file)
    except InputError as cause:
        refused = str(cause)
    assert not refused or (refused.startswith(repr(str(file))) and "\n" not in refused)


plain_numbers = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.none()
)
plain_data = st.recursive(
    plain_numbers,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.integers(), inner, max_size=3),
        st.frozensets(st.integers(), max_size=3),
        st.sets(st.text(), max_size=3),
    ),
    max_leaves=10,
)


@given(content=plain_data, protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_comes_back(
    content: object, protocol: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Containers, numbers, text and bytes are what they were, in every protocol."""
    file = tmp_path_factory.getbasetemp() / "plain.pickle"
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    assert read_pickle(file) == content


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("old_numpy", [False, True], ids=["numpy 2", "numpy 1"])
def test_arrays_come_as_lists(protocol: int, old_numpy: bool, tmp_path: Path) -> None:
    """Of every plain type, order and shape, as either numpy names its modules."""
    whole = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    arrays: list[Any] = [
        whole,
        whole.astype(">i2"),
        whole[:, ::2],
        np.asfortranarray(whole[0]),
        whole.transpose(2, 0, 1),
        np.zeros((0, 5)),
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([b"a", b"bcd"]),
        *(np.array([0.5, 2], dtype=kind) for kind in ("f2", "f4", "f8", "u1", "i8")),
    ]
    scalars: list[Any] = [np.float32(0.5), np.int64(-3), np.bool_(True), np.str_("x"), np.uint8(7)]
    content = pickle.dumps([arrays, scalars, OrderedDict(a=1)], protocol=protocol)
    if old_numpy:
        content = _as_numpy_1(content)
    file = tmp_path / "arrays.pickle"
    file.write_bytes(content)
    lists, numbers, ordered = read_pickle(file)
    expected: list[Any] = [array.tolist() for array in arrays]
    expected[5] = []
    assert lists == expected
    assert numbers == [scalar.item() for scalar in scalars]
    assert {type(n) for n in numbers} <= {float, int, bool, str}
    assert ordered == {"a": 1}


def _as_numpy_1(content: bytes) -> bytes:
    """The same pickle as numpy 1 wrote it: its modules had no underscore."""
    for module in (b"multiarray", b"numeric"):
        name, old = b"numpy._core." + module, b"numpy.core." + module
        content = content.replace(bytes([len(name)]) + name, bytes([len(old)]) + old)
        content = content.replace(b"c" + name, b"c" + old)
    # The frame's length has changed with the names; without a frame there is no such length.
    return content[:2] + content[11:] if content[2:3] == b"\x95" else content


def test_an_array_without_dimensions_is_a_list_of_one(tmp_path: Path) -> None:
    """It has no other place among lists."""
    file = tmp_path / "array.pickle"
    file.write_bytes(pickle.dumps(np.array(5)))
    assert read_pickle(file) == [5]


@pytest.mark.parametrize(
    "content",
    [
        b"Nr\xff\xff\xff\x7f.",
        b"Np2147483647\n.",
        b"Np2_147_483_647\n.",
        b"\x80\x04" + b"G" + bytes(8) + b"0\x8c\x03r\xff\xff0Nr\x00\x00\x00\x10.",
        b"cnumpy\ndtype\n0Nr\x00\x00\x00\x10.",
    ],
)
def test_a_few_bytes_cannot_ask_for_gigabytes(content: bytes, tmp_path: Path) -> None:
    """To remember an object by a number of billions, the reader would make room for them all."""
    file = tmp_path / "greedy.pickle"
    file.write_bytes(content)
    with pytest.raises(InputError, match="asks for more memory than any pickle"):
        read_pickle(file)


@given(content=plain_data, protocol=st.sampled_from(PROTOCOLS), number=st.integers(0, 10**6))
def test_the_highest_number_is_the_one_that_is_followed(
    content: object, protocol: int, number: int
) -> None:
    """Against Python's own list of a pickle's opcodes, with one more remembered at its end."""
    written = pickle.dumps([content] * 3, protocol=protocol)[:-1]
    written += b"r" + number.to_bytes(4, "little") + b"."
    followed = pickletools.genops(written)
    kept = [int(n or 0) for one, n, _ in followed if one.name in ("PUT", "LONG_BINPUT")]
    assert highest_number(written) == max(kept)


def test_missing_oversize_and_unreadable_files_are_one_sentence(tmp_path: Path) -> None:
    """Neither waits for memory nor shows a traceback."""
    with pytest.raises(InputError, match="does not exist"):
        read_pickle(tmp_path / "nowhere.pickle")
    with pytest.raises(InputError, match="cannot be read"):
        read_pickle(tmp_path)
    large = tmp_path / "large.pickle"
    with large.open("wb") as file:
        file.truncate(3 * 2**30)  # a hole: it takes no room
    with pytest.raises(InputError, match="3,221,225,472 bytes"):
        read_pickle(large)
