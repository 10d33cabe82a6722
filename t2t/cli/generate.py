"""`t2t generate`: let the model write an answer."""

from typing import Annotated

import typer

from t2t.cli.options import (
    AdapterOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    MaxNewTokensOption,
    ModelOption,
    SeedOption,
    example,
)
from t2t.cli.output import print_json
from t2t.cli.predictions import prediction_document, print_prediction, text_or_stdin

EXAMPLE = example('t2t generate "What is the capital of France?" --max-new-tokens 20')


def generate(
    text: Annotated[str, typer.Argument(metavar="TEXT", help='What the model reads; "-" is standard input.')],
    max_new_tokens: MaxNewTokensOption = 64,
    num_beams: Annotated[int, typer.Option(min=1, help="Hypotheses of beam search; 1 is none.")] = 1,
    temperature: Annotated[
        float | None, typer.Option(help="Sample at this temperature. Default: take the likeliest token.")
    ] = None,
    top_p: Annotated[
        float, typer.Option(help="Sample among the likeliest tokens that hold this share of probability.")
    ] = 1.0,
    seed: SeedOption = 0,
    model: ModelOption = None,
    adapter: AdapterOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Write an answer to a text. Greedily, with beams, or by sampling."""
    from t2t.inference import Text2Text

    source = text_or_stdin(text)
    loaded = Text2Text.load(model, device=device, dtype=dtype, adapter=adapter)
    prediction = loaded.generate(
        source,
        max_new_tokens=max_new_tokens,
        num_beams=num_beams,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
    )
    if as_json:
        print_json(prediction_document(prediction))
    else:
        print_prediction(prediction)
