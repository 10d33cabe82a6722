"""The browser UI of t2t: a page to try prompts and tasks on one loaded model.

    handlers.py   what the page does: plain functions, without Gradio
    panels.py     what an answer, a comparison or a mistake looks like, as HTML
    examples.py   prompts to start from
    theme.py      colours, fonts of the reader's own system, style.css
    parts.py      what both tabs share
    prompt_tab.py, task_tab.py   layout and wiring of the tabs
    app.py        the page and its server: build_app, serve, launch

It works offline: fonts, scripts and styles come from this machine, and nothing is reported anywhere.
"""
