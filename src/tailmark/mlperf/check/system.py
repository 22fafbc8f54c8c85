"""The description of a system: ``systems/{system}.json``."""

import re
from collections.abc import Mapping
from typing import Any

from tailmark.mlperf import rules
from tailmark.mlperf.check.findings import Notes, shown
from tailmark.mlperf.check.tree import Submitter, suite_of

_WHOLE = re.compile(r"[0-9]{1,9}")


def check_system(submitter: Submitter, system: Mapping[str, Any], file: str, notes: Notes) -> None:
    """Hold a description against the rules, and against where it lies."""
    _fields(system, file, notes)
    _status(system, file, notes)
    _suite(submitter, system, file, notes)
    _folders(submitter, system, file, notes)
    _network(submitter, system, file, notes)


def _fields(system: Mapping[str, Any], file: str, notes: Notes) -> None:
    network = rules.NETWORK_FIELDS if system.get("is_network") else ()
    for name in (*rules.SYSTEM_FIELDS, *network):
        if name not in system:
            notes.error(
                "system-field",
                file,
                f"there is no field {name!r}",
                "it is required",
                "add it; 'N/A' where it does not apply",
            )
        elif not system[name] and name in rules.SYSTEM_FIELDS and name not in rules.MAY_BE_EMPTY:
            notes.error(
                "system-field",
                file,
                f"{name!r} is {shown(system[name])}",
                "it needs a meaningful value, and the number 0 counts as none",
                "fill it in; 'N/A' where it does not apply, and zero as the text \"0\"",
            )
        elif name in rules.WHOLE_NUMBERS and not _WHOLE.fullmatch(str(system[name])):
            notes.error(
                "system-field",
                file,
                f"{name!r} is {shown(system[name])}",
                "it is a whole number",
                'give one; none is the text "0"',
            )


def _status(system: Mapping[str, Any], file: str, notes: Notes) -> None:
    said = system.get("status")
    if not isinstance(said, str) or said.lower() not in rules.CATEGORIES:
        notes.error(
            "system-status",
            file,
            f"'status' is {shown(said)}",
            f"a system is {', '.join(rules.CATEGORIES[:-1])} or {rules.CATEGORIES[-1]}",
            "choose one of them",
        )


def _suite(submitter: Submitter, system: Mapping[str, Any], file: str, notes: Notes) -> None:
    suite = suite_of(system)
    if not suite:
        notes.error(
            "system-type",
            file,
            f"'system_type' is {shown(system.get('system_type'))}",
            "a system is of the suite datacenter, edge or datacenter,edge",
            "choose one of them",
        )
    elif submitter.division == "network" and suite != "datacenter":
        notes.error(
            "system-type",
            file,
            f"'system_type' is {suite!r}",
            "the network division has the datacenter suite only",
            "hand it in for datacenter, or in another division",
        )


def _folders(submitter: Submitter, system: Mapping[str, Any], file: str, notes: Notes) -> None:
    for name, folder in (("submitter", submitter.name), ("division", submitter.division)):
        said = system.get(name)
        if not isinstance(said, str) or said.lower() != folder.lower():
            notes.error(
                f"system-{name}",
                file,
                f"{name!r} is {shown(said)}",
                f"it lies in the folder of {folder!r}",
                "make them agree",
            )


def _network(submitter: Submitter, system: Mapping[str, Any], file: str, notes: Notes) -> None:
    if submitter.division == "open":
        return
    said = str(system.get("is_network", "")).lower() == "true"
    if said != (submitter.division == "network"):
        notes.error(
            "network-mode",
            file,
            f"'is_network' is {shown(system.get('is_network'))}",
            f"a system of the {submitter.division} division "
            f"{'is' if submitter.division == 'network' else 'is not'} reached over a network",
            "correct it, or move the system to the division it belongs to",
        )
