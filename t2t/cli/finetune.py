"""`t2t finetune`: train a model on a mixture of prompted tasks."""

from t2t.cli.options import example
from t2t.cli.training import (
    KeysOption,
    OverridesArgument,
    ResumeOption,
    RunArgument,
    SetOption,
    drawn_progress,
    end_run,
)

EXAMPLE = example("t2t finetune run.yaml training.num_steps=20 optim.lr=0.001")


def finetune(
    run: RunArgument,
    overrides: OverridesArgument = None,
    resume: ResumeOption = False,
    keys: KeysOption = False,
    set_value: SetOption = None,
) -> None:
    """Fine-tune a model on a mixture of tasks, as RUN.yaml says."""
    from t2t.config import FinetuneConfig, load_config
    from t2t.training.finetune import finetune as run_finetuning

    config, origins = load_config(FinetuneConfig, run, overrides or ())
    with drawn_progress("fine-tuning") as progress:
        outcome = run_finetuning(config, origins=origins, resume=resume, progress=progress)
    end_run(outcome, config.run_dir)
