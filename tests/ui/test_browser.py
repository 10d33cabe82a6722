"""The page in a real browser: Chromium without a window, driven by Playwright.

Whatever a test does, its page may talk to this machine only and may log no error (fixture `open_page`).
"""

import os
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest

import t2t
from t2t.model import save_model

IS_REQUIRED = os.environ.get("T2T_REQUIRE_BROWSER") == "1"
playwright_api = (import_module if IS_REQUIRED else pytest.importorskip)("playwright.sync_api")
expect = playwright_api.expect

pytestmark = [
    pytest.mark.browser,
    # Gradio's queue counts its events with two habits that pandas 3 is about to drop.
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated:DeprecationWarning"),
]

PATIENCE = 30_000  # milliseconds; a page that answers in one second may share its processor with other tests
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

WEATHER = """\
task: weather
cluster: talk
description: Is the weather nice or nasty?
labels: [nice, nasty]
metrics: [accuracy]
templates:
  - name: nice or nasty
    source: "{{report}} Is that {{ answer_choices | join(' or ') }}?"
    target: "{{ answer_choices[label] }}"
    answer_choices: [nice, nasty]
  - name: stay at home
    source: "{{place}}: {{report}} Shall we stay at home?"
    target: "{{ answer_choices[label] }}"
    answer_choices: ["no", "yes"]
examples:
  - {place: Riga, report: The sun shines., label: nice}
  - {place: Oslo, report: Hail all day., label: nasty}
  - {place: Bari, report: A mild breeze., label: nice}
  - {place: Graz, report: Fog and sleet., label: nasty}
"""

OPTIONS = """\
task: options
cluster: talk
description: Where does the ball go?
metrics: [accuracy]
templates:
  - name: where to
    source: "{{text}} Where does it go?"
    target: "{{ways[0]}}"
    answer_choices: "{{ways}}"
examples:
  - {text: He drops the ball., ways: [down, up]}
  - {text: She throws the ball into the sky., ways: [up, down]}
"""

WRONG_COLUMN = """\
task: wrong_column
cluster: talk
description: A template reads a column that no row has.
metrics: [exact_match]
templates:
  - {name: greet, source: "Hello {{nmae}}", target: "{{name}}"}
examples:
  - {name: Ada}
  - {name: Bo}
"""


@pytest.fixture(scope="module")
def contacted() -> Iterator[list[str]]:
    """Hosts beyond this machine that the server's process connects to."""
    hosts: list[str] = []
    connect = socket.socket.connect

    def recording_connect(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            hosts.append(str(address[0]))
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", recording_connect)
        yield hosts


@pytest.fixture(scope="module")
def tasks_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks") / "talk"
    folder.mkdir()
    for name, text in [("weather", WEATHER), ("options", OPTIONS), ("wrong_column", WRONG_COLUMN)]:
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder.parent


@pytest.fixture(scope="module")
def blocks(ui, tiny_model, tasks_folder):
    return ui.app.build_app(tiny_model, task_folders=(tasks_folder,))


@pytest.fixture(scope="module")
def address(ui, blocks, contacted) -> Iterator[str]:
    url = ui.app.serve(blocks, port=free_port())
    yield url
    blocks.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        reason = f"no Chromium on the PATH (looked for {', '.join(CHROMIUM_NAMES)})"
        if IS_REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, headless=True, args=CHROMIUM_OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, address):
    """Opens the page as a new visitor, with a session of its own."""
    contexts, hosts, errors = [], set(), []

    def open_one(width: int = 1280, height: int = 900):
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        expect(page.locator("#prompt-answer")).to_be_visible()
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert hosts - {None} == {"127.0.0.1"}  # data: and blob: addresses have no host
    assert errors == []


@pytest.fixture
def page(open_page):
    return open_page()


@pytest.fixture
def task_page(page):
    open_task(page, "weather")
    expect(source_of(page)).to_have_value("The sun shines. Is that nice or nasty?")  # comes last
    return page


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(page, prompt: str, choices: str = "") -> None:
    page.locator("#prompt-text textarea").fill(prompt)
    page.locator("#prompt-choices textarea").fill(choices)
    page.locator("#prompt-answer").click()


