"""What a run's YAML may say: one strict model for each kind of run, `PretrainConfig` and `FinetuneConfig`.

A value comes from the command line (`optim.lr=0.01`), else from the YAML file, else from the default here.
`load_config` also gives the origin of every value, which a run keeps in `run.json`. Unknown keys, wrong types
and values out of range are reported together. Paths are relative to the working directory.

    section.py          strict sections, and numbers in their ranges
    objective.py        what pretraining hides and asks for
    training.py         optimizer, learning rate, length and rhythm of any run
    regularization.py   what keeps any run from learning by heart
    runs.py             the two kinds of runs, made of these
    load.py             YAML and overrides to a config
"""

from t2t.config.load import diff_configs, load_config
from t2t.config.objective import (
    OBJECTIVE_PARAMETERS,
    MixMemberConfig,
    ObjectiveConfig,
    ObjectiveName,
    SingleObjectiveConfig,
)
from t2t.config.regularization import RegularizationConfig
from t2t.config.runs import (
    AdapterConfig,
    BucketingConfig,
    DenoisingConfig,
    FinetuneConfig,
    FinetuneModelConfig,
    LengthsConfig,
    MixtureConfig,
    ModelConfig,
    PretrainConfig,
    PretrainDataConfig,
    ShotsConfig,
)
from t2t.config.section import Section
from t2t.config.training import (
    EarlyStoppingConfig,
    OptimConfig,
    ScheduleConfig,
    TrainingConfig,
    ValidationConfig,
)

__all__ = [
    "OBJECTIVE_PARAMETERS",
    "AdapterConfig",
    "BucketingConfig",
    "DenoisingConfig",
    "EarlyStoppingConfig",
    "FinetuneConfig",
    "FinetuneModelConfig",
    "LengthsConfig",
    "MixMemberConfig",
    "MixtureConfig",
    "ModelConfig",
    "ObjectiveConfig",
    "ObjectiveName",
    "OptimConfig",
    "PretrainConfig",
    "PretrainDataConfig",
    "RegularizationConfig",
    "ScheduleConfig",
    "Section",
    "ShotsConfig",
    "SingleObjectiveConfig",
    "TrainingConfig",
    "ValidationConfig",
    "diff_configs",
    "load_config",
]
