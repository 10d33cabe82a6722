"""The tab for tasks: a task, a template and a sample row become the text that the model reads.

What is chosen is kept in the session as a `Choice`. When it changes, the text boxes of the row are built
anew, because every template reads columns of its own; what is typed into them shows in the source at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

import t2t

from . import handlers, panels
from .handlers import Choice, Settings, Shots
from .parts import INSTANT_EVENT, MODEL_EVENT, or_mistake, settings_components


def build_task_tab(blocks: gr.Blocks, model: t2t.Text2Text, folders: handlers.Folders) -> None:
    """Lay out the tab and wire it to the model."""
    tasks = handlers.list_tasks(folders)
    choice = gr.State()  # a Choice, or None while the chosen task's file is unreadable
    with gr.Row():
        task = gr.Dropdown(tasks, value=tasks[0][1], label="Task", elem_id="task-name")
        template = gr.Dropdown([], label="Template", elem_id="task-template")
    about = gr.Markdown(elem_id="task-about")
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            fields_place = gr.Column(elem_id="task-fields")
            another = gr.Button("Another sample row", elem_id="task-another")
            shots = gr.Slider(
                0,
                1,
                value=0,
                step=1,
                precision=0,
                label="Demonstrations",
                info="Solved sample rows in front of yours; 0 is zero-shot.",
                buttons=[],
                elem_id="task-shots",
            )
            seed = gr.Number(0, label="Seed", info="Another one draws other demonstrations.", precision=0)
            settings = settings_components()
        with gr.Column(scale=6, min_width=320):
            source = gr.Textbox(
                label="What the model reads",
                lines=4,
                max_lines=24,
                interactive=False,
                buttons=["copy"],
                elem_id="task-source",
            )
            with gr.Row():
                answer = gr.Button("Answer", variant="primary", min_width=120, elem_id="task-answer")
                compare = gr.Button("Compare all templates", min_width=120, elem_id="task-compare")
            result = gr.HTML(panels.EMPTY, elem_id="task-result")

    def preview(chosen: Choice, texts: Mapping[str, str] | None, shots_chosen: Shots) -> dict[Any, Any]:
        """What the model would read now. An older answer goes: it answered something else."""
        try:
            query = handlers.make_query(handlers.read_task(chosen.task, folders), chosen, texts)
            return {source: handlers.render_source(query, shots_chosen), result: panels.EMPTY}
        except t2t.T2TError as error:
            return {source: "", result: panels.mistake_panel(error)}

    def on_task(name: str) -> dict[Any, Any]:
        try:
            file = handlers.read_task(name, folders)
        except t2t.T2TError as error:
            return {choice: None, about: "", source: "", result: panels.mistake_panel(error)}
        chosen = Choice(name, file.templates[0].name)
        most = handlers.max_shots(file)
        return {
            choice: chosen,
            about: file.description,
            template: gr.Dropdown([each.name for each in file.templates], value=chosen.template),
            shots: gr.Slider(maximum=most, value=0, visible=most > 0),
            **preview(chosen, None, Shots()),
        }

    def on_template(name: str, chosen: Choice | None, number: int, seed_value: int | None) -> dict[Any, Any]:
        if chosen is None:
            return {}
        chosen = replace(chosen, template=name)
        return {choice: chosen, **preview(chosen, None, _shots(number, seed_value))}

    def on_another(chosen: Choice | None, number: int, seed_value: int | None) -> dict[Any, Any]:
        if chosen is None:
            return {}
        chosen = replace(chosen, row=chosen.row + 1)
        return {choice: chosen, **preview(chosen, None, _shots(number, seed_value))}

    def wire_fields(chosen: Choice) -> None:
        """Text boxes for the columns that the template reads, and everything that depends on them."""
        texts = handlers.row_fields(handlers.read_task(chosen.task, folders), chosen)
        boxes = [gr.Textbox(text, label=name, lines=1, max_lines=12) for name, text in texts.items()]

        def split(values: Sequence[Any]) -> tuple[dict[str, str], Shots, Settings]:
            """The values of `inputs`, told apart."""
            filled = dict(zip(texts, values[: len(boxes)], strict=True))
            number, seed_value, *rest = values[len(boxes) :]
            return filled, _shots(number, seed_value), Settings(*rest)

        def on_edit(*values: Any) -> dict[Any, Any]:
            filled, shots_chosen, _ = split(values)
            return preview(chosen, filled, shots_chosen)

        def answers(values: Sequence[Any], *, all_templates: bool) -> list[handlers.TaskAnswer]:
            filled, shots_chosen, settings_chosen = split(values)
            query = handlers.make_query(handlers.read_task(chosen.task, folders), chosen, filled)
            return handlers.answer_query(
                model, query, shots_chosen, settings_chosen, all_templates=all_templates
            )

        def on_answer(*values: Any) -> str:
            return or_mistake(lambda: panels.answer_panel(answers(values, all_templates=False)[0]))

        def on_compare(*values: Any) -> str:
            return or_mistake(lambda: panels.comparison_panel(answers(values, all_templates=True)))

        inputs = [*boxes, shots, seed, *settings]
        gr.on(
            [each.input for each in (*boxes, shots, seed)], on_edit, inputs, [source, result], **INSTANT_EVENT
        )
        gr.on([answer.click, *(box.submit for box in boxes)], on_answer, inputs, result, **MODEL_EVENT)
        compare.click(on_compare, inputs, result, **MODEL_EVENT)

    with fields_place:

        @gr.render([choice], queue=False, show_progress="hidden")
        def show_fields(chosen: Choice | None) -> None:
            if chosen is None:
                return
            try:
                wire_fields(chosen)
            except t2t.T2TError as error:
                gr.HTML(panels.mistake_panel(error))

    opened = [choice, about, template, shots, source, result]
    gr.on([blocks.load, task.input], on_task, task, opened, **INSTANT_EVENT)
    template.input(on_template, [template, choice, shots, seed], opened, **INSTANT_EVENT)
    another.click(on_another, [choice, shots, seed], opened, **INSTANT_EVENT)


def _shots(number: int, seed: int | None) -> Shots:
    return Shots(int(number), seed or 0)  # a cleared number field is None
