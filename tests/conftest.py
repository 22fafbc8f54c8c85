"""What every test may ask for, and what no test may do in CI."""

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("tailmark", deadline=None)  # a busy machine is no bug
hypothesis.settings.load_profile("tailmark")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what skips in CI, where everything a test needs is there."""
    del item, call
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real models, images and logs."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TAILMARK_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder}: set TAILMARK_DATA to its folder")
    return folder