def open_task(page, name: str) -> None:
    page.get_by_role("tab", name="Task").click()
    page.locator("#task-name input").click()
    page.get_by_role("option", name=f"talk / {name}").click()


def choose_template(page, name: str) -> None:
    page.locator("#task-template input").click()
    page.get_by_role("option", name=name).click()


def set_shots(page, number: int) -> None:
    box = page.locator("#task-shots input[type=number]")
    box.fill(str(number))
    box.press("Tab")


@contextmanager
def rewritten(file: Path, text: str) -> Iterator[None]:
    """The file says this for a while."""
    before = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def source_of(page):
    return page.locator("#task-source textarea")


def percentages(page, result: str) -> list[float]:
    texts = page.locator(f"{result} .t2t-percent").all_inner_texts()
    return [float(text.removesuffix(" %").replace("< 0.1", "0")) for text in texts]


def test_the_head_names_the_model_and_its_size(page):
    expect(page).to_have_title("t2t")
    expect(page.locator("#t2t-head")).to_contain_text(re.compile(r"tiny, \d\.\d million parameters"))


def test_a_free_prompt_gets_a_bar_for_each_choice(page):
    ask(page, "Is that happy or sad?", "happy\nsad\nneither")
    expect(page.locator("#prompt-result .t2t-bar")).to_have_count(3)
    shares = percentages(page, "#prompt-result")
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)
    expect(page.locator("#prompt-result .t2t-note")).to_contain_text("tokens read")


def test_shift_enter_answers(page):
    page.locator("#prompt-choices textarea").fill("yes\nno")
    page.locator("#prompt-text textarea").fill("Is the tea cold?")
    page.locator("#prompt-text textarea").press("Shift+Enter")
    expect(page.locator("#prompt-result .t2t-bar")).to_have_count(2)


def test_a_free_prompt_without_choices_is_continued(page):
    ask(page, "What is 1 plus 2?")
    expect(page.locator("#prompt-result .t2t-note")).to_contain_text("log-likelihood")
    expect(page.locator("#prompt-result .t2t-bar")).to_have_count(0)


def test_an_example_fills_the_prompt(page):
    page.get_by_role("button", name="Sentiment").click()
    expect(page.locator("#prompt-choices textarea")).to_have_value("positive\nnegative")
    expect(page.locator("#prompt-text textarea")).to_have_value(re.compile("positive or negative"))


def test_the_answer_to_a_prompt_leaves_with_it(page):
    ask(page, "Is that happy or sad?", "happy\nsad\nneither")
    expect(page.locator("#prompt-result .t2t-bar")).to_have_count(3)
    page.get_by_role("button", name="Sentiment").click()
    expect(page.locator("#prompt-result")).to_have_text("The answer appears here.")


@pytest.mark.parametrize(
    ("prompt", "choices", "message"),
    [
        ("  ", "yes\nno", "The prompt is empty"),
        ("Is it?", "yes\n" + "no " * 1000, "has 2,999 characters, and may have 2,000"),
        ("Is it?", "yes", "the only answer choice"),
        ("Is it?", "yes\nyes", "An answer choice is there twice"),
    ],
)
def test_a_mistake_becomes_a_message(page, prompt, choices, message):
    ask(page, prompt, choices)
    expect(page.get_by_role("alert")).to_contain_text(message)


def test_a_prompt_that_was_cut_says_so(page):
    ask(page, "happy or sad " * 60, "yes\nno")
    expect(page.locator("#prompt-result .t2t-cut")).to_contain_text("The end was cut off.")


def test_braces_and_tags_are_shown_as_they_are_typed(page):
    ask(page, "{{ prompt }} ${value}", "{{value}} ${value}\n<b>bold</b>")
    choices = page.locator("#prompt-result .t2t-choice")
    expect(choices).to_have_count(2)
    assert sorted(choices.all_inner_texts()) == ["<b>bold</b>", "{{value}} ${value}"]


def test_the_first_task_is_rendered_once_its_tab_is_opened(page):
    page.get_by_role("tab", name="Task").click()
    expect(source_of(page)).to_have_value("He drops the ball. Where does it go?")


