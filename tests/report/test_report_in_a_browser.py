"""The page as its reader has it: opened from disk, offline, in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

import tailmark
from report.conftest import Open
from tailmark.analysis.at_deadline import AtDeadline
from tailmark.units import format_duration

pytestmark = pytest.mark.browser

PHONE = 390


def tile(page: Page, name: str) -> str:
    """The number under a tile's name."""
    return page.locator(".tiles > div").filter(has_text=name).locator("b").inner_text()


def slider(page: Page) -> Locator:
    """What chooses the deadline."""
    return page.get_by_role("slider", name="Deadline")


def readout(page: Page) -> str:
    """The chosen deadline, as the page prints it."""
    return page.locator(".readout").inner_text().replace("\u00a0", " ")


def chosen_ns(page: Page) -> int:
    """The chosen deadline itself."""
    return int(page.locator(".readout").get_attribute("data-ns") or "")


def expected(page: Page, run: tailmark.Run) -> AtDeadline:
    """What the analysis finds at the chosen deadline."""
    assert format_duration(chosen_ns(page), 4) == readout(page)
    return tailmark.summarize(run, deadlines=[chosen_ns(page)]).at[0]


def assert_tells(page: Page, run: tailmark.Run) -> None:
    """The tiles and the sentence say what the analysis finds at the chosen deadline."""
    at = expected(page, run)
    assert at.mean is not None
    assert at.mean.value is not None
    assert at.tail is not None
    assert at.tail[0.05].value is not None
    assert at.on_time.value is not None
    mean = f"{100 * at.mean.value:.1f}\u00a0%"
    assert tile(page, "on average") == mean
    assert page.locator(".sentence strong").inner_text() == mean
    assert tile(page, "worst 5 % of rounds") == f"{100 * at.tail[0.05].value:.1f}\u00a0%"
    assert tile(page, "on time") == f"{100 * at.on_time.value:.1f}\u00a0%"
    assert tile(page, "longest late streak") == str(at.longest_late_streak)


def test_the_page_opens_with_its_headline_and_its_plots(
    reading: Open, page: Path, run: tailmark.Run
) -> None:
    """From a double click, with no network: a sentence, four plots, the first deadline."""
    shown = reading(page)
    assert "At 1.2 ms this system delivers" in shown.locator("h1").inner_text().replace(
        "\u00a0", " "
    )
    assert shown.locator(".plot svg").count() == 4
    assert readout(shown) == "1.2 ms"
    assert_tells(shown, run)


def test_keys_move_the_deadline_one_measured_step_at_a_time(
    reading: Open, page: Path, run: tailmark.Run
) -> None:
    """Each step changes the readout, and every number is the analysis's at that deadline."""
    shown = reading(page)
    slider(shown).focus()
    seen = {chosen_ns(shown)}
    for key in ("ArrowRight", "PageDown", "ArrowUp", "End", "PageDown", "Home"):
        shown.keyboard.press(key)
        seen.add(chosen_ns(shown))
        assert_tells(shown, run)
        said = slider(shown).get_attribute("aria-valuetext") or ""
        assert said.replace("\u00a0", " ") == readout(shown)
    assert len(seen) == 7


def test_dragging_on_the_plot_moves_the_deadline(
    reading: Open, page: Path, run: tailmark.Run
) -> None:
    """A pull to the right is a later deadline with more delivered; the rule follows the pointer."""
    shown = reading(page)
    shown.locator(".canvas.quality-deadline").scroll_into_view_if_needed()
    box = shown.locator(".canvas.quality-deadline").bounding_box()
    assert box
    delivered = []
    shown.mouse.move(box["x"] + 0.15 * box["width"], box["y"] + 100)
    shown.mouse.down()
    for share in (0.2, 0.35, 0.8):
        pointer = box["x"] + share * box["width"]
        shown.mouse.move(pointer, box["y"] + 120)
        delivered.append(float(tile(shown, "on average").split("\u00a0")[0]))
        assert_tells(shown, run)
        thumb = thumb_x(shown)
        assert abs(thumb - pointer) < 25
    shown.mouse.up()
    assert delivered == sorted(delivered)
    assert delivered[0] < delivered[-1]
    shown.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 120)
    assert float(tile(shown, "on average").split("\u00a0")[0]) == delivered[-1]


def thumb_x(page: Page) -> float:
    """Where the slider's thumb is: its track is the plot's axis, half a thumb wider at each end."""
    box = slider(page).bounding_box()
    assert box
    return box["x"] + 9 + (box["width"] - 18) * int(slider(page).input_value()) / 10_000


