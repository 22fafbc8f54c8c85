"""A `user.conf` says what LoadGen would read in it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.errors import InputError
from tailmark.loadgen.conf import lookup, read_conf, write_conf

KEYS = st.builds(
    "{}.{}.{}".format,
    st.sampled_from(["*", "resnet50", "llama3_1-8b", "dlrm-v2"]),
    st.sampled_from(["*", "Server", "Offline"]),
    st.sampled_from(["target_qps", "min_duration", "qsl_rng_seed"]),
)
VALUES = st.integers(0, 2**64 - 1) | st.floats(0, 1e15, allow_nan=False).map(lambda x: round(x, 3))


@given(conf=st.dictionaries(KEYS, VALUES))
def test_a_written_conf_comes_back(
    tmp_path_factory: pytest.TempPathFactory, conf: dict[str, float]
) -> None:
    """Seeds to the last of their twenty digits."""
    file = tmp_path_factory.mktemp("conf") / "user.conf"
    file.write_text(write_conf(conf), encoding="utf-8")
    back = read_conf(file)
    assert back.keys() == conf.keys()
    for key, value in conf.items():
        assert back[key] == value


def test_comments_and_further_lines_are_read_as_loadgen_does(tmp_path: Path) -> None:
    """What comes later holds."""
    file = tmp_path / "user.conf"
    file.write_text(
        "# ours\n\n*.Server.target_qps = 10\n  *.Server.target_qps = 12.5 # more\n",
        encoding="utf-8",
    )
    assert read_conf(file) == {"*.Server.target_qps": 12.5}


@pytest.mark.parametrize(
    "line", ["*.Server.target_qps=10", "*.Server.target_qps = ten", "target_qps = 10", "nonsense"]
)
def test_a_line_that_loadgen_would_refuse_or_overlook_is_named(tmp_path: Path, line: str) -> None:
    """LoadGen logs an error, or quietly goes on without the setting."""
    file = tmp_path / "user.conf"
    file.write_text(f"*.*.min_duration = 0\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"user\.conf' line 2 is"):
        read_conf(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """In one sentence."""
    with pytest.raises(InputError, match="cannot be read"):
        read_conf(tmp_path / "user.conf")


@given(
    st.dictionaries(
        st.sampled_from(
            [f"{m}.{s}.min_query_count" for m in ("*", "resnet50") for s in ("*", "Server")]
        ),
        st.integers(1, 1000),
        min_size=1,
    )
)
def test_wildcards_give_way_as_in_loadgen(
    tmp_path_factory: pytest.TempPathFactory, conf: dict[str, float]
) -> None:
    """Held against LoadGen itself, which reads a conf without testing anything."""
    loadgen = pytest.importorskip("mlperf_loadgen", reason="LoadGen is an extra")
    file = tmp_path_factory.mktemp("conf") / "user.conf"
    file.write_text(write_conf(conf), encoding="utf-8")
    settings = loadgen.TestSettings()
    settings.FromConfig(str(file), "resnet50", "Server", 1)
    assert settings.min_query_count == lookup(conf, "resnet50", "Server", "min_query_count")