def test_a_sample_row_is_rendered_and_answered_zero_shot(task_page):
    task_page.locator("#task-answer").click()
    bars = task_page.locator("#task-result .t2t-bar")
    expect(bars).to_have_count(2)
    expect(bars.filter(has=task_page.locator(".t2t-label"))).to_contain_text("nice")
    expect(task_page.locator("#task-result .t2t-text")).to_contain_text(re.compile("right|wrong"))


def test_a_task_chosen_while_the_page_still_loads_is_opened(ui, open_page, monkeypatch):
    read_task = ui.handlers.read_task

    def read_slowly(name, folders):
        if name != "weather":  # the task that every page opens with
            time.sleep(3)
        return read_task(name, folders)

    monkeypatch.setattr(ui.handlers, "read_task", read_slowly)
    page = open_page()
    open_task(page, "weather")
    expect(source_of(page)).to_have_value("The sun shines. Is that nice or nasty?")


def test_a_task_that_is_named_again_stays_as_it_is(task_page):
    choose_template(task_page, "stay at home")
    expect(source_of(task_page)).to_have_value("Riga: The sun shines. Shall we stay at home?")
    name = task_page.locator("#task-name input")
    name.click()
    name.fill("weather")
    name.press("Enter")
    name.press("Tab")
    task_page.wait_for_timeout(500)  # milliseconds, for an event that would open it anew
    expect(source_of(task_page)).to_have_value("Riga: The sun shines. Shall we stay at home?")


def test_a_template_that_is_named_again_stays_as_it_is(task_page):
    task_page.locator("#task-fields textarea").fill("It pours.")
    expect(source_of(task_page)).to_have_value("It pours. Is that nice or nasty?")
    choose_template(task_page, "nice or nasty")
    task_page.wait_for_timeout(500)  # milliseconds, for an event that would open it anew
    expect(source_of(task_page)).to_have_value("It pours. Is that nice or nasty?")


def test_a_mended_file_is_read_with_the_next_choice(task_page, tasks_folder):
    with rewritten(tasks_folder / "talk" / "weather.yaml", WEATHER.replace("{{report}}", "{{reprot}}")):
        choose_template(task_page, "stay at home")
        expect(task_page.locator("#task-result")).to_contain_text('Did you mean "report"?')
    choose_template(task_page, "nice or nasty")
    expect(source_of(task_page)).to_have_value("The sun shines. Is that nice or nasty?")
    expect(task_page.locator("#task-result")).to_have_text("The answer appears here.")


def test_an_unreadable_file_leaves_the_row_as_it_is(task_page, tasks_folder):
    field = task_page.locator("#task-fields textarea")
    with rewritten(tasks_folder / "talk" / "weather.yaml", "templates: ["):
        task_page.locator("#task-another").click()
        expect(task_page.locator("#task-result")).to_contain_text("weather.yaml")
    expect(field).to_have_value("The sun shines.")
    choose_template(task_page, "nice or nasty")
    expect(source_of(task_page)).to_have_value("The sun shines. Is that nice or nasty?")
    task_page.locator("#task-answer").click()
    expect(task_page.locator("#task-result .t2t-label")).to_have_count(1)  # it is the row that the file has


def test_demonstrations_stand_before_the_query_and_never_hold_it(task_page):
    set_shots(task_page, 2)
    expect(source_of(task_page)).to_have_value(
        re.compile(
            r"^(?!The sun).+\?\nn\w+\n\n(?!The sun).+\?\nn\w+\n\nThe sun shines. Is that nice or nasty\?$"
        )
    )
    task_page.locator("#task-answer").click()
    expect(task_page.locator("#task-result .t2t-bar")).to_have_count(2)


def test_fields_follow_the_template_and_the_row(task_page):
    fields = task_page.locator("#task-fields textarea")
    expect(fields).to_have_count(1)
    choose_template(task_page, "stay at home")
    expect(fields).to_have_count(2)
    expect(source_of(task_page)).to_have_value("Riga: The sun shines. Shall we stay at home?")
    task_page.locator("#task-another").click()
    expect(fields.first).to_have_value("Oslo")
    expect(source_of(task_page)).to_have_value("Oslo: Hail all day. Shall we stay at home?")


