"""What a check found: the file, the rule, what is allowed, how to mend it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One breach of one rule.

    Args:
        severity: ``error``: not fit to be submitted; ``warning``: look at it.
        rule: The rule's id, such as ``min-duration``.
        file: Relative to the directory that was checked.
        found: What stands there.
        allowed: What the rule allows.
        remedy: How to mend it.
    """

    severity: Severity
    rule: str
    file: str
    found: str
    allowed: str
    remedy: str

    @property
    def sentence(self) -> str:
        """All of it in one sentence, but the file."""
        return f"{self.found}; {self.allowed}: {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass
class Notes:
    """Findings as they are made.

    Args:
        found: Those made so far, in order.
    """

    found: list[Finding] = field(default_factory=list)

    def error(self, rule: str, file: str, found: str, allowed: str, remedy: str) -> None:
        """A breach that makes the submission unfit."""
        self._add("error", rule, file, found, allowed, remedy)

    def warning(self, rule: str, file: str, found: str, allowed: str, remedy: str) -> None:
        """A breach to look at."""
        self._add("warning", rule, file, found, allowed, remedy)

    def _add(
        self, severity: Severity, rule: str, file: str, found: str, allowed: str, remedy: str
    ) -> None:
        finding = Finding(
            severity=severity, rule=rule, file=file, found=found, allowed=allowed, remedy=remedy
        )
        if finding not in self.found:
            self.found.append(finding)


def shown(value: object, most: int = 60) -> str:
    """A value as it stands in a file, and no longer than a reader bears."""
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"
