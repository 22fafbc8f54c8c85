"""How a log is read: in pieces that end where something ends, so that memory stays bounded."""

from collections.abc import Iterator
from pathlib import Path

from tailmark.errors import InputError

PIECE_BYTES = 2**22
LONGEST_BYTES = 2**28
"""Of one entry: more is no log."""


def pieces(path: Path, ends: bytes = b"\n") -> Iterator[bytes]:
    """A file's content in pieces of some megabytes, each ending with ``ends`` but the last.

    Args:
        path: The file.
        ends: What ends an entry.

    Raises:
        InputError: It cannot be read, or an entry of it has no end.
    """
    try:
        with path.open("rb") as file:
            begun = b""
            while more := file.read(PIECE_BYTES):
                whole = more.rfind(ends) + len(ends)
                if whole < len(ends):
                    begun += more
                    if len(begun) > LONGEST_BYTES:
                        raise InputError(
                            f"{str(path)!r} has an entry of more than {LONGEST_BYTES:,} bytes: "
                            "give a log as LoadGen wrote it"
                        )
                    continue
                yield begun + more[:whole]
                begun = more[whole:]
            if begun:
                yield begun
    except FileNotFoundError:
        raise InputError(f"{str(path)!r} does not exist: give a file that does") from None
    except OSError as cause:
        raise InputError(f"{str(path)!r} cannot be read: {cause.strerror}") from cause


def text_lines(path: Path) -> Iterator[str]:
    """A file's lines as text; bytes that are no text become ``�``.

    Raises:
        InputError: It cannot be read.
    """
    for piece in pieces(path):
        yield from piece.decode("utf-8", errors="replace").removesuffix("\n").split("\n")
