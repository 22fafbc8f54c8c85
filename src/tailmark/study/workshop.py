"""What environments are made of: their models, each made once, and what their models are given."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tailmark.conversion.base import Inputs
from tailmark.conversion.chain import make_variant
from tailmark.differential_file import DifferentialPlan, PlannedEnvironment
from tailmark.errors import InputError
from tailmark.experiment import Experiment
from tailmark.system.base import with_batch_axis
from tailmark.workload.base import Workload
from tailmark.workload.prepared import PreparedOnce


@dataclass(frozen=True)
class Model:
    """An environment's model.

    Args:
        path: Its file; None for a system that has none.
        made: How it was made from the source; None where it is the source.
    """

    path: Path | None
    made: Mapping[str, Any] | None = None


class Workshop:
    """Makes experiments of environments, and of what is tried between them.

    Args:
        plan: Whose.
        cache: Where models are kept that were made; None for the user's cache.
        prepared: Where inputs are, that several have in common.
        tell: Told what is being made.
    """

    def __init__(
        self,
        plan: DifferentialPlan,
        cache: Path | None,
        prepared: PreparedOnce,
        tell: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._cache = cache
        self._prepared = prepared
        self._tell = tell
        self._models: dict[str, Model] = {}

    def model(self, planned: PlannedEnvironment) -> Model:
        """The environment's model, made if it has steps.

        Raises:
            InputError: It cannot be made.
        """
        source = self._plan.source(planned)
        if source is None:
            if planned.steps:
                raise InputError("there is no system.model to make another from: give one")
            return Model(None)
        if not planned.steps:
            return Model(source)
        # Steps may look at inputs, so that the workload decides too.
        asked = [str(source), planned.steps, planned.document["workload"]]
        key = json.dumps(asked, default=str)
        if key not in self._models:
            self._tell(f"making the model of {planned.name}")
            workload = self._plan.experiment(planned).workload
            variant = make_variant(
                source,
                self._plan.conversions(planned),
                inputs=lambda count: _inputs(workload, count),
                cache=self._cache,
            )
            self._models[key] = Model(variant.path, variant.to_dict())
        return self._models[key]

    def experiment(self, planned: PlannedEnvironment) -> Experiment:
        """What is measured in an environment.

        Raises:
            InputError: Its model cannot be made, or it cannot be carried out.
        """
        return self._plan.experiment(planned, self.model(planned).path)

    def prepared(self, experiment: Experiment) -> Experiment:
        """The same, with inputs that were prepared once for all.

        Raises:
            WorkloadError: They cannot be.
        """
        _, workload = self._prepared.of(experiment.workload, experiment.timed)
        return replace(experiment, workload=workload)


def _inputs(workload: Workload, count: int) -> Inputs:
    """Prepared batches of one, from all over the workload."""
    samples = workload.open()
    step = max(1, len(samples) // max(count, 1))
    chosen = range(0, len(samples), step)[:count]
    return [with_batch_axis(samples.prepare(samples.load(index))) for index in chosen]
