"""The built-in workload is what it says it is."""

import numpy as np

from tailmark.testing import check_workload
from tailmark.workload.digits import Digits


def test_it_keeps_the_workload_contract() -> None:
    """The same samples each time, here and in another process."""
    check_workload(Digits())


def test_every_digit_is_there_in_the_range_the_network_takes() -> None:
    """360 grey images from 0 to 1, of all ten classes."""
    samples = Digits().open()
    images = np.array([samples.prepare(samples.load(i)) for i in range(len(samples))])
    assert images.shape == (360, 1, 8, 8)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert samples.references is not None
    assert set(samples.references.tolist()) == set(range(10))
    assert samples.classes == 10
