"""The tab for tasks: a task, a template and a sample row become the text that the model reads.

What is chosen is kept in the session as `Opened`. Every template reads columns of its own, so the text
boxes are named and filled anew when the choice changes; what is typed shows in the source at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import gradio as gr

import t2t

from . import handlers, panels
from .handlers import Choice, Settings, Shots
from .parts import INSTANT_EVENT, MODEL_EVENT, STATE_EVENT, Answered, settings_components

# What a session begins with: for a moment that of a new page, for good that of a page older than the server.
NOTHING_OPEN = t2t.T2TError(
    "no task is open", mend="wait a moment, or reload the page if the server was started anew meanwhile"
)


@dataclass(frozen=True, eq=False)  # as `Answered`
class Opened:
    """What the page shows of the tasks.

    Attributes:
        choice: None where there is none, or its file cannot be read.
        fault: the panel that says why there is no choice.
        shown: the columns and texts that the boxes were filled with, of the sample row.
    """

    choice: Choice | None
    fault: str = panels.EMPTY
    shown: Mapping[str, str] = field(default_factory=dict)


# Boxes are made in advance, and shown as far as they are needed: those that `gr.render` adds to a page
# would have to be wired anew for every row. No shipped template reads more than five columns; those of
# `t2t new` may read twelve.
NUM_BOXES = 12

# Gradio's `input` comes when a key is pressed in a text box, and so misses pasting and deleting: this runs in
# the browser and makes a key press of every edit. (Its `change` is no way out. It comes also when the program
# fills the boxes, one after another, with rows that are half old and half new.)
REPORT_EVERY_EDIT = """() => document.addEventListener("input", (event) => {
    if (event.target.matches("#task-fields textarea"))
        event.target.dispatchEvent(new KeyboardEvent("keypress", {bubbles: true}));
})"""


def build_task_tab(blocks: gr.Blocks, model: t2t.Text2Text, folders: handlers.Folders) -> None:
    """Lay out the tab and wire it to the model."""
    tasks = handlers.list_tasks(folders)
    opened = gr.State(Opened(None, panels.mistake_panel(NOTHING_OPEN)))
    answered = gr.State(Answered((), panels.EMPTY))  # the latest
    with gr.Row():
        task = gr.Dropdown(
            tasks,
            value=handlers.first_task(tasks, folders),
            label="Task",
            min_width=240,
            elem_id="task-name",
        )
        template = gr.Dropdown([], label="Template", min_width=240, elem_id="task-template")
    about = gr.Markdown(elem_id="task-about")
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Column(elem_id="task-fields"):
                boxes = [gr.Textbox(visible=False, lines=2, max_lines=12) for _ in range(NUM_BOXES)]
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
            result = gr.HTML(panels.EMPTY, apply_default_css=False, elem_id="task-result")

    def on_load() -> Any:
        """A task that was added since the page was built is in the list of the next visit."""
        try:
            return gr.Dropdown(handlers.list_tasks(folders))
        except t2t.T2TError:  # two files of one name: the old list serves until that is mended
            return gr.skip()

    def on_task(name: str, before: Opened) -> dict[Any, Any]:
        if before.choice is not None and before.choice.task == name:
            return gr.skip()  # a list that loses the focus may say its choice again
        try:
            file = handlers.read_task(name, folders)
        except t2t.T2TError as error:
            return {opened: Opened(None, panels.mistake_panel(error)), about: ""}
        chosen = Choice(name, file.templates[0].name)
        most = handlers.max_shots(file)
        return {
            about: file.description,
            template: gr.Dropdown([each.name for each in file.templates], value=chosen.template),
            shots: gr.Slider(maximum=most, value=0, visible=most > 0),
            **open_row(file, chosen),
        }

    def on_template(before: Opened, name: str, *texts: str | None) -> dict[Any, Any]:
        """The same row under another template, with what was typed into the columns that both read."""
        return reopen(before, texts, template=name)

    def on_another(before: Opened) -> dict[Any, Any]:
        return reopen(before, row=before.choice.row + 1 if before.choice else 0)

    def reopen(before: Opened, texts: Sequence[str | None] = (), **change: Any) -> dict[Any, Any]:
        """Another row or template of the open task; the boxes stay if it is the old one, or unreadable."""
        if before.choice is None or before.choice == (chosen := replace(before.choice, **change)):
            return {opened: replace(before)}
        try:
            file = handlers.read_task(chosen.task, folders)
        except t2t.T2TError:  # `on_change` meets it again, and tells
            return {opened: replace(before)}
        return open_row(file, chosen, handlers.typed_texts(before.shown, texts))

    def open_row(
        file: t2t.TaskFile, chosen: Choice, typed: Mapping[str, str] | None = None
    ) -> dict[Any, Any]:
        """The updates that put a sample row into the boxes; `on_change` shows what the model reads of it."""
        try:
            fields = handlers.row_fields(file, chosen)
        except t2t.T2TError:  # as above
            return {opened: Opened(chosen)}
        kept = {name: text for name, text in (typed or {}).items() if name in fields}
        filled_boxes = zip(boxes, _filled_boxes(fields | kept), strict=True)
        return {opened: Opened(chosen, shown=fields), **dict(filled_boxes)}

    def typed_query(chosen: Choice, texts: Sequence[str]) -> handlers.Query:
        """The row as it stands in the boxes."""
        file = handlers.read_task(chosen.task, folders)
        names = handlers.row_fields(file, chosen)
        return handlers.make_query(file, chosen, dict(zip(names, texts, strict=False)))

    def on_change(
        latest: Answered, now: Opened, number: int, seed_value: int | None, *texts: str
    ) -> dict[Any, Any]:
        """What the model would read now, with the answer if this is what it answered last.

        Every change comes here, one event after another, and the last reads what the page holds then: of
        several writers, the slowest would have the last word.
        """
        if now.choice is None:
            return {source: "", result: now.fault}
        try:
            text = handlers.render_source(typed_query(now.choice, texts), _shots(number, seed_value))
        except t2t.T2TError as error:
            return {source: "", result: panels.mistake_panel(error)}
        is_answered = latest.question == (now.choice, number, seed_value, *texts)
        return {source: text, result: latest.panel if is_answered else panels.EMPTY}

    def ask(
        values: Sequence[Any], show: Callable[[list[handlers.TaskAnswer]], str], *, all_templates: bool
    ) -> Answered:
        """With what the model said, or with the user's mistake."""
        length_norm, max_new_tokens, temperature, now, number, seed_value, *texts = values
        question = (now.choice, number, seed_value, *texts)
        try:
            if now.choice is None:
                return Answered(question, now.fault)
            answers = handlers.answer_query(
                model,
                typed_query(now.choice, texts),
                _shots(number, seed_value),
                Settings(length_norm, max_new_tokens, temperature),
                all_templates=all_templates,
            )
        except t2t.T2TError as error:
            return Answered(question, panels.mistake_panel(error))
        return Answered(question, show(answers))

    def on_answer(*values: Any) -> Answered:
        return ask(values, lambda answers: panels.answer_panel(answers[0]), all_templates=False)

    def on_compare(*values: Any) -> Answered:
        return ask(values, panels.comparison_panel, all_templates=True)

    filled = [opened, about, template, shots, *boxes]
    blocks.load(on_load, None, task, **INSTANT_EVENT)
    gr.on([blocks.load, task.input], on_task, [task, opened], filled, **STATE_EVENT)
    template.input(on_template, [opened, template, *boxes], filled, **STATE_EVENT)
    another.click(on_another, opened, filled, **STATE_EVENT)
    question = [opened, shots, seed, *boxes]
    asked = [*settings, *question]
    asking: dict[str, Any] = {**MODEL_EVENT, "show_progress_on": result}
    gr.on([answer.click, *(box.submit for box in boxes)], on_answer, asked, answered, **asking)
    compare.click(on_compare, asked, answered, **asking)
    changes = [opened.change, shots.input, seed.change, *(box.input for box in boxes), answered.change]
    gr.on(changes, on_change, [answered, *question], [source, result], **INSTANT_EVENT)


def _filled_boxes(fields: Mapping[str, str]) -> list[gr.Textbox]:
    """One update for each box: its column's name and text; the boxes left over are hidden."""
    num_more = max(0, len(fields) - NUM_BOXES)
    note = f"{num_more} more columns keep what the sample row says." if num_more else None
    shown = [
        gr.Textbox(text, label=name, info=note if index == NUM_BOXES - 1 else None, visible=True)
        for index, (name, text) in enumerate(islice(fields.items(), NUM_BOXES))
    ]
    return shown + [gr.Textbox("", visible=False) for _ in range(NUM_BOXES - len(shown))]


def _shots(number: int, seed: int | None) -> Shots:
    return Shots(int(number), seed or 0)  # a cleared number field is None
