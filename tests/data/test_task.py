"""A task finds its rows: locally, on the Hub, or in its own file; or it says where it looked."""

import json
from pathlib import Path

import pytest

from t2t.data import task as task_module
from t2t.data.task import Task
from t2t.errors import DataError, MissingDataError, TaskNotFoundError

SUFFIXES = (
    "{.jsonl,.jsonl.gz,.jsonl.xz,.jsonl.zst,.csv,.csv.gz,.csv.xz,.csv.zst,"
    ".tsv,.tsv.gz,.tsv.xz,.tsv.zst,.parquet}"
)


@pytest.fixture(autouse=True)
def no_data_root_in_the_environment(monkeypatch):
    monkeypatch.delenv("T2T_DATA", raising=False)


@pytest.fixture
def no_hub(monkeypatch):
    """The Hub of a machine without a network; gives the list of what was asked of it."""
    asked = []

    def read_hub_rows(*names, label_numbers):
        asked.append(names)
        raise MissingDataError(
            'the Hub dataset "example/toy" cannot be had: ConnectionError: offline', mend="check the network"
        )

    monkeypatch.setattr(task_module, "read_hub_rows", read_hub_rows)
    return asked


@pytest.fixture
def mood(toy_tasks_dir: Path) -> Path:
    return toy_tasks_dir / "mood" / "toy_mood.yaml"


@pytest.fixture
def sums(toy_tasks_dir: Path) -> Path:
    return toy_tasks_dir / "sums" / "toy_sums.yaml"


def test_rows_come_with_their_place_and_in_the_form_that_templates_read(mood, toy_data_root):
    task = Task.load(mood, data_root=toy_data_root)
    assert list(task.rows("validation", limit=2)) == [
        ("validation:0", {"text": "We won validation game 0.", "label": 0, "label_name": "happy"}),
        ("validation:1", {"text": "We lost validation game 1.", "label": 1, "label_name": "sad"}),
    ]
    assert len(list(task.rows("train"))) == 40


def test_rows_without_labels_are_fine(sums, toy_data_root):
    task = Task.load(sums, data_root=toy_data_root)
    assert next(task.rows("train")) == ("train:0", {"left": 0, "right": 0, "total": 0})


def test_the_data_root_may_come_from_the_environment(mood, toy_data_root, monkeypatch):
    monkeypatch.setenv("T2T_DATA", str(toy_data_root))
    assert len(list(Task.load(mood).rows("test"))) == 8


def test_the_argument_goes_before_the_environment(mood, toy_data_root, tmp_path, monkeypatch):
    monkeypatch.setenv("T2T_DATA", str(tmp_path))
    assert Task.load(mood, data_root=toy_data_root).splits() == ("train", "validation", "test")


def test_splits_are_those_with_a_local_file(sums, mood, toy_data_root, tmp_path):
    assert Task.load(sums, data_root=toy_data_root).splits() == ("train",)
    assert Task.load(mood, data_root=tmp_path).splits() == ()
    assert Task.load(mood).splits() == ()


def test_the_sample_rows_need_no_data(mood):
    task = Task.load(mood)
    assert [example_id for example_id, _ in task.rows("examples")] == [
        "examples:0",
        "examples:1",
        "examples:2",
    ]
    assert next(task.rows("examples"))[1]["label_name"] == "happy"


def test_a_label_that_the_task_lacks_is_named_with_its_row(mood, toy_data_root):
    (toy_data_root / "toy_mood" / "train.jsonl").write_text(
        '{"text": "a", "label": "sad"}\n{"text": "b", "label": "hapy"}\n'
    )
    with pytest.raises(DataError) as caught:
        list(Task.load(mood, data_root=toy_data_root).rows("train"))
    assert str(caught.value) == (
        'row "train:1": a row of task "toy_mood" has a label that the task lacks: \'hapy\'\n'
        f"  where: {mood}:8, labels\n"
        "  have:  happy, sad\n"
        '  mend:  did you mean "happy"?'
    )


def test_an_unknown_task_is_an_error():
    with pytest.raises(TaskNotFoundError):
        Task.load("no_such_task_anywhere")


