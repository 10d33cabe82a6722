"""Training: pretraining by denoising, fine-tuning on mixtures of tasks, one loop for both."""

from t2t.training.finetune import finetune
from t2t.training.pretrain import pretrain

__all__ = ["finetune", "pretrain"]
