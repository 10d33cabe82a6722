"""Scores of a model on tasks, each beside the majority answer and the guess, which need no model.

metrics.py          accuracy, macro F1, exact match, SQuAD F1, ROUGE-L
baselines.py        the majority answer and the guess among the choices
questions.py        which rows are asked through which templates: split, sample, demonstrations
evaluate.py         tasks x templates x shots x seeds -> Evaluation
results.py          answers -> results of single passes -> summaries of tasks
natural_instructions.py  the official scores of Super-NaturalInstructions
report.py           the JSON document, the table, and the folder of results
"""

from t2t.evaluation.evaluate import Evaluation, evaluate
from t2t.evaluation.metrics import METRICS, Metric
from t2t.evaluation.natural_instructions import official_scores, read_instances
from t2t.evaluation.results import Answer, Result, TaskSummary

__all__ = [
    "METRICS",
    "Answer",
    "Evaluation",
    "Metric",
    "Result",
    "TaskSummary",
    "evaluate",
    "official_scores",
    "read_instances",
]
