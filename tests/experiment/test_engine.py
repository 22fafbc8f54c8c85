"""`engine:` says who sends the queries; LoadGen's settings are checked like everybody's."""

import sys
from pathlib import Path

import pytest

import tailmark
from tailmark.errors import InputError
from tailmark.quality.requirement import LatencyRequirement

FILE = "workload: {kind: digits}\nsystem: {kind: digits}\nrounds: 3\n"


def load(folder: Path, *lines: str) -> tailmark.Experiment:
    """An experiment with further lines."""
    file = folder / "experiment.yaml"
    file.write_text(FILE + "\n".join(lines), encoding="utf-8")
    return tailmark.load_experiment(file)


def test_our_own_engine_is_the_default(tmp_path: Path) -> None:
    """And may be named."""
    for lines in ([], ["engine: tailmark"], ["engine: {kind: tailmark}"]):
        experiment = load(tmp_path, *lines)
        assert experiment.engine is None
        assert experiment.describe()["engine"] == "tailmark"


def test_loadgen_takes_settings_and_files_beside_the_experiment(tmp_path: Path) -> None:
    """By its name alone it has its own defaults."""
    assert load(tmp_path, "engine: loadgen").engine == tailmark.LoadGen()
    (tmp_path / "user.conf").write_text("*.Server.target_latency = 15\n", encoding="utf-8")
    experiment = load(
        tmp_path,
        "engine: {kind: loadgen, min_duration: 60s, min_queries: 7, user_conf: user.conf}",
        "require: {latency: 'p99 <= 15ms'}",
    )
    assert experiment.engine == tailmark.LoadGen(
        min_duration="60s", min_queries=7, user_conf=tmp_path / "user.conf"
    )
    assert experiment.latency_bound == LatencyRequirement(percent=99, bound_ns=15_000_000)
    described = experiment.describe()["engine"]
    assert described["user_conf"] == {"*.Server.target_latency": 15}
    assert described["min_duration"] == "60s"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("engine: loadgn", "engine is 'loadgn': write tailmark, loadgen"),
        ("engine: {kind: tailmark, min_queries: 3}", "write tailmark, loadgen"),
        ("engine: {kind: loadgen, min_quries: 3}", "did you mean 'min_queries'"),
        ("engine: {kind: loadgen, min_queries: few}", "engine.min_queries is 'few'"),
        ("engine: {kind: loadgen, min_duration: 10}", "engine.min_duration is 10"),
        ("engine: {kind: loadgen, user_conf: no.conf}", "no.conf' cannot be read"),
    ],
)
def test_a_setting_that_is_none_is_one_sentence(tmp_path: Path, line: str, said: str) -> None:
    """That names it."""
    with pytest.raises(InputError, match=said):
        load(tmp_path, line)


def test_without_loadgen_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what to install, in a run and in a rehearsal."""
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    experiment = load(tmp_path, "engine: loadgen")
    with pytest.raises(InputError, match=r"pip install 'tailmark\[loadgen\]'"):
        tailmark.run_experiment(experiment, out=tmp_path / "run")
    with pytest.raises(InputError, match=r"pip install 'tailmark\[loadgen\]'"):
        tailmark.rehearse(experiment)
    assert not (tmp_path / "run").exists()


def test_a_rehearsal_knows_how_long_loadgen_takes(tmp_path: Path) -> None:
    """Three rounds of ten seconds, and an accuracy test."""
    pytest.importorskip("mlperf_loadgen", reason="LoadGen is an extra")
    found = tailmark.rehearse(load(tmp_path, "engine: loadgen"))
    assert 30 * 10**9 <= found.total_ns < 60 * 10**9
