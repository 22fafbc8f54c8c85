"""A call that never returns may take its process along, so it is tried in one of its own."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_it_ends_the_run_and_the_finished_rounds_stand() -> None:
    """As the tests beside say, one by one."""
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "python_files=never*.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(HERE / "never_returning.py")],
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
