"""ONNX Runtime as a system."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tailmark.errors import SystemSetupError, nearest
from tailmark.records.environment import usable_cores
from tailmark.system.base import Batch, Predictor
from tailmark.system.interface import Interface, wanted_outputs
from tailmark.system.model_file import check_model_file, check_threads, fingerprint

_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(uint16)": "uint16",
    "tensor(int32)": "int32",
    "tensor(uint32)": "uint32",
    "tensor(int64)": "int64",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
}


@dataclass(frozen=True, kw_only=True)
class OnnxRuntime:
    """An ONNX file run by ONNX Runtime; outputs are on the host when a call returns.

    Args:
        model: The ``.onnx`` file; external data stays inside its folder.
        threads: Threads inside one operator.
        inter_threads: Operators at once; above 1 turns on parallel execution.
        optimization: Graph optimisation level.
        providers: Execution providers, in order of preference.
        output: The model's output to read, where it has several.
    """

    model: Path
    threads: int = 1
    inter_threads: int = 1
    optimization: Literal["disable", "basic", "extended", "layout", "all"] = "all"
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    output: str | None = None

    def open(self) -> Predictor:
        """Load the model.

        Raises:
            SystemSetupError: A missing or corrupt file, or settings the runtime does not have.
        """
        return _Session(self.session(), self)

    def session(self, profile: Path | None = None) -> Any:
        """ONNX Runtime's own session.

        Args:
            profile: How the name of a file begins that the time of every operator is written to.

        Raises:
            SystemSetupError: As `open`.
        """
        check_model_file(self.model, "an .onnx file")
        check_threads(threads=self.threads, inter_threads=self.inter_threads)
        import onnxruntime as ort

        available = ort.get_available_providers()
        for provider in self.providers:
            if provider not in available:
                raise SystemSetupError(
                    f"this onnxruntime has no provider {provider!r}{nearest(provider, available)}: "
                    f"it has {', '.join(available)}"
                )
        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors come as exceptions; warnings would break the table
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = self.inter_threads
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        if self.inter_threads > 1:
            options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
        level = self.optimization.upper()
        options.graph_optimization_level = getattr(
            ort.GraphOptimizationLevel,
            "ORT_DISABLE_ALL" if level == "DISABLE" else f"ORT_ENABLE_{level}",
        )
        try:
            return ort.InferenceSession(str(self.model), options, providers=list(self.providers))
        except Exception as cause:  # the runtime's exceptions share no base of their own
            reason = str(cause).splitlines()[0]
            raise SystemSetupError(
                f"model {str(self.model)!r} cannot be loaded: {reason}"
            ) from cause

    def describe(self) -> dict[str, Any]:
        """The settings; of the model's path, the last part (its hash is in the run)."""
        return {
            "kind": "onnxruntime",
            "model": self.model.name,
            "threads": self.threads,
            "inter_threads": self.inter_threads,
            "optimization": self.optimization,
            "providers": list(self.providers),
            "output": self.output,
        }

    def fingerprint(self) -> str | None:
        """SHA-256 of the model file; with external data, of the hashes of all its files."""
        return fingerprint(self.model)


class _Session:
    fresh = True

    def __init__(self, session: Any, recipe: OnnxRuntime) -> None:
        self._session = session
        self._run = session.run
        inputs = {i.name: (_TYPES.get(i.type, i.type), i.shape) for i in session.get_inputs()}
        outputs = wanted_outputs([o.name for o in session.get_outputs()], recipe.output)
        self._interface = Interface(inputs, outputs)
        self.check = self._interface.check
        self._input = next(iter(inputs), None)
        self._outputs = list(outputs)
        self._single = len(outputs) == 1

    def predict(self, batch: Batch) -> Any:
        feed = batch if isinstance(batch, dict) else {self._input: batch}
        outputs = self._run(self._outputs, feed)
        return outputs[0] if self._single else dict(zip(self._outputs, outputs, strict=True))

    def describe(self) -> dict[str, Any]:
        import onnxruntime as ort

        options = self._session.get_session_options()
        providers = self._session.get_providers()
        return {
            "kind": "onnxruntime",
            "version": ort.__version__,
            "providers": providers,
            "threads": options.intra_op_num_threads or usable_cores(),
            "inter_threads": options.inter_op_num_threads or usable_cores(),
            "execution_mode": str(options.execution_mode).rsplit(".", maxsplit=1)[-1],
            "optimization": str(options.graph_optimization_level).rsplit(".", maxsplit=1)[-1],
            **self._interface.describe(),
            "device": providers[0].removesuffix("ExecutionProvider"),
        }
