"""What both tabs share: the settings, and how events wait for one another."""

from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr

from .handlers import LengthNorm, Settings

# What is asked, chosen or typed while an event is under way counts: by Gradio's default ("once") it is
# dropped, say a task chosen while the page loads.
EVENT: dict[str, Any] = {"trigger_mode": "always_last", "api_visibility": "private"}
# One request at a time for the model; the others wait in line, and the page shows their place.
MODEL_EVENT = {**EVENT, "concurrency_id": "model", "concurrency_limit": 1}
# Renderings take milliseconds: they neither wait for the model nor blink.
INSTANT_EVENT = {**EVENT, "queue": False, "show_progress": "hidden"}
# Only an event of the queue tells the page of the states that it changed. One comes after the other: of two
# at once, the later to end would undo what the other changed.
STATE_EVENT = {**EVENT, "concurrency_id": "state", "concurrency_limit": 1, "show_progress": "hidden"}


@dataclass(frozen=True, eq=False)
class Answered:
    """A state of the session: a question as it stood in the page, and the panel with its answer.

    Gradio tells the page of a new value only if it differs from the old one: here every value does, also
    where it says the same (hence `eq=False`).
    """

    question: tuple[Any, ...]
    panel: str


def settings_components() -> list[gr.components.Component]:
    """The components of `Settings`, in its order, folded away."""
    defaults = Settings()
    with gr.Accordion("Settings", open=False):
        length_norm = gr.Radio(
            list(get_args(LengthNorm)),
            value=defaults.length_norm,
            label="Length norm",
            info="How choices of different lengths are compared.",
        )
        max_new_tokens = gr.Slider(
            1, 256, value=defaults.max_new_tokens, step=1, precision=0, label="Tokens to write at most"
        )
        temperature = gr.Slider(
            0,
            2,
            value=defaults.temperature,
            step=0.1,
            label="Temperature",
            info="0 writes the likeliest text.",
        )
    return [length_norm, max_new_tokens, temperature]