def test_what_is_typed_stays_under_another_template(task_page):
    task_page.locator("#task-fields textarea").fill("It hails.")
    choose_template(task_page, "stay at home")
    expect(source_of(task_page)).to_have_value("Riga: It hails. Shall we stay at home?")
    choose_template(task_page, "nice or nasty")
    expect(source_of(task_page)).to_have_value("It hails. Is that nice or nasty?")
    task_page.locator("#task-another").click()
    expect(source_of(task_page)).to_have_value("Hail all day. Is that nice or nasty?")


def test_a_sample_row_that_changed_meanwhile_is_shown(task_page, tasks_folder):
    with rewritten(
        tasks_folder / "talk" / "weather.yaml", WEATHER.replace("The sun shines.", "Snow at last.")
    ):
        choose_template(task_page, "stay at home")
        expect(source_of(task_page)).to_have_value("Riga: Snow at last. Shall we stay at home?")


@pytest.mark.parametrize("button", ["#task-answer", "#task-another"])
def test_a_page_that_outlives_its_session_says_so(task_page, blocks, button):
    blocks.state_holder.session_data.clear()  # as after a new start
    task_page.locator(button).click()
    expect(task_page.get_by_role("alert")).to_contain_text("reload the page if the server was started anew")
    open_task(task_page, "options")
    expect(source_of(task_page)).to_have_value("He drops the ball. Where does it go?")


def test_typing_shows_in_the_source_and_drops_the_label(task_page):
    field = task_page.locator("#task-fields textarea")
    field.fill("It pours.")
    expect(source_of(task_page)).to_have_value("It pours. Is that nice or nasty?")
    field.press("Backspace")
    expect(source_of(task_page)).to_have_value("It pours Is that nice or nasty?")
    field.press("Shift+Enter")
    expect(task_page.locator("#task-result .t2t-bar")).to_have_count(2)
    expect(task_page.locator("#task-result .t2t-label")).to_have_count(0)


def test_an_answer_that_overtakes_the_rendering_of_its_question_stays(ui, task_page, monkeypatch):
    render_source, answer_query, answered = ui.handlers.render_source, ui.handlers.answer_query, Event()

    def render_later(query, shots):
        assert answered.wait(PATIENCE / 1000)
        return render_source(query, shots)

    def answer_first(*args, **kwargs):
        answers = answer_query(*args, **kwargs)
        threading.Timer(1, answered.set).start()  # seconds, for the page to hear of the answer
        return answers

    field = task_page.locator("#task-fields textarea")
    monkeypatch.setattr(ui.handlers, "render_source", render_later)
    monkeypatch.setattr(ui.handlers, "answer_query", answer_first)
    field.fill("It pours.")
    field.press("Shift+Enter")
    expect(source_of(task_page)).to_have_value("It pours. Is that nice or nasty?")
    task_page.wait_for_timeout(500)  # milliseconds, for whatever would take the answer away
    expect(task_page.locator("#task-result .t2t-bar")).to_have_count(2)


def test_the_same_answer_is_shown_again(task_page, tasks_folder):
    bars = task_page.locator("#task-result .t2t-bar")
    task_page.locator("#task-answer").click()
    expect(bars).to_have_count(2)
    choose_template(task_page, "stay at home")
    expect(task_page.locator("#task-result")).to_have_text("The answer appears here.")
    choose_template(task_page, "nice or nasty")
    expect(bars).to_have_count(2)
    with rewritten(tasks_folder / "talk" / "weather.yaml", WEATHER.replace("{{report}}", "{{reprot}}")):
        task_page.locator("#task-another").click()
        expect(task_page.locator("#task-result")).to_contain_text('Did you mean "report"?')
    for _ in range(2):
        task_page.locator("#task-answer").click()
        expect(bars).to_have_count(2)


