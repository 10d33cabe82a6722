"""The keyword options of `Text2Text`'s methods, for type checkers; what they mean stands in the methods."""

from typing import TypedDict

from t2t.inference.rank import LengthNorm
from t2t.inference.task_prompts import Rows


class SourceOptions(TypedDict, total=False):
    max_source_len: int | None
    batch_size: int


class RankOptions(SourceOptions, total=False):
    length_norm: LengthNorm


class DecodingOptions(SourceOptions, total=False):
    max_new_tokens: int
    num_beams: int
    temperature: float | None
    top_p: float


class GenerateOptions(DecodingOptions, total=False):
    seed: int | None


class AnswerOptions(RankOptions, GenerateOptions, total=False):
    pass


class RunOptions(RankOptions, DecodingOptions, total=False):
    shots: int
    demonstrations: Rows | None
    seed: int
