"""The page and its server. What the buttons do stands in `handlers.py`.

Nothing of a visitor lives here: texts and settings are in the browser, the chosen task, template and row in
the session (`gr.State`). All visitors share the model, which answers one of them at a time.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

import t2t

from . import handlers, panels
from .prompt_tab import build_prompt_tab
from .task_tab import REPORT_EVERY_EDIT, build_task_tab
from .theme import STYLE, build_theme

FOOTER = f"t2t {t2t.__version__} · what you type stays on the machine that runs this page"


def launch(
    *,
    model: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    tasks_dirs: Sequence[str | Path] = (),
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Load a model and serve the page until Ctrl-C.

    Args:
        model, device, dtype: as in `t2t.load`.
        host: the address to listen on; "0.0.0.0" opens the page to the network.
        auth: name and password that visitors have to give.
        tasks_dirs: folders of a user's own tasks, shown beside those of T2T_TASKS and the shipped ones.
        on_ready: is told the page's address; without it Gradio prints one.
    Raises: T2TError if the model cannot be had or the port is taken.
    """
    blocks = build_app(t2t.load(model, device=device, dtype=dtype), task_folders=t2t.task_folders(tasks_dirs))
    url = serve(blocks, host=host, port=port, auth=auth, quiet=on_ready is not None)
    try:
        if on_ready is not None:
            on_ready(url)
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


def serve(
    blocks: gr.Blocks,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    auth: tuple[str, str] | None = None,
    quiet: bool = True,
) -> str:
    """Start the server in threads of its own and return the page's address; `blocks.close()` ends it.

    Raises: T2TError if the port is taken.
    """
    try:
        _check_address(host, port)
        with _no_proxy(host):
            _, url, _ = blocks.launch(
                server_name=host,
                server_port=port,
                auth=auth,
                quiet=quiet,
                prevent_thread_lock=True,
                inbrowser=False,
                inline=False,
                theme=build_theme(),
                css_paths=STYLE,
                js=REPORT_EVERY_EDIT,
                footer_links=[],
                # Off, whatever the environment says: tunnels, processes, records of what visitors asked.
                share=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                run_history=False,
                enable_monitoring=False,
                max_file_size="1kb",  # Gradio always has an upload address; this page uploads nothing
            )
    except OSError as error:
        raise t2t.T2TError(
            f"the page cannot be served at {host}:{port}: {error}", mend="choose another address or port"
        ) from error
    return url


@contextmanager
def _no_proxy(host: str) -> Iterator[None]:
    """Gradio asks its own page whether it is up, of which a proxy for the web does not know.

    The process's environment says so meanwhile.
    """
    before = {name: os.environ.get(name) for name in ("no_proxy", "NO_PROXY")}
    own = ["localhost", "127.0.0.1", host.strip("[]")]
    try:
        for name, value in before.items():
            os.environ[name] = ",".join([value, *own] if value else own)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)  # on Windows both are one variable
            else:
                os.environ[name] = value


def _check_address(host: str, port: int) -> None:
    """Raises: OSError if nobody can listen there. Gradio would say so too, but leave a socket open."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    socket.create_server((host.strip("[]"), port), family=family).close()


def build_app(model: t2t.Text2Text, *, task_folders: handlers.Folders = ()) -> gr.Blocks:
    """The page for one model.

    Args:
        task_folders: where task files are looked for; none means the ones that ship with t2t.
    """
    with gr.Blocks(title="t2t", analytics_enabled=False) as blocks:
        gr.HTML(
            panels.head_panel(handlers.describe_model(model)), apply_default_css=False, elem_id="t2t-head"
        )
        with gr.Tab("Free prompt", id="prompt"):
            build_prompt_tab(model)
        with gr.Tab("Task", id="task"):
            build_task_tab(blocks, model, task_folders)
        gr.HTML(FOOTER, apply_default_css=False, elem_id="t2t-foot")
    return blocks
