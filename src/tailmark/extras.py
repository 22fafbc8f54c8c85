"""Packages that only some uses need: imported where they are, or named with the way to get them."""

from importlib import import_module
from types import ModuleType

from tailmark.errors import InputError, SystemSetupError


def needed(
    module: str,
    who: str,
    *,
    install: str,
    package: str | None = None,
    error: type[InputError] = SystemSetupError,
) -> ModuleType:
    """A module, imported.

    Args:
        module: Such as ``"onnxruntime.quantization"``.
        who: Needs it, such as ``"system openvino"``.
        install: What pip is told, such as ``"'tailmark[openvino]'"``.
        package: What it is called there; by default as its first part.
        error: What is raised.

    Raises:
        InputError: It is not installed; of the kind that ``error`` says.
    """
    whole = module.partition(".")[0]
    try:
        import_module(whole)  # a part that was imported before says nothing of the whole
        return import_module(module)
    except ImportError as cause:
        raise error(f"{who} needs the package {package or whole}: pip install {install}") from cause
