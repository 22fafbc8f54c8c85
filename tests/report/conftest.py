"""Small runs on a virtual clock: the same on every machine, and measured in no time."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import tailmark
from tailmark.testing import LawfulSystem, VirtualClock

CHROMIUM = os.environ.get("TAILMARK_CHROMIUM") or shutil.which("chromium")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
SWITCHES += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SAMPLES = 40
MEASURE = Callable[..., tailmark.Run]


def bursty_ns(random: np.random.Generator) -> float:
    """About a millisecond; one in ten takes several."""
    return float(random.gamma(20, 50_000) * (5 if random.random() < 0.1 else 1))


def mostly_right(batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Scores of ten classes; every eighth sample is answered wrongly."""
    label, number = int(batch[0, 0]), int(batch[0, 1])
    scores = np.zeros((1, 10), dtype=np.float32)
    scores[0, (label + (number % 8 == 0)) % 10] = 1
    return scores


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> MEASURE:
    """Measures a run: ``measured(rounds=…, references=…, slower=…, **more)``."""

    def make(
        *,
        name: str = "run",
        rounds: int = 6,
        references: bool = True,
        answer: Callable[[Any], Any] = mostly_right,
        slower: float = 1.0,
        **more: Any,
    ) -> tailmark.Run:
        labels = np.arange(SAMPLES) % 10
        inputs = np.stack([labels, np.arange(SAMPLES)], axis=1)
        clock = VirtualClock()
        settings: dict[str, Any] = {"quality": {"deadlines": ["1.2ms", "p90"]}} | more
        measured = tailmark.measure(
            tailmark.Arrays(inputs=inputs, references=labels if references else None, classes=10),
            LawfulSystem(clock=clock, law=lambda random: slower * bursty_ns(random), answer=answer),
            out=tmp_path_factory.mktemp("runs") / name,
            rounds=rounds,
            clock=clock,
            **settings,
        )
        # Tests go over a run many times.
        return replace(measured, stored=list(measured.rounds()))

    return make


@pytest.fixture(scope="session")
def run(measured: MEASURE) -> tailmark.Run:
    """Eighty rounds: enough for every interval over rounds."""
    return measured(rounds=80, require={"quality": ">= 0.5", "at": "1.2ms"})


@pytest.fixture(scope="session")
def page(run: tailmark.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on it."""
    return tailmark.write_report(run, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="session")
def four(measured: MEASURE) -> list[tailmark.Run]:
    """Four systems of 24 rounds; the last was asked in another order."""
    runs = [
        measured(name=name, rounds=24, seed=seed, slower=slower)
        for seed, (name, slower) in enumerate(
            [("one", 1.0), ("two", 1.3), ("three", 0.8), ("four", 1.0)]
        )
    ]
    experiment = runs[3].manifest.experiment
    other = {**experiment, "workload": {**experiment["workload"], "order": "another"}}
    return [*runs[:3], replace(runs[3], manifest=replace(runs[3].manifest, experiment=other))]


@pytest.fixture(scope="session")
def four_page(four: list[tailmark.Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on them."""
    return tailmark.write_report(four, tmp_path_factory.mktemp("four") / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's own Chromium."""
    if not CHROMIUM:
        pytest.skip("no Chromium: install it, or name it in TAILMARK_CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield opened
        opened.close()


Open = Callable[..., Page]


@pytest.fixture
def reading(browser: Browser) -> Iterator[Open]:
    """Opens a page offline; afterwards, nothing was complained of and nothing was asked for."""
    contexts, complaints, requests = [], [], []

    def open_page(
        file: Path, *, width: int = 1280, scheme: Any = "light", drawn: bool = True
    ) -> Page:
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: requests.append(asked.url))
        page.goto(file.as_uri())
        if drawn:  # by a script of its own
            page.wait_for_selector("html[data-drawn]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)
    assert sum(url.startswith("file:") for url in requests) == len(contexts)
