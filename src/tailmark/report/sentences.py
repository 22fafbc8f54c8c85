"""Findings in words."""

import re

from tailmark.analysis.at_deadline import AtDeadline
from tailmark.analysis.gate import Verdict
from tailmark.analysis.summary import Summary
from tailmark.quality.late import parse_policy
from tailmark.quality.requirement import LatencyRequirement
from tailmark.stats.estimate import Estimate
from tailmark.units import format_duration

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|(?:ns|µs|ms|s)\b)")
_MORE_THAN_CHANCE = 1.2
_NAMES = {
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "ap": "AP",
    "ap50": "AP at IoU .50",
    "ap75": "AP at IoU .75",
    "f1_weighted": "weighted F1",
    "f1_macro": "macro F1",
    "f1_micro": "micro F1",
    "mean_iou": "mean IoU",
    "exact_match": "exact match",
    "pixel_accuracy": "pixel accuracy",
    "hit_rate": "hit rate",
    "mrr": "MRR",
    "ndcg": "NDCG",
    "iou": "IoU",
    "mae": "1 − MAE/penalty",
    "rmse": "1 − RMSE/penalty",
    "matched_ap50": "AP at IoU .50",
    "matched_recall": "recall",
    "score": "score",
    "mean_accuracy": "mean accuracy",
}
_SETTINGS = re.compile(r"[@:]")
_POLICIES = {
    "fail": "late answers count as wrong",
    "drop": "late answers are left out",
    "stale": "a late answer is replaced by the newest one there was",
    "fallback": "a late answer is replaced by the fallback's, if that was on time",
    "linear": "a late answer loses its worth evenly over {fade}",
    "exponential": "a late answer keeps 37 % of its worth every {fade}",
    "penalty": "late answers count as wrong, and the whole is multiplied by the share on time",
}

LOSS_WORDS = {
    "delivered": "delivered",
    "wrong_in_time": "wrong in time",
    "right_late_in_queue": "right but late in the queue",
    "right_late_in_compute": "right but late in compute",
    "right_late_by_harness": "right but late by the harness",
    "wrong_and_late": "wrong and late",
    "failed": "failed",
    "imperfect": "not right by any deadline",
    "lost_in_queue": "lost in the queue",
    "lost_in_compute": "lost in compute",
    "lost_by_harness": "lost by the harness",
}


def metric_name(metric: str | None) -> str:
    """A metric as people say it: ``ndcg@10`` as ``NDCG@10``."""
    if metric is None:
        return "on time"
    name = _SETTINGS.split(metric, maxsplit=1)[0]
    settings = metric.removeprefix(name)
    said = _NAMES.get(name, name)
    return f"{said} ({settings[1:]})" if settings.startswith(":") else said + settings


def claim(metric: str | None) -> str:
    """Whose claim the quality without a deadline is: ``its accuracy``, ``its AP``."""
    return f"its {'accuracy' if (metric or 'top1').startswith('top') else metric_name(metric)}"


def sentence_case(text: str) -> str:
    """With a capital at the beginning, and the rest as it is: ``AP``, not ``Ap``."""
    return text[:1].upper() + text[1:]


def policy_words(policy: str) -> str:
    """A late policy in words."""
    read = parse_policy(policy)
    return _POLICIES[read.kind].format(fade=format_duration(read.fade_ns))


def hard_words(policy: str) -> str:
    """What the hard step is called beside a softer policy, or beside the penalty."""
    return "without the penalty" if policy == "penalty" else "if late is wrong"


