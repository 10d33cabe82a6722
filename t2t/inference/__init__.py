"""Answers from a model: ranked answer choices, generated text, log-likelihoods, whole tasks.

Its files, from the outside in:

    text2text.py     Text2Text, what users call
    task_prompts.py  rows of a task -> prompts, with demonstrations
    prompts.py       Prompt and Prediction, and how many prompts become few padded batches
    answering.py     the stream from prompts to predictions
    rank.py          log-likelihoods of answer choices
    generate.py      greedy decoding, beam search, sampling
"""

from t2t.inference.prompts import Prediction
from t2t.inference.text2text import Text2Text

__all__ = ["Prediction", "Text2Text"]
