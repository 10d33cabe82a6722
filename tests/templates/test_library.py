import pytest

from t2t.errors import TaskFileError, TaskNotFoundError
from t2t.templates.library import find_task_files, read_task_file


def test_tasks_are_found_in_all_folders_by_the_name_of_their_file(write_task, tmp_path):
    first = write_task(name="shipped/nli/rte.yaml")
    second = write_task(name="own/deep/er/cb.yaml")
    found = find_task_files(tmp_path / "shipped", tmp_path / "own")
    assert list(found.items()) == [("cb", second), ("rte", first)]
    assert find_task_files(tmp_path, tmp_path / "own") == found  # one file by two ways is one file


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
    path = write_task()
    assert read_task_file("rte", folders=[tmp_path]).task == "rte"
    assert read_task_file(path).task == "rte"
    assert read_task_file(str(path)).task == "rte"


def test_an_unknown_task_suggests_the_nearest(write_task, tmp_path):
    write_task(name="nli/rte.yaml")
    write_task(name="sentiment/sst2.yaml")
    with pytest.raises(TaskNotFoundError) as caught:
        read_task_file("sst3", folders=[tmp_path])
    assert (
        str(caught.value) == 'no task of that name: "sst3"\n  have:  rte, sst2\n  mend:  did you mean "sst2"?'
    )


@pytest.mark.parametrize("name", ["none.yaml", "nli/none"])
def test_an_unknown_path_is_an_error(name):
    with pytest.raises(TaskNotFoundError) as caught:
        read_task_file(name)
    assert str(caught.value) == f"no such task file: {name}"
