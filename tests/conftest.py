"""What every test may ask for."""

import os
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("tailmark", deadline=None)  # a busy machine is no bug
hypothesis.settings.load_profile("tailmark")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real models, images and logs; CI must have it, another machine may not."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TAILMARK_DATA") or beside)
    if not folder.is_dir():
        reason = f"the real data is not at {folder}: set TAILMARK_DATA to its folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
