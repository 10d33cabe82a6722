from pathlib import Path

import pytest

from t2t.errors import TaskFileError, TaskNotFoundError
from t2t.resources import task_templates_dir
from t2t.templates.library import choose_task_files, find_task_files, read_task_file, task_folders


def test_tasks_are_found_in_all_folders_by_the_name_of_their_file(write_task, tmp_path):
    first = write_task(name="shipped/nli/rte.yaml")
    second = write_task(name="own/deep/er/cb.yaml")
    found = find_task_files(tmp_path / "shipped", tmp_path / "own")
    assert list(found.items()) == [("cb", second), ("rte", first)]
    assert find_task_files(tmp_path, tmp_path / "own") == found  # one file by two ways is one file


def test_hidden_files_and_folders_hold_no_tasks(write_task, tmp_path):
    path = write_task(name=".own/rte.yaml")  # the folder itself may be hidden
    for name in (".own/.ipynb_checkpoints/rte.yaml", ".own/.rte.yaml"):
        write_task(name=name)
    assert find_task_files(tmp_path / ".own") == {"rte": path}


def test_two_files_for_one_task_are_an_error(write_task, tmp_path):
    first, second = write_task(name="a/rte.yaml"), write_task(name="b/rte.yaml")
    with pytest.raises(TaskFileError) as caught:
        find_task_files(tmp_path)
    assert str(caught.value) == (
        f'two files define the task "rte"\n  where: {second}\n  have:  {first}\n  mend:  rename one of them'
    )


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(TaskNotFoundError) as caught:
        find_task_files(tmp_path / "none")
    assert str(caught.value) == f"no such folder of tasks: {tmp_path / 'none'}"


def test_a_task_is_read_by_name_or_by_path(write_task, tmp_path):
    path = write_task(("task: rte", "task: toy_rte"), name="toy_rte.yaml")
    assert read_task_file("toy_rte", tasks_dirs=[tmp_path]).task == "toy_rte"
    assert read_task_file(path).task == "toy_rte"
    assert read_task_file(str(path)).task == "toy_rte"


def test_own_tasks_stand_beside_the_shipped_ones(write_task, tmp_path, monkeypatch):
    write_task(name="listed/toy_one.yaml")
    write_task(name="named/toy_two.yaml")
    monkeypatch.setenv("T2T_TASKS", str(tmp_path / "listed"))
    folders = task_folders([tmp_path / "named"])
    assert folders == (task_templates_dir(), tmp_path / "listed", tmp_path / "named")
    found = find_task_files(*folders)
    assert {"rte", "toy_one", "toy_two"} <= found.keys()
    assert find_task_files().keys() == found.keys() - {"toy_two"}


def test_an_own_task_with_a_shipped_name_is_a_clash(write_task, tmp_path):
    path = write_task()
    with pytest.raises(TaskFileError) as caught:
        read_task_file("sst2", tasks_dirs=[tmp_path])
    assert str(caught.value) == (
        f'two files define the task "rte"\n  where: {path}\n'
        f"  have:  {task_templates_dir() / 'nli' / 'rte.yaml'}\n  mend:  rename one of them"
    )


def test_a_task_file_may_end_in_yml(write_task, tmp_path):
    path = write_task(name="deep/toy_rte.yml")
    assert find_task_files(tmp_path) == {"toy_rte": path}


def test_what_tasks_include_is_no_task(write_task, tmp_path):
    write_task(name="_family.yaml")
    assert find_task_files(tmp_path) == {}


def test_a_file_of_an_editor_is_no_task(write_task, tmp_path):
    path = write_task()
    (path.parent / f".#{path.name}").symlink_to("somebody@somewhere.1")  # Emacs, while changes are unsaved
    (path.parent / f"._{path.name}").write_bytes(b"\0")  # macOS, on other file systems
    assert list(find_task_files(tmp_path)) == ["rte"]


def test_an_unknown_task_suggests_the_nearest(write_task, tmp_path):
    write_task(name="sentiment/toy_mood.yaml")
    with pytest.raises(TaskNotFoundError) as caught:
        read_task_file("toy_moods", tasks_dirs=[tmp_path])
    assert str(caught.value) == 'no task of that name: "toy_moods"\n  mend:  did you mean "toy_mood"?'
    with pytest.raises(TaskNotFoundError) as caught:
        read_task_file("qqqqqqqq")
    assert str(caught.value) == 'no task of that name: "qqqqqqqq"\n  mend:  t2t tasks lists them all'


@pytest.mark.parametrize("name", ["none.yaml", "nli/none"])
def test_an_unknown_path_is_an_error(name):
    with pytest.raises(TaskNotFoundError) as caught:
        read_task_file(name)
    assert str(caught.value) == f"no such task file: {name}"


def test_tasks_are_chosen_by_name_file_cluster_or_pattern(write_task, tmp_path, monkeypatch):
    own = write_task(name="toys/toy_one.yaml")
    other = write_task(name="toys/toy_two.yaml")
    folder = task_templates_dir()

    def chosen(*names, **options):
        return choose_task_files(names, tasks_dirs=[tmp_path], **options)

    assert chosen("rte", str(own)) == [folder / "nli" / "rte.yaml", own]
    assert chosen("toys") == chosen("toy_*") == [own, other]
    assert chosen("toy_two", "toys", "toy_one") == [other, own]  # each once, where it came first
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        assert chosen("toys/toy_one.yaml", "./toys/toy_one.yaml", "toys") == [
            Path("toys/toy_one.yaml"),
            other,
        ]
    assert set(chosen("*")) == set(find_task_files(folder, tmp_path).values())


def test_a_cluster_or_pattern_brings_in_nothing_that_is_left_out(write_task, tmp_path):
    own, other = write_task(name="toys/toy_one.yaml"), write_task(name="toys/toy_two.yaml")
    options = {"tasks_dirs": [tmp_path], "leave_out": ["toy_one"]}
    assert choose_task_files(["toys"], **options) == [other]
    assert choose_task_files(["toy_one"], **options) == [own]  # named itself: the mixture then refuses it
    assert choose_task_files(["toy_*"], tasks_dirs=[tmp_path], leave_out=["toys"]) == []


def test_a_task_is_of_the_cluster_that_its_file_names_and_of_its_folder(write_task, tmp_path):
    own = write_task(name="mine/toy_own.yaml")  # which says cluster: nli
    broken = tmp_path / "mine" / "toy_broken.yaml"
    broken.write_text("cluster: [nli")

    def chosen(*names, **options):
        return choose_task_files(names, tasks_dirs=[tmp_path], **options)

    shipped = choose_task_files(["nli"])
    assert set(chosen("nli")) == {*shipped, own}
    assert set(chosen("mine")) == {own, broken}  # by the folder alone: it fails when it is read
    assert chosen("mine", leave_out=["nli"]) == [broken]


def test_a_pattern_that_fits_nothing_is_an_error():
    with pytest.raises(TaskNotFoundError) as caught:
        choose_task_files(["text3sql_*"])
    assert caught.value.problem == 'no task, cluster or pattern of tasks: "text3sql_*"'