def test_without_local_files_the_rows_come_from_the_hub_under_its_own_split_name(mood, monkeypatch):
    def read_hub_rows(path, name, split, *, label_numbers):
        assert (path, name, split, label_numbers) == ("example/toy", "mood", "dev", False)
        return iter([{"text": "Hub row.", "label": "sad"}])

    monkeypatch.setattr(task_module, "read_hub_rows", read_hub_rows)
    [(example_id, row)] = Task.load(mood).rows("validation")
    assert (example_id, row["label"]) == ("validation:0", 1)


def test_missing_data_names_every_place_tried(mood, no_hub, tmp_path):
    with pytest.raises(MissingDataError) as caught:
        Task.load(mood, data_root=tmp_path).rows("validation")
    assert str(caught.value) == (
        'task "toy_mood" has no rows for split "validation"; tried\n'
        f"    {tmp_path}/toy_mood/validation{SUFFIXES}\n"
        '    the Hub dataset "example/toy" cannot be had: ConnectionError: offline\n'
        f"  where: {mood}:4, dataset\n"
        "  mend:  put the rows there, or name the folder above with --data-root (mixture.data_root in a "
        "run) or T2T_DATA; check the network"
    )
    assert no_hub == [("example/toy", "mood", "dev")]


def test_missing_data_says_when_no_data_root_is_named(sums):
    with pytest.raises(MissingDataError) as caught:
        Task.load(sums).rows("train")
    assert str(caught.value) == (
        'task "toy_sums" has no rows for split "train"; tried\n'
        "    no local folder, since no data root is named\n"
        f"  where: {sums}:4, dataset\n"
        "  have:  examples\n"
        "  mend:  put the rows there, or name the folder above with --data-root (mixture.data_root in a "
        "run) or T2T_DATA"
    )


@pytest.mark.parametrize(
    ("split", "tried", "mend"),
    [
        (
            "train",
            "files: of the task file, which names none for train",
            "name a file for it, as in files: {train: rows.csv}",
        ),
        ("test", "FOLDER/mood_tset.csv", 'did you mean "mood_test.csv"?'),
        ("dev", "FOLDER/x.csv", "put the file there, or mend its name under files:"),
    ],
)
def test_missing_data_of_a_named_file_has_a_mend_of_its_own(tmp_path, split, tried, mend):
    (tmp_path / "mood_test.csv").touch()
    path = tmp_path / "mood.yaml"
    path.write_text(
        "task: mood\ncluster: talk\ndescription: Mood.\ndataset: {files: {test: mood_tset.csv, dev: x.csv}}\n"
        'metrics: [exact_match]\ntemplates:\n  - {name: mood, source: "{{text}}", target: "{{mood}}"}\n'
    )
    with pytest.raises(MissingDataError) as caught:
        Task.load(path).rows(split)
    assert str(caught.value) == (
        f'task "mood" has no rows for split "{split}"; tried\n'
        f"    {tried.replace('FOLDER', str(tmp_path))}\n"
        f"  where: {path}:4, dataset\n  have:  examples\n  mend:  {mend}"
    )


def test_a_local_copy_is_never_filled_up_from_the_hub(mood, toy_data_root, no_hub):
    (toy_data_root / "toy_mood" / "test.jsonl").unlink()
    with pytest.raises(MissingDataError) as caught:
        Task.load(mood, data_root=toy_data_root).rows("test")
    assert caught.value.have == ("train", "validation", "examples")
    assert no_hub == []


def test_a_data_root_that_does_not_exist_is_named(mood, no_hub):
    with pytest.raises(MissingDataError) as caught:
        Task.load(mood, data_root="no/such/folder").rows("train")
    assert str(caught.value) == (
        'the data root "no/such/folder" is not a folder\n'
        "  mend:  name another with --data-root (mixture.data_root in a run) or T2T_DATA"
    )
    assert no_hub == []


