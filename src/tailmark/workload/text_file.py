"""A text file, read whole."""

from pathlib import Path

from tailmark.errors import WorkloadError


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A file's text, line ends as they are, without the mark that spreadsheets put in front.

    Raises:
        WorkloadError: It is missing, cannot be read, or is not of this encoding.
    """
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except FileNotFoundError:
        raise WorkloadError(f"{str(path)!r} does not exist: correct workload.path") from None
    except OSError as cause:
        raise WorkloadError(f"{str(path)!r} cannot be read: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        line = content[: cause.start].count(b"\n") + 1
        raise WorkloadError(
            f"{str(path)!r} line {line} is not {encoding} (byte 0x{content[cause.start]:02x}): set "
            "workload.encoding, such as cp1252"
        ) from cause
    except LookupError:
        raise WorkloadError(
            f"workload.encoding is {encoding!r}, which Python does not know: give utf-8, cp1252, …"
        ) from None
