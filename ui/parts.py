"""What both tabs share: the settings, how long an event may take, and mistakes shown in the page."""

from collections.abc import Callable
from typing import Any, get_args

import gradio as gr

import t2t

from . import panels
from .handlers import LengthNorm, Settings

# One request at a time for the model; the others wait in line, and the page shows their place.
MODEL_EVENT: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1, "api_visibility": "private"}
# Renderings take milliseconds: they neither wait for the model nor blink. What is chosen or typed while one
# is under way counts: by Gradio's default ("once") it is dropped, say a task chosen while the page loads.
INSTANT_EVENT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    "api_visibility": "private",
}


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


def or_mistake(make_panel: Callable[[], str]) -> str:
    """The panel, or the mistake of the user that kept it from being made."""
    try:
        return make_panel()
    except t2t.T2TError as error:
        return panels.mistake_panel(error)