def test_the_slider_takes_a_pointer_too(reading: Open, page: Path, run: tailmark.Run) -> None:
    """A press on its track chooses the nearest measured deadline."""
    shown = reading(page)
    before = readout(shown)
    slider(shown).scroll_into_view_if_needed()
    box = slider(shown).bounding_box()
    assert box
    shown.mouse.click(box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2)
    assert readout(shown) != before
    assert_tells(shown, run)


def test_the_plots_follow_the_deadline(reading: Open, page: Path, run: tailmark.Run) -> None:
    """The dots are the rounds at the chosen deadline; the loss split's parts are its shares."""
    shown = reading(page)
    shown.get_by_role("button", name="p90").click()
    at = expected(shown, run)
    assert at.loss is not None
    assert at.rounds is not None
    shown.wait_for_function(
        "document.querySelectorAll('.rounds svg .mark-symbol path').length === 80"
    )
    dots = shown.locator(".rounds svg .mark-symbol path")
    told = [dots.nth(k).get_attribute("aria-label") or "" for k in range(3)]
    assert told == [
        f"round: {r}; top-1 accuracy: {round(q, 4):g}" for r, q in enumerate(at.rounds[:3])
    ]
    parts = {
        line.inner_text().rsplit(" ", 1)[0].strip(): line.locator("b").inner_text()
        for line in shown.locator("[data-loss]:visible").all()
    }
    shares = [s for s in at.loss.values() if s >= 0.0005]
    assert list(parts.values()) == [f"{100 * s:.1f}\u00a0%" for s in shares]


def test_the_axis_can_be_linear(reading: Open, page: Path, run: tailmark.Run) -> None:
    """The slider stays under the rule, and the deadline where it was."""
    shown = reading(page)
    before = readout(shown)
    log = thumb_x(shown)
    shown.get_by_role("button", name="linear").click()
    shown.wait_for_function(f"{json.dumps(log)} !== 0")
    assert readout(shown) == before
    assert thumb_x(shown) != log
    assert_tells(shown, run)


def test_the_page_is_dark_at_night_and_on_request(reading: Open, page: Path) -> None:
    """The reader's preference decides first, then the button; plots change with the paper."""
    shown = reading(page)

    def paper() -> str:
        return str(shown.evaluate("getComputedStyle(document.body).backgroundColor"))

    def line() -> str | None:
        return shown.locator(".quality-deadline .mark-line path").last.get_attribute("stroke")

    light = (paper(), line())
    shown.get_by_role("button", name="Dark").click()
    shown.wait_for_function(
        f"document.querySelectorAll('.quality-deadline .mark-line path')[1]"
        f".getAttribute('stroke') !== {json.dumps(light[1])}"
    )
    dark = (paper(), line())
    assert dark[0] != light[0]
    shown.get_by_role("button", name="Light").click()
    assert paper() == light[0]
    assert reading(page, scheme="dark").get_by_role("button", name="Light").is_visible()


def test_the_page_fits_a_phone(reading: Open, page: Path) -> None:
    """Nothing reaches beyond 390 pixels, nor does any plot."""
    shown = reading(page, width=PHONE)
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE
    for plot in shown.locator(".plot svg").all():
        box = plot.bounding_box()
        assert box
        assert box["x"] + box["width"] <= PHONE


@pytest.mark.parametrize(("form", "begins"), [("SVG", b"<svg"), ("PNG", b"\x89PNG")])
def test_each_plot_can_be_saved(reading: Open, page: Path, form: str, begins: bytes) -> None:
    """As a file of its own, named after the run and the plot."""
    shown = reading(page)
    button = shown.locator("[data-plot=loss]").get_by_role("button", name=f"Save as {form}")
    with shown.expect_download() as downloading:
        button.click()
    file = downloading.value
    assert file.suggested_filename == f"run-loss.{form.lower()}"
    assert Path(file.path()).read_bytes().startswith(begins)


def test_paper_is_light_whatever_the_screen_is(reading: Open, page: Path, tmp_path: Path) -> None:
    """Printing redraws the plots for paper, before a page is laid out, and puts them back."""
    shown = reading(page, scheme="dark")
    night = shown.locator(".quality-deadline .mark-line path").last.get_attribute("stroke")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    day = shown.locator(".quality-deadline .mark-line path").last.get_attribute("stroke")
    assert day != night
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    shown.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000


