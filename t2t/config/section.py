"""What all sections of a run's YAML have in common."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo

Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]

# Validation context of a config that was kept in full, as run.json has it: nobody chose all it names.
RESOLVED: Mapping[str, bool] = {"is_resolved": True}


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def _is_given(self, name: str, info: ValidationInfo) -> bool:
        """Whether someone gave this option a value, be it the default."""
        return name in self.model_fields_set and info.context != RESOLVED