def test_a_row_opened_while_an_edit_is_rendered_is_what_the_model_reads(ui, task_page, monkeypatch):
    render_source, released = ui.handlers.render_source, Event()

    def render_edit_later(query, shots):
        if query.row.get("report") == "It pours.":
            assert released.wait(PATIENCE / 1000)
        return render_source(query, shots)

    field = task_page.locator("#task-fields textarea")
    monkeypatch.setattr(ui.handlers, "render_source", render_edit_later)
    field.fill("It pours.")
    task_page.locator("#task-another").click()
    expect(field).to_have_value("Hail all day.")
    released.set()
    expect(source_of(task_page)).to_have_value("Hail all day. Is that nice or nasty?")
    task_page.wait_for_timeout(500)  # milliseconds, for the rendering of the edit
    expect(source_of(task_page)).to_have_value("Hail all day. Is that nice or nasty?")


def test_a_row_opened_while_a_template_is_comes_after_it(ui, task_page, monkeypatch):
    row_fields = ui.handlers.row_fields

    def open_template_slowly(file, choice):
        if choice == ui.handlers.Choice("weather", "stay at home", row=0):
            time.sleep(0.5)  # so that the other event could overtake this one
        return row_fields(file, choice)

    monkeypatch.setattr(ui.handlers, "row_fields", open_template_slowly)
    choose_template(task_page, "stay at home")
    task_page.locator("#task-another").click()
    expect(source_of(task_page)).to_have_value("Oslo: Hail all day. Shall we stay at home?")


def test_an_edit_taken_back_brings_its_answer_back(task_page):
    field = task_page.locator("#task-fields textarea")
    task_page.locator("#task-answer").click()
    expect(task_page.locator("#task-result .t2t-bar")).to_have_count(2)
    field.fill("It pours.")
    expect(task_page.locator("#task-result")).to_have_text("The answer appears here.")
    field.fill("The sun shines.")
    expect(task_page.locator("#task-result .t2t-bar")).to_have_count(2)


def test_a_changed_question_takes_its_old_answer_away(task_page):
    task_page.locator("#task-answer").click()
    expect(task_page.locator("#task-result .t2t-bar")).to_have_count(2)
    task_page.locator("#task-another").click()
    expect(source_of(task_page)).to_have_value("Hail all day. Is that nice or nasty?")
    expect(task_page.locator("#task-result")).to_have_text("The answer appears here.")


@pytest.fixture
def held(ui, monkeypatch) -> Iterator[Event]:
    """Answers of tasks are made once it is set."""
    answer_query, released = ui.handlers.answer_query, Event()

    def answer_later(*args, **kwargs):
        assert released.wait(PATIENCE / 1000)
        return answer_query(*args, **kwargs)

    monkeypatch.setattr(ui.handlers, "answer_query", answer_later)
    yield released
    released.set()


def ask_and_edit(page) -> None:
    """Ask about the first row, and change it while the answer is under way."""
    field = page.locator("#task-fields textarea")
    page.locator("#task-answer").click()
    expect(page.locator("#task-result .progress-text")).to_be_visible()
    field.fill("It pours.")
    expect(source_of(page)).to_have_value("It pours. Is that nice or nasty?")


def expect_no_answer(page) -> None:
    """The model has answered, and the page does not show it."""
    expect(page.locator("#task-result .progress-text")).to_have_count(0)
    page.wait_for_timeout(500)  # milliseconds, for the event that would show it
    expect(page.locator("#task-result")).to_have_text("The answer appears here.")


def test_an_answer_that_comes_after_the_question_changed_is_not_shown(task_page, held):
    ask_and_edit(task_page)
    held.set()
    expect_no_answer(task_page)


def test_what_is_asked_while_an_answer_is_under_way_is_answered_too(task_page, held):
    ask_and_edit(task_page)
    task_page.locator("#task-answer").click()
    held.set()
    expect(task_page.locator("#task-result .t2t-bar")).to_have_count(2)
    expect(task_page.locator("#task-result .t2t-label")).to_have_count(0)  # an edited row has none


def test_an_answer_to_other_choices_is_not_shown(task_page, held):
    open_task(task_page, "options")
    fields = task_page.locator("#task-fields textarea")
    expect(fields).to_have_count(2)
    task_page.locator("#task-answer").click()
    expect(task_page.locator("#task-result .progress-text")).to_be_visible()
    fields.last.fill("up\ndown\nleft")  # which the source does not show
    held.set()
    expect_no_answer(task_page)