def percent(share: float | None, digits: int = 1) -> str:
    """``0.712`` as ``71.2 %``."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def share_range(e: Estimate, digits: int = 1) -> str:
    """``68.9–73.0 %``; empty where there is no interval."""
    if e.low is None or e.high is None:
        return ""
    return f"{100 * e.low:.{digits}f}–{100 * e.high:.{digits}f} %"


def time_range(e: Estimate) -> str:
    """``4.9–5.2 ms``, or ``588 µs–4.5 ms``; empty where there is no interval."""
    if e.low is None or e.high is None:
        return ""
    low, high = format_duration(e.low), format_duration(e.high)
    number, _, unit = low.partition(" ")
    return f"{number}–{high}" if high.endswith(f" {unit}") else f"{low}–{high}"


def with_range(value: str, interval: str) -> str:
    """``71.2 % (68.9–73.0 %)``."""
    return f"{value} ({interval})" if interval else value


def share_interval(e: Estimate, digits: int = 1) -> str:
    """A share and its interval."""
    return with_range(percent(e.value, digits), share_range(e, digits))


def tied(text: str) -> str:
    """With no-break spaces between numbers and their units."""
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


def percentile_names(at: AtDeadline) -> str:
    """``p99`` where a deadline was asked for as a percentile; else empty."""
    return ", ".join(name for name in at.label.split(", ") if name.startswith("p"))


def deadline_name(at: AtDeadline) -> str:
    """``5 ms``, or ``p99 (5.06 ms)`` where it was asked for as a percentile."""
    asked, time = percentile_names(at), format_duration(at.deadline_ns)
    return with_range(asked, time) if asked else time


def headline(summary: Summary, at: AtDeadline | None = None) -> str:
    """What a manager reads: the worth at the deadline, beside the worth that is claimed."""
    at = at or summary.at[summary.first]
    by = f"At {deadline_name(at)} this system"
    if at.mean is None or at.tail is None or summary.ideal is None:
        return f"{by} answers {share_interval(at.on_time)} of its queries on time."
    claimed, tail = summary.ideal.value or 0.0, at.tail[0.05].value
    mean = at.mean.value
    if mean is None:
        return f"{by} answers nothing on time in some round, so no quality can be told."
    says = f"{by} delivers {share_interval(at.mean)}"
    if abs(claimed - mean) < 0.0005:
        says += f", all of the {percent(claimed)} {claim(summary.metric)} claims"
    else:
        says += f", not the {percent(claimed)} {claim(summary.metric)} claims"
    says += f"; in its worst {_worst(summary.rounds)} {percent(tail)}"
    if at.hard is not None:
        says += f"; {hard_words(summary.on_late)}, {share_interval(at.hard)}"
    return f"{says}."


def _worst(rounds: int) -> str:
    """What the 5 % quantile of so many rounds is: of fewer than 20, the worst round."""
    return "5 % of rounds" if rounds >= 20 else "round"


def sureness_sentence(summary: Summary) -> str:
    """What the intervals rest on."""
    steady = summary.steadiness
    rounds, worth = steady.rounds, round(steady.effective_rounds)
    if worth < rounds:
        says = f"{rounds} rounds are worth {worth} independent ones"
    else:
        says = f"{rounds} rounds show no dependence on each other"
    if steady.overdispersion is not None and steady.overdispersion >= _MORE_THAN_CHANCE:
        says += f" and differ {steady.overdispersion:.1f} times as much as chance would have them"
    these = f"these {summary.samples} samples"
    about = these if summary.about == "samples" else f"the population that {these} come from"
    return f"{says}; intervals are about {about}."


def verdict_sentence(verdict: Verdict) -> str:
    """A requirement and how the run stands to it; of several parts, to each."""
    parts = verdict.parts or (verdict,)
    says = [_part_sentence(one) for one in parts]
    if len(parts) > 1:
        says = [f"{text}: {one.outcome}" for text, one in zip(says, parts, strict=True)]
    says += [way_out(verdict)] if verdict.outcome == "undecided" else []
    return f"{verdict.outcome.upper()} – {'; '.join(says)}."


def _part_sentence(verdict: Verdict) -> str:
    wanted, e = verdict.requirement, verdict.estimate
    if isinstance(wanted, LatencyRequirement):
        asked = f"a p{wanted.percent:g} latency of {format_duration(wanted.bound_ns)} or less"
        value = with_range(format_duration(e.value), time_range(e))
        found = f"{value} (no interval: {e.reason})" if e.reason else value
        return f"required: {asked}; measured: {found}"
    of = "on average" if wanted.of == "mean" else "in its worst 5 % of rounds"
    share = f"{percent(verdict.target)} or more"
    if wanted.of_ideal:
        share += f" ({100 * wanted.quality:g} % of ideal)"
    return f"required: {share} at {wanted.at} {of}; measured: {share_interval(e)}"


def way_out(verdict: Verdict) -> str:
    """What would decide an undecided requirement."""
    if verdict.rounds_to_decide:
        return f"about {verdict.rounds_to_decide} rounds would decide"
    return "the value lies on the requirement itself, so no number of rounds decides"
