"""Everything tailmark raises on purpose.

Each message is one sentence: the value, what is allowed, the way out.

::

    TailmarkError
    ├── InputError                  something the user gave cannot be used       exit code 2
    │   ├── UnknownNameError        no plug-in of that name
    │   ├── ExperimentError         the experiment file
    │   ├── WorkloadError           samples, references
    │   ├── SystemSetupError        the model or function, before anything is timed
    │   ├── ConversionError         a model that cannot be made into another
    │   ├── MetricError             outputs or references a metric cannot grade
    │   └── StoreError              a run directory that cannot be read or written
    └── MeasurementError            the run ended early; what was measured stands  exit code 3
        ├── EveryQueryFailedError
        ├── QueryNeverReturnedError
        └── InterruptedRunError     (also a KeyboardInterrupt)
"""

import difflib
from collections.abc import Iterable


class TailmarkError(Exception):
    """The root of the tree."""

    exit_code = 2


class InputError(TailmarkError):
    """Something the user gave cannot be used."""


class UnknownNameError(InputError):
    """No plug-in of that name."""


class ExperimentError(InputError):
    """The experiment file cannot be used."""


class WorkloadError(InputError):
    """The samples or their references cannot be used."""


class SystemSetupError(InputError):
    """The system cannot be opened, or does not fit the workload."""


class ConversionError(InputError):
    """A model cannot be made into another."""


class MetricError(InputError):
    """The metric cannot grade these outputs against these references."""


class StoreError(InputError):
    """A run directory cannot be read or written."""


class MeasurementError(TailmarkError):
    """The run ended early; the rounds it finished are on disk."""

    exit_code = 3


class EveryQueryFailedError(MeasurementError):
    """Not one query of the first round was answered."""


class QueryNeverReturnedError(MeasurementError):
    """A call inside our own process outlived the timeout."""


class InterruptedRunError(MeasurementError, KeyboardInterrupt):
    """The user stopped the run."""


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"`` for the closest of ``known``, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