def test_what_is_on_demand_unfolds_with_its_plot(reading: Open, page: Path) -> None:
    """The sentence is there at once; the forecast is drawn when it is seen."""
    shown = reading(page)
    fold = shown.locator("details.fold").filter(has_text="The rounds to come")
    assert fold.locator(".told").is_visible()
    assert not fold.locator("table").is_visible()
    assert fold.locator("svg.marks").count() == 0
    fold.locator("summary").click()
    fold.locator("svg.marks").wait_for()
    assert fold.locator("table").is_visible()
    box = fold.locator("svg.marks").bounding_box()
    assert box
    assert box["width"] > 300


def test_paper_shows_what_the_screen_folds(reading: Open, page: Path) -> None:
    """Before printing all is unfolded and drawn; afterwards it is as the reader had it."""
    shown = reading(page)
    folds = shown.locator("details.fold")
    assert folds.count() > 0
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.locator("details.fold[open]").count() == folds.count()
    assert shown.locator("[data-plot=forecast] svg.marks").count() == 1
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    assert shown.locator("details.fold[open]").count() == 0


def test_four_runs_move_together_above(
    reading: Open, four: list[tailmark.Run], four_page: Path
) -> None:
    """The slider above moves rule, strips and table; each number is the analysis's there."""
    shown = reading(four_page)
    above = shown.locator(".side-by-side")
    rows = above.locator(".abreast tbody tr")
    assert above.locator(".plot svg.marks").count() == 3
    assert rows.count() == 4
    assert above.locator(".strips svg .mark-symbol path").count() == 4 * 24
    # Of the two runs that are compared: by each of its four numbers.
    assert above.locator(".abreast .badge:visible").count() == 2 * 4
    above.get_by_role("slider", name="Deadline").focus()
    for key in ("ArrowRight", "PageUp", "Home"):
        shown.keyboard.press(key)
        ns = int(above.locator(".readout").get_attribute("data-ns") or "")
        for run, row in zip(four, rows.all(), strict=True):
            mean = tailmark.summarize(run, deadlines=[ns]).at[0].mean
            assert mean is not None
            assert mean.value is not None
            assert row.locator("b").first.inner_text() == f"{100 * mean.value:.1f}\u00a0%"
        assert above.locator("[data-cell] .difference:visible").count() == 0
    above.get_by_role("button", name="p90").click()
    assert above.locator("[data-cell] .difference:visible").count() == 2 * 2
    assert above.locator("[data-cell] .badge:visible").count() == 2 * 2
    p90 = int(above.locator(".readout").get_attribute("data-ns") or "")
    rounds = tailmark.summarize(four[1], deadlines=[p90]).at[0].rounds
    assert rounds is not None
    for r, q in enumerate(rounds[:3]):
        begins, ends = f"top-1 accuracy: {q:g}; run: two;", f"; round: {r}"
        dot = above.locator(f'.strips path[aria-label^="{begins}"][aria-label$="{ends}"]')
        dot.wait_for(state="attached")
    below = shown.locator(".run .readout").all_inner_texts()
    assert [text.replace("\u00a0", " ") for text in below] == ["1.2 ms"] * 4


def test_four_runs_fit_a_phone(reading: Open, four_page: Path) -> None:
    """Nothing reaches beyond 390 pixels, unfolded or not."""
    shown = reading(four_page, width=PHONE)
    for summary in shown.locator(".side-by-side .fold > summary").all():
        summary.click()
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE
    for cell in shown.locator(".abreast td").all():
        box = cell.bounding_box()
        assert box
        assert box["x"] + box["width"] <= PHONE


def test_several_runs_move_apart(
    reading: Open, measured: Callable[..., tailmark.Run], tmp_path: Path
) -> None:
    """Each run's section has a deadline of its own, under one comparison."""
    runs = [measured(name="a"), measured(name="b", references=False)]
    shown = reading(tailmark.write_report(runs, tmp_path / "report.html"))
    assert shown.locator("[data-plot=comparison] svg").count() == 1
    assert shown.locator(".abreast tbody tr").count() == 2
    sliders = shown.locator(".run").get_by_role("slider", name="Deadline")
    assert sliders.count() == 2
    before = shown.locator(".run .readout").all_inner_texts()
    sliders.nth(1).focus()
    shown.keyboard.press("PageUp")
    after = shown.locator(".run .readout").all_inner_texts()
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False]
