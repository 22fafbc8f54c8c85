"""One page for one run or several, that opens offline from a double click.

Every number on it is found by `tailmark.analysis` and printed here; the page's script looks them up
by deadline and computes none. A run may be a stranger's: whatever it holds is escaped, and the page
forbids itself, by its content security policy, any script but its own two and any address.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from tailmark.errors import InputError, MetricError, StoreError
from tailmark.records.model import Run
from tailmark.report.charts import VEGA_LITE
from tailmark.report.comparison_section import comparison_looked_up, comparison_section
from tailmark.report.findings import Findings, find
from tailmark.report.frames import looked_up
from tailmark.report.sections import section
from tailmark.report.sentences import sentence_case
from tailmark.report.side_by_side import SideBySide, side_by_side
from tailmark.report.theme import DARK, LIGHT, theme


def write_report(
    runs: Run | str | Path | Sequence[Run | str | Path],
    out: str | Path,
    *,
    metric: str | None = None,
    deadlines: Sequence[str | int] | None = None,
    on_late: str | None = None,
    time: str | None = None,
    allow: Sequence[str] = (),
) -> Path:
    """Write the page; with several runs, how each stands to the first comes first.

    What is not given is as a run's experiment has it; several are graded as the first is.

    Args:
        runs: A run or its directory, or several.
        out: The HTML file.
        metric: As for `tailmark.summarize`, and so for the rest.
        deadlines: The first of them is the headline's.
        on_late: The late policy.
        time: Which latency counts.
        allow: What may differ between runs that are compared, as for `tailmark.compare`.

    Returns:
        The file.

    Raises:
        InputError: No run, or something asked for is not there.
        StoreError: The file cannot be written.
    """
    several = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not several:
        raise InputError("no run is given: name one or more to report on")
    found = [find(several[0], metric=metric, deadlines=deadlines, on_late=on_late, time=time)]
    alike: dict[str, Any] = {
        "deadlines": deadlines,
        "on_late": found[0].summary.on_late,
        "time": time,
    }
    for one in several[1:]:
        try:
            found.append(find(one, metric=metric or found[0].summary.metric, **alike))
        except MetricError:
            if metric:
                raise
            found.append(find(one, **alike))
    names = _names(found)
    compared = None
    if len(found) > 1:
        compared = side_by_side(found, names, deadlines=deadlines, time=time, allow=allow)
    page = _render(found, names, compared)
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path(out).write_text(page, encoding="utf-8", newline="\n")
    except OSError as cause:
        raise StoreError(f"{str(out)!r} cannot be written: {cause.strerror}") from cause
    return Path(out)


def _render(found: Sequence[Findings], names: Sequence[str], compared: SideBySide | None) -> str:
    """The page as text."""
    data = {
        "themes": {
            "light": theme(LIGHT),
            "dark": theme(DARK),
            "saved": theme(LIGHT, legends=True) | {"background": "white", "padding": 16},
        },
        "runs": [looked_up(one, name) for one, name in zip(found, names, strict=True)],
        "comparison": comparison_looked_up(compared) if compared else None,
    }
    script, vega = resource("page.js"), _vega()
    return template("page.html.jinja").render(
        title=" and ".join(names),
        css=Markup(resource("page.css")),  # noqa: S704 - our own file
        vega=Markup(vega),  # noqa: S704 - the bundle
        script=Markup(script),  # noqa: S704 - our own file
        policy=_policy(vega, script),
        data=_script_json(data),
        light=LIGHT,
        dark=DARK,
        runs=[section(one, name) for one, name in zip(found, names, strict=True)],
        comparison=comparison_section(compared) if compared else None,
        version=version("tailmark"),
    )


def _names(found: Sequence[Findings]) -> list[str]:
    """The runs' names, made distinct."""
    names: list[str] = []
    for one in found:
        name, number = one.run.name, 2
        while name in names:
            name, number = f"{one.run.name} ({number})", number + 1
        names.append(name)
    return names


def template(name: str) -> jinja2.Template:
    """A page's template; what is put into it is escaped."""
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(resource),
    )
    environment.filters["sentence_case"] = sentence_case
    return environment.get_template(name)


def resource(name: str) -> str:
    """A file of the pages' own."""
    return (files("tailmark.report") / "page" / name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    bundle: str = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE
    )
    return bundle.replace("</script", "<\\/script")


def _policy(*scripts: str) -> str:
    """The page's content security policy: these scripts, inline styles and pictures, no address.

    Vega compiles its expressions, hence ``unsafe-eval``; they come from our charts alone.
    """
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in scripts
    ]
    return (
        f"default-src 'none'; script-src {' '.join(hashes)} 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _script_json(data: object) -> Markup:
    """JSON that cannot end the script element it stands in; all but ASCII is escaped."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - no markup is left in it