def test_two_files_for_one_split_are_an_error(mood, toy_data_root):
    folder = toy_data_root / "toy_mood"
    (folder / "train.csv").write_text("text,label\nfine,happy\n")
    with pytest.raises(DataError) as caught:
        Task.load(mood, data_root=toy_data_root).rows("train")
    assert str(caught.value) == (
        'split "train" of task "toy_mood" has more than one file\n'
        f"  where: {folder}\n"
        "  have:  train.jsonl, train.csv\n"
        "  mend:  leave the one that holds the rows"
    )


def test_a_task_file_may_name_its_data_files(mood, tmp_path):
    text = mood.read_text(encoding="utf-8").replace("dataset:", "dataset:\n  files: {train: rows.csv}", 1)
    path = tmp_path / mood.name
    path.write_text(text, encoding="utf-8")
    (tmp_path / "rows.csv").write_text("text,label\nWe won.,happy\n", encoding="utf-8")
    task = Task.load(path)
    assert task.splits() == ("train",)
    assert list(task.rows("train")) == [("train:0", {"text": "We won.", "label": 0, "label_name": "happy"})]


def test_rows_from_the_hub_get_our_columns(mood, tmp_path, monkeypatch):
    path = tmp_path / mood.name
    text = mood.read_text(encoding="utf-8")
    assert text.count("hub: {") == 1
    path.write_text(text.replace("hub: {", "hub: {columns: {text: sentence}, "), encoding="utf-8")
    rows = [{"sentence": "We won.", "label": "happy"}]
    monkeypatch.setattr(task_module, "read_hub_rows", lambda *names, label_numbers: iter(rows))
    assert list(Task.load(path).rows("train")) == [
        ("train:0", {"text": "We won.", "label": 0, "label_name": "happy"})
    ]


def test_rows_of_a_local_folder_are_mended_and_those_that_are_typed_are_not(mood, toy_data_root, tmp_path):
    path = tmp_path / mood.name
    text = mood.read_text(encoding="utf-8")
    assert text.count("local: toy_mood") == 1
    local = """local: {path: toy_mood, columns: {text: "{{ text.replace('&amp;', '&') }}"}}"""
    path.write_text(text.replace("local: toy_mood", local), encoding="utf-8")
    row = {"text": "Tea &amp; toast.", "label": "happy"}
    (toy_data_root / "toy_mood" / "train.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    task = Task.load(path, data_root=toy_data_root)
    mended = {"text": "Tea & toast.", "label": 0, "label_name": "happy"}
    assert list(task.rows("train")) == [("train:0", mended)]
    assert task.file.context(row)["text"] == "Tea &amp; toast."

    row = {"text": None, "label": "happy"}
    (toy_data_root / "toy_mood" / "train.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(task.rows("train"))
    assert caught.value.problem.startswith(
        'row "train:0": column "text" cannot be made from a row of toy_mood: '
    )
    assert caught.value.where is not None and caught.value.where.file == path

    # A file that the task file names is the author's own.
    named = path.read_text(encoding="utf-8").replace("dataset:", "dataset:\n  files: {train: rows.csv}", 1)
    path.write_text(named, encoding="utf-8")
    (tmp_path / "rows.csv").write_text("text,label\nTea &amp; toast.,happy\n", encoding="utf-8")
    [(_, row)] = Task.load(path, data_root=toy_data_root).rows("train")
    assert row["text"] == "Tea &amp; toast."


def test_a_named_data_file_that_is_not_there_is_missing_data(mood, tmp_path, no_hub):
    text = mood.read_text(encoding="utf-8").replace("dataset:", "dataset:\n  files: {train: rows.csv}", 1)
    path = tmp_path / mood.name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MissingDataError) as caught:
        Task.load(path).rows("train")
    assert caught.value.problem == (
        f'task "toy_mood" has no rows for split "train"; tried\n    {tmp_path / "rows.csv"}'
    )
    assert no_hub == []


def test_a_split_that_the_hub_lacks_is_not_asked_for(mood, no_hub):
    with pytest.raises(MissingDataError) as caught:
        Task.load(mood).rows("dev")
    assert caught.value.have == ("train", "validation", "test", "examples")
    assert no_hub == []
