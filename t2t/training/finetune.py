"""Fine-tune an encoder-decoder on a mixture of prompted tasks: `t2t finetune run.yaml`.

Rows of many tasks are rendered through many templates; the model learns to write the target of each. A task that
is held out is in no batch, so that it can be asked zero-shot afterwards.

Papers: Sanh et al. 2022, arXiv:2110.08207 (T0); Wei et al. 2022, arXiv:2109.01652 (Flan).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from t2t.config import FinetuneConfig, FinetuneModelConfig
from t2t.data.mixture import Mixture
from t2t.data.task import Task
from t2t.model import load_model
from t2t.training.batches import MixtureBatches
from t2t.training.loop import Metrics, Outcome, Progress
from t2t.training.run import Data, train_model
