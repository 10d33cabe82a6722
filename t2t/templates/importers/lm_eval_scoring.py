"""How tasks of lm-evaluation-harness are scored: their metrics by our names, and notes on what differs.

    metric_list: [{metric: exact_match}]                      accuracy, which is as strict
    metric_list: [{metric: exact_match, ignore_case: true}]   exact_match, noted: it ignores more than case
    metric_list: [{metric: mcc}]                              noted as not scored here
    process_results: !function f.g                            noted
    filter_list: [{filter: [{function: regex}]}]              noted

Files in that format are written by many hands: what is no list where one should be is passed over.
"""

from collections.abc import Mapping
from typing import Any

METRICS = {  # f1 and exact_match are in `metric_of`
    "acc": "accuracy",
    "acc_norm": "accuracy",
    "bleu": "bleu",
    "rouge": "rouge_l",
    "rougeL": "rouge_l",
}
NORMALISING = ("ignore_case", "ignore_punctuation")  # options of exact_match, which is strict without them
LOOSENING = (*NORMALISING, "ignore_numbers", "regexes_to_ignore")
PLAIN_FILTERS = ("take_first", "remove_whitespace")  # of answers; these do what happens here anyway


class PythonName(str):
    """The name of a function that a task calls."""


def metric_entries(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a task's metric_list that name a metric."""
    return [entry for entry in _mappings(config.get("metric_list")) if entry.get("metric")]


def _mappings(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def metric_of(entry: Mapping[str, Any], *, has_choices: bool) -> str | None:
    """Our metric for one of the harness; None where there is none."""
    if entry["metric"] == "exact_match":
        return "exact_match" if any(entry.get(option) for option in NORMALISING) else "accuracy"
    if entry["metric"] == "f1":
        return "macro_f1" if has_choices else "squad_f1"
    return METRICS.get(str(entry["metric"]))


def _metric_notes(config: Mapping[str, Any]) -> list[str]:
    notes = []
    entries = metric_entries(config)
    if dropped := [str(entry["metric"]) for entry in entries if metric_of(entry, has_choices=True) is None]:
        notes.append(f"has metrics that are not scored here: {', '.join(dropped)}")
    for entry in entries:
        if entry["metric"] == "acc_norm":
            notes.append("has the metric acc_norm, which is accuracy with --length-norm mean_byte here")
        options = [option for option in LOOSENING if entry.get(option)]
        if entry["metric"] == "exact_match" and options:
            here = (
                "exact_match, which ignores case, punctuation and articles"
                if metric_of(entry, has_choices=True) == "exact_match"
                else "accuracy, which ignores nothing"
            )
            notes.append(f"has exact_match with {', '.join(options)}; here it is {here}")
    return notes


def scoring_notes(config: Mapping[str, Any]) -> list[str]:
    """How the harness scores answers in other ways than this package, as phrases."""
    notes = _metric_notes(config)
    if isinstance(config.get("process_results"), PythonName):
        notes.append("is scored by a Python function there")
    filters = [
        str(step.get("function"))
        for entry in _mappings(config.get("filter_list"))
        for step in _mappings(entry.get("filter"))
    ]
    if found := dict.fromkeys(name for name in filters if name not in PLAIN_FILTERS):
        notes.append(f"filters answers before they are scored there: {', '.join(found)}")
    return notes
