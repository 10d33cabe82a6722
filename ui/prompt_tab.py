"""The tab for free prompts: a text, answer choices if there are any, the answer."""

from typing import Any

import gradio as gr

import t2t

from . import handlers, panels
from .examples import EXAMPLES
from .handlers import Settings
from .parts import INSTANT_EVENT, MODEL_EVENT, Answered, settings_components


def build_prompt_tab(model: t2t.Text2Text) -> None:
    """Lay out the tab and wire it to the model."""
    answered = gr.State(Answered((), panels.EMPTY))  # the latest
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            prompt = gr.Textbox(
                label="Prompt",
                info="Shift + Enter answers.",
                placeholder="Is this review positive or negative? I loved it.",
                lines=6,
                max_lines=20,
                elem_id="prompt-text",
            )
            choices = gr.Textbox(
                label="Answer choices",
                info="One per line. Leave empty to let the model write.",
                placeholder="positive\nnegative",
                lines=3,
                max_lines=12,
                elem_id="prompt-choices",
            )
            answer = gr.Button("Answer", variant="primary", elem_id="prompt-answer")
            settings = settings_components()
        with gr.Column(scale=5, min_width=320):
            result = gr.HTML(panels.EMPTY, apply_default_css=False, elem_id="prompt-result")
            gr.Examples(
                [[text, lines] for _, text, lines in EXAMPLES],
                [prompt, choices],
                label="Try one of these",
                example_labels=[label for label, _, _ in EXAMPLES],
                cache_examples=False,
                api_visibility="private",
            )

    def on_answer(text: str, lines: str, *values: Any) -> Answered:
        try:
            prediction = handlers.answer_prompt(model, text or "", lines or "", Settings(*values))
        except t2t.T2TError as error:
            return Answered((text, lines), panels.mistake_panel(error))
        return Answered((text, lines), panels.prediction_panel(prediction))

    def on_change(latest: Answered, text: str, lines: str) -> str:
        """The answer stands there as long as the question that it answers."""
        return latest.panel if latest.question == (text, lines) else panels.EMPTY

    gr.on(
        [answer.click, prompt.submit, choices.submit],
        on_answer,
        [prompt, choices, *settings],
        answered,
        **MODEL_EVENT,
        show_progress_on=result,
    )
    changes = [prompt.change, choices.change, answered.change]
    gr.on(changes, on_change, [answered, prompt, choices], result, **INSTANT_EVENT)
