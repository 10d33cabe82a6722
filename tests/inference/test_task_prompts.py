import pytest

from t2t.data.task import Task
from t2t.errors import DataError, HiddenLabelError, InferenceError, TaskNotFoundError, TemplateError
from t2t.inference.task_prompts import choose_templates, task_prompts
from t2t.templates.task_file import TaskFile


@pytest.fixture
def mood(toy_tasks_dir) -> TaskFile:
    return TaskFile.read(toy_tasks_dir / "mood" / "toy_mood.yaml")


@pytest.fixture
def sums(toy_tasks_dir) -> TaskFile:
    return TaskFile.read(toy_tasks_dir / "sums" / "toy_sums.yaml")


def prompts_for(file, rows, *, template=None, **options):
    return list(task_prompts(file, rows, templates=choose_templates(file, template), **options))


def test_the_first_template_is_the_default(mood, t5):
    prediction = t5.run(mood, {"text": "It rained."})
    assert prediction.source == "It rained. Is that happy or sad?"
    assert prediction.choices == ("happy", "sad")
    assert (prediction.task, prediction.template, prediction.example_id) == (
        "toy_mood",
        "happy or sad",
        "row:0",
    )


def test_a_task_is_named_by_its_path_or_given(mood, toy_tasks_dir, t5):
    row = {"text": "It rained."}
    expected = t5.run(mood, row)
    assert t5.run(toy_tasks_dir / "mood" / "toy_mood.yaml", row) == expected
    assert t5.run(Task(mood), row) == expected


def test_tasks_without_choices_are_generated(sums, t5):
    prediction = t5.run(sums, {"left": 1, "right": 1}, template="in words", max_new_tokens=3)
    assert prediction.source == "What is 1 plus 1?"
    assert prediction.choices is None
    assert prediction.text == t5.generate("What is 1 plus 1?", max_new_tokens=3).text


def test_all_templates_answer_row_by_row(mood, t5):
    rows = [{"text": "It rained."}, {"text": "We won."}]
    names = [template.name for template in mood.templates]
    predictions = t5.run(mood, rows, template="all")
    assert [prediction.template for prediction in predictions] == names * 2
    assert [prediction.example_id for prediction in predictions] == ["row:0"] * 3 + ["row:1"] * 3
    assert [prediction.text for prediction in t5.run(mood, rows[0], template="all")] == [
        prediction.text for prediction in predictions[:3]
    ]


def test_one_window_may_hold_ranked_and_generated_prompts(sums, t5):
    choosing = sums.templates[0].model_copy(update={"name": "pick", "answer_choices": ("2", "3")})
    file = sums.model_copy(update={"templates": (*sums.templates, choosing)})
    predictions = t5.run(file, [{"left": 1, "right": 1}] * 2, template="all", max_new_tokens=2)
    assert [prediction.choices for prediction in predictions] == [None, None, None, ("2", "3")] * 2


def test_rows_of_a_task_keep_their_ids(mood, toy_data_root, t5):
    task = Task(mood, data_root=toy_data_root)
    predictions = list(t5.run(task, task.rows("validation", limit=2)))
    assert [prediction.example_id for prediction in predictions] == ["validation:0", "validation:1"]
    assert predictions[0].source == "We won validation game 0. Is that happy or sad?"


def test_demonstrations_stand_in_front_with_their_answers(mood):
    [prompt] = prompts_for(mood, [{"text": "It rained."}], shots=3)
    *shown, query = prompt.source.split("\n\n")
    assert sorted(shown) == [
        "I found a shell. Is that happy or sad?\nhappy",
        "My tea is cold. Is that happy or sad?\nsad",
        "The sun came out. Is that happy or sad?\nhappy",
    ]
    assert query == "It rained. Is that happy or sad?"


def test_demonstrations_come_from_the_rows_given(mood):
    rows = [{"text": "We won.", "label": "happy"}, {"text": "We lost.", "label": "sad"}]
    [prompt] = prompts_for(mood, [{"text": "It rained."}], shots=2, demonstrations=rows)
    assert "We won." in prompt.source and "We lost." in prompt.source


def test_demonstrations_depend_on_seed_and_example_alone(mood, toy_data_root):
    task = Task(mood, data_root=toy_data_root)

    def sources(rows, seed):
        prompts = prompts_for(mood, rows, shots=3, demonstrations=task.rows("train"), seed=seed)
        return {prompt.example_id: prompt.source for prompt in prompts}

    rows = list(task.rows("validation"))
    assert sources(rows, 1) == sources(rows[::-1], 1)
    assert sources(rows, 1) != sources(rows, 2)


def test_a_query_is_never_its_own_demonstration(mood):
    for index, row in enumerate(mood.examples):
        for query in ({"text": row["text"]}, (f"examples:{index}", row)):  # with and without its id
            [prompt] = prompts_for(mood, [query], shots=2)
            assert prompt.source.count(row["text"]) == 1


