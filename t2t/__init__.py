"""Text in, text out: NLP tasks as prompt templates, answered by one encoder-decoder.

    import t2t

    model = t2t.load()                                  # the starter; or a folder, or "google/flan-t5-base"
    model("Is this review positive or negative? I loved it.", choices=["positive", "negative"])
    model.run("rte", {"premise": "It rained.", "hypothesis": "It was wet."}, shots=2)

Names are imported when they are first used (PEP 562), so that `import t2t` takes milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from t2t.config import ObjectiveConfig
    from t2t.data.mixture import Mixture
    from t2t.data.task import Task
    from t2t.errors import T2TError
    from t2t.evaluation import Evaluation, evaluate, official_scores, read_instances
    from t2t.inference import Prediction, Text2Text
    from t2t.inference.task_prompts import task_prompts
    from t2t.model.adapters import AnyAdapter
    from t2t.templates.library import find_task_files, task_folders
    from t2t.templates.task_file import TaskFile
    from t2t.templates.template import RenderedExample, Template
    from t2t.training.chosen_tasks import load_mixture
    from t2t.training.pretrain import denoising_batches

__version__ = "0.1.0"

__all__ = [
    "Evaluation",
    "Mixture",
    "ObjectiveConfig",
    "Prediction",
    "RenderedExample",
    "T2TError",
    "Task",
    "TaskFile",
    "Template",
    "Text2Text",
    "denoising_batches",
    "evaluate",
    "find_task_files",
    "load",
    "load_mixture",
    "official_scores",
    "read_instances",
    "task_folders",
    "task_prompts",
]

_HOMES = {
    "Evaluation": "t2t.evaluation",
    "Mixture": "t2t.data.mixture",
    "ObjectiveConfig": "t2t.config",
    "Prediction": "t2t.inference",
    "RenderedExample": "t2t.templates.template",
    "T2TError": "t2t.errors",
    "Task": "t2t.data.task",
    "TaskFile": "t2t.templates.task_file",
    "Template": "t2t.templates.template",
    "Text2Text": "t2t.inference",
    "denoising_batches": "t2t.training.pretrain",
    "evaluate": "t2t.evaluation",
    "find_task_files": "t2t.templates.library",
    "official_scores": "t2t.evaluation",
    "read_instances": "t2t.evaluation",
    "load_mixture": "t2t.training.chosen_tasks",
    "task_folders": "t2t.templates.library",
    "task_prompts": "t2t.inference.task_prompts",
}


def load(
    name: "str | Path | None" = None,
    *,
    device: str = "auto",
    dtype: "str | torch.dtype" = "auto",
    adapter: "AnyAdapter | None" = None,
) -> "Text2Text":
    """Load a model by name: None for the starter that ships with t2t, a folder, or a Hub id.

    Args:
        device: "auto" takes CUDA before Apple's MPS before the CPU.
        dtype: "auto" is bfloat16 on CUDA devices that support it, else float32.
        adapter: folder or Hub id of an adapter; or several, as a list or under names of their own in a dict.
            The first is in use; `use_adapter` switches.
    Raises: ModelError if it cannot be had, or an adapter does not fit it.
    """
    from t2t.inference import Text2Text

    return Text2Text.load(name, device=device, dtype=dtype, adapter=adapter)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # the next look-up finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
