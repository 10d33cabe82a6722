"""`t2t pretrain`: train a model on raw text by denoising."""

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

EXAMPLE = example("t2t pretrain run.yaml training.num_steps=20 optim.lr=0.01")


def pretrain(
    run: RunArgument,
    overrides: OverridesArgument = None,
    resume: ResumeOption = False,
    keys: KeysOption = False,
    set_value: SetOption = None,
) -> None:
    """Pretrain a model by denoising, as RUN.yaml says."""
    from t2t.config import PretrainConfig, load_config
    from t2t.training.pretrain import pretrain as run_pretraining

    config, origins = load_config(PretrainConfig, run, overrides or ())
    with drawn_progress("pretraining") as progress:
        outcome = run_pretraining(config, origins=origins, resume=resume, progress=progress)
    end_run(outcome, config.run_dir)