def test_more_shots_than_demonstrations_are_refused_at_once(mood):
    with pytest.raises(InferenceError) as raised:
        task_prompts(mood, iter([]), templates=mood.templates, shots=4)
    assert str(raised.value) == (
        "4 shots are asked for, but there are 3 demonstrations\n"
        "  mend:  ask for at most 3, or pass more rows as demonstrations"
    )


def test_a_demonstration_that_is_the_query_does_not_count(mood):
    with pytest.raises(InferenceError) as raised:
        prompts_for(mood, [{"text": "My tea is cold."}], shots=3)
    assert str(raised.value) == (
        "3 shots are asked for, but without the query itself there are 2 demonstrations\n"
        '  where: toy_mood, template "happy or sad", row:0\n'
        "  mend:  ask for at most 2, or pass more rows as demonstrations"
    )


def test_negative_shots_are_refused(mood):
    with pytest.raises(InferenceError) as raised:
        prompts_for(mood, [], shots=-1)
    assert str(raised.value) == "shots is 0 or more, not -1"


def test_choices_that_cannot_be_ranked_name_their_task_template_and_row(mood, lossy):
    picking = mood.templates[0].model_copy(update={"name": "pick", "answer_choices": "{{ options }}"})
    file = mood.model_copy(update={"templates": (picking,)})
    rows = [{"text": "x", "options": ["a", "b"]}, {"text": "y", "options": ["a", "A"]}]
    with pytest.raises(InferenceError) as raised:
        lossy.run(file, rows)
    assert str(raised.value) == (
        "two answer choices are the same tokens to this model: 'a' and 'A'\n"
        '  where: toy_mood, template "pick", row:1\n'
        "  mend:  reword one of them"
    )


@pytest.mark.parametrize(
    ("rows", "options", "row_id", "found"),
    [
        ("I loved it", {}, "row:0", "'I loved it'"),
        ([[{"text": "x"}, {"text": "y"}]], {}, "row:0", "[{'text': 'x'}, {'text': 'y'}]"),
        ("", {}, "row:0", "''"),
        ([{"text": "x"}, "I loved it"], {}, "row:1", "'I loved it'"),
        ([("test:7", "I loved it")], {}, "test:7", "'I loved it'"),
        ({"text": "x"}, {"shots": 1, "demonstrations": {"text": "y"}}, "demonstration:0", "'text'"),
    ],
)
def test_a_row_that_is_no_mapping_is_refused_in_words(mood, t5, rows, options, row_id, found):
    with pytest.raises(InferenceError) as raised:
        t5.run(mood, rows, **options)
    assert str(raised.value) == (
        f"a row is a mapping of columns, not {'list' if '[' in found else 'str'}: {found}\n"
        f"  where: toy_mood, {row_id}\n"
        '  mend:  write {"column": value, ...} for one row, and a list of such for several'
    )


def test_unknown_names_come_back_with_the_nearest(mood, t5):
    with pytest.raises(TemplateError, match='mend:  did you mean "good day"'):
        t5.run(mood, {"text": "x"}, template="god day")
    with pytest.raises(TaskNotFoundError):
        t5.run("nowhere/toy_mood.yaml", {"text": "x"})


def test_a_row_that_does_not_render_is_named(mood):
    rows = [{"text": "It rained."}, {"txt": "We won."}]
    with pytest.raises(TemplateError) as raised:
        prompts_for(mood, rows)
    problem = 'template "happy or sad" reads a column that the dataset lacks: "text"'
    assert raised.value.problem == f'row "row:1" of task "toy_mood": {problem}'
    with pytest.raises(TemplateError) as raised:
        prompts_for(mood, [("mine:7", rows[1])])
    assert raised.value.problem == f'row "mine:7" of task "toy_mood": {problem}'


def test_a_row_with_an_unknown_label_is_named(mood):
    labelled = [{"text": "We won.", "label": "happy"}, {"text": "We lost.", "label": "sed"}]
    problem = "a row of task \"toy_mood\" has a label that the task lacks: 'sed'"
    with pytest.raises(DataError) as raised:
        prompts_for(mood, labelled)
    assert raised.value.problem == f'row "row:1": {problem}'
    with pytest.raises(DataError) as raised:
        prompts_for(mood, labelled[:1], shots=1, demonstrations=labelled)
    assert raised.value.problem == f'row "demonstration:1": {problem}'


def test_rows_that_are_none_are_refused(mood):
    with pytest.raises(InferenceError, match=r"^rows cannot be gone through one by one: None\n"):
        prompts_for(mood, None)


@pytest.mark.parametrize("hidden", [-1, "-1", float("nan")])
def test_a_hidden_label_is_none_to_a_query_and_a_fault_of_a_demonstration(mood, hidden):
    row = {"text": "It rained.", "label": hidden}
    [prompt] = prompts_for(mood, [row])
    assert prompt.source == "It rained. Is that happy or sad?"
    with pytest.raises(HiddenLabelError):
        prompts_for(mood, [row], shots=1, demonstrations=[row])
