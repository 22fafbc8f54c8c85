"""The rules' own figures agree with each other, and names stand for what they stand for."""

import re

import pytest

from tailmark.mlperf import rules
from tailmark.mlperf.check.accuracy import metrics


@pytest.mark.parametrize("name", rules.BENCHMARKS)
def test_a_benchmark_is_whole(name: str) -> None:
    """Known suites, scenarios and metrics; a data set; a query of Offline that it can fill."""
    asked = rules.BENCHMARKS[name]
    assert asked.suites
    assert set(asked.suites) <= set(rules.SUITES)
    assert set(asked.online) <= set(asked.suites)
    for scenarios in asked.suites.values():
        assert set(scenarios) <= set(rules.SCENARIOS)
    assert asked.targets
    for target in (*asked.targets, *(t for ts in asked.targets_of.values() for t in ts)):
        assert target.metric in rules.METRICS
        assert (target.least or 0) < (target.most or float("inf"))
    assert (
        0 < (asked.offline_samples or 1) <= max(asked.accuracy_samples, asked.performance_samples)
    )


@pytest.mark.parametrize(
    ("name", "mapping", "official"),
    [
        ("resnet", {}, "resnet"),
        ("resnet50", {}, "resnet"),
        ("mobilenet-v2-int8", {}, "resnet"),
        ("my-net", {}, None),
        ("my-net", {"my-net": "resnet"}, "resnet"),
        ("my-net", {"my-net": "resnet50"}, None),
        ("my-net", {"my-net": "nothing"}, None),
        ("bert-99.9", {"bert-99.9": "resnet"}, "bert-99.9"),
    ],
)
def test_names_stand_for_benchmarks(
    name: str, mapping: dict[str, str], official: str | None
) -> None:
    """By themselves, by the official aliases, by the submitter's own mapping; or for none."""
    assert rules.official_name(name, mapping) == official


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("accuracy=70.950%, good=35475, total=50000", {"accuracy": 70.950}),
        ('{"accuracy": 76.46}', {"accuracy": 76.46}),
        ('{"exact_match": 83.6, "f1": 90.88}', {"F1": 90.88, "exact match": 83.6}),
        ("Accuracy: mean = 0.86170, kidney = 0.9", {"mean DICE": 0.8617}),
        ("Word Error Rate: 2.07%, accuracy=97.93%", {"word accuracy": 97.93}),
        (
            "{'rouge1': '38.86', 'rougeL': 24.5, 'gen_len': 3077653}",
            {"ROUGE-1": 38.86, "ROUGE-L": 24.5, "generated length": 3077653},
        ),
        ("mAP=53.41%", {"mAP": 53.41}),
    ],
)
def test_accuracy_lines_are_read(line: str, expected: dict[str, float]) -> None:
    """As the benchmarks' own scripts print them."""
    assert metrics(f"Results\n\n{line}\nhash=aa\n") == expected


def test_every_pattern_takes_one_number() -> None:
    """So what it takes can be read as one."""
    for pattern in rules.METRICS.values():
        assert re.compile(pattern).groups == 1