def test_a_task_file_that_is_broken_meanwhile_is_told(task_page, tasks_folder):
    with rewritten(tasks_folder / "talk" / "weather.yaml", WEATHER.replace("{{report}}", "{{reprot}}")):
        task_page.locator("#task-answer").click()
        expect(task_page.locator("#task-result")).to_contain_text('Did you mean "report"?')


def test_all_templates_are_compared_in_a_table(task_page):
    expect(task_page.locator("#task-fields textarea")).to_have_count(1)
    task_page.locator("#task-compare").click()
    expect(task_page.locator("#task-result tbody tr")).to_have_count(2)
    expect(task_page.locator("#task-result .t2t-summary")).to_contain_text("of 2 templates answer")


def test_an_undefined_column_becomes_a_message(page):
    open_task(page, "wrong_column")
    expect(page.get_by_role("alert")).to_contain_text('reads a column that the dataset lacks: "nmae"')
    expect(page.get_by_role("alert")).to_contain_text('Did you mean "name"?')


def test_visitors_do_not_see_each_other(open_page):
    one, other = open_page(), open_page()
    for page in (one, other):
        open_task(page, "weather")
    choose_template(one, "stay at home")
    one.locator("#task-another").click()
    expect(source_of(one)).to_have_value("Oslo: Hail all day. Shall we stay at home?")
    other.locator("#task-another").click()
    expect(source_of(other)).to_have_value("Hail all day. Is that nice or nasty?")


def test_a_narrow_window_needs_no_sideways_scrolling(open_page):
    page = open_page(width=420, height=900)
    ask(page, "Is that happy or sad?", "happy\nsad")
    expect(page.locator("#prompt-result .t2t-bar")).to_have_count(2)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 420
    open_task(page, "weather")
    expect(source_of(page)).to_have_value(re.compile("^The sun shines"))
    page.locator("#task-compare").click()
    expect(page.locator("#task-result tbody tr")).to_have_count(2)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 420


def test_the_server_contacts_nobody(page, address, contacted):
    ask(page, "Is that happy?", "yes\nno")
    expect(page.locator("#prompt-result .t2t-bar")).to_have_count(2)
    assert urlsplit(address).hostname == "127.0.0.1"
    assert contacted == []


def test_a_taken_port_is_a_clear_error(ui, tiny_model, toy_tasks_dir, address):
    port = urlsplit(address).port
    with pytest.raises(t2t.T2TError) as caught:
        ui.app.serve(ui.app.build_app(tiny_model, task_folders=(toy_tasks_dir,)), port=port)
    assert str(caught.value).startswith(f"the page cannot be served at 127.0.0.1:{port}: ")


def test_a_password_keeps_strangers_out(ui, tiny_model, toy_tasks_dir):
    blocks = ui.app.build_app(tiny_model, task_folders=(toy_tasks_dir,))
    url = ui.app.serve(blocks, port=free_port(), auth=("ada", "secret"))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}config")
    caught.value.close()
    blocks.close(verbose=False)
    assert caught.value.code == 401


def test_a_proxy_for_the_web_is_not_asked_for_the_page(ui, tiny_model, toy_tasks_dir, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    blocks = ui.app.build_app(tiny_model, task_folders=(toy_tasks_dir,))
    url = ui.app.serve(blocks, port=free_port())
    blocks.close(verbose=False)
    assert url.startswith("http://127.0.0.1:")
    assert (os.environ["NO_PROXY"], os.environ.get("no_proxy")) == ("example.org", None)


def test_launch_loads_a_model_by_name_and_says_where_the_page_is(ui, tiny_model, tmp_path):
    class Ready(Exception):
        """Ends a launch that would go on until Ctrl-C."""

    def on_ready(url: str) -> None:
        with urllib.request.urlopen(url) as response:
            raise Ready(response.status, url)

    save_model(tiny_model.model, tiny_model.tokenizer, tmp_path / "model")
    port = free_port()
    with pytest.raises(Ready) as caught:
        ui.app.launch(model=tmp_path / "model", device="cpu", port=port, on_ready=on_ready)
    assert caught.value.args == (200, f"http://127.0.0.1:{port}/")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/")
