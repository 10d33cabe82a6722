"""The tasks that a run's `mixture:` names, and the mixture of their rows.

Keys name tasks in one way wherever a run takes several:

    sst2                  the task                 my_tasks/mood.yaml    the file
    nli                   the cluster              text2sql_*            the shell's pattern of names
"""

import logging
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path

from t2t.config import FinetuneConfig, MixtureConfig, load_config
from t2t.data.mixture import Mixture
from t2t.data.task import Task
from t2t.errors import HeldOutLeakError, Location, MixtureError, did_you_mean, first_few, raise_faults
from t2t.templates.library import choose_task_files, clusters_of, find_task_files, task_folders
from t2t.templates.task_file import TaskFile

logger = logging.getLogger(__name__)


def load_mixture(path: str | Path, overrides: Sequence[str] = ()) -> Mixture:
    """The examples of a fine-tuning run, draw for draw, to look at: `load_mixture("run.yaml").draw(0)`.

    What the run denoises besides, if it does, is not among them.

    Args:
        path: the run's YAML.
        overrides: as `t2t finetune` takes them.
    Raises: ConfigError, or Faults; what choosing the tasks and reading their rows raise.
    """
    config, _ = load_config(FinetuneConfig, path, overrides)
    return build_mixture(choose_tasks(config.mixture), config.mixture, split="train", seed=config.seed)


def choose_tasks(mixture: MixtureConfig) -> list[Task]:
    """The tasks of a mixture.

    A cluster or a pattern brings in none that is held out, has held-out rows, or has no training rows.

    Raises: TaskNotFoundError; HeldOutLeakError, or Faults, for a task named itself on the rows of one that is
        held out; MixtureError if nothing is left, or if a key of the config names nothing; what reading the
        files of held-out tasks raises.
    """
    paths = choose_task_files(mixture.tasks, tasks_dirs=mixture.tasks_dirs, leave_out=mixture.held_out)
    files = find_task_files(*task_folders(mixture.tasks_dirs)) if mixture.held_out else {}
    clusters = {path: clusters_of(path) for path in files.values()}
    held_out_by = held_out_places(mixture.held_out, clusters)
    tasks: list[Task] = []
    leaks: list[HeldOutLeakError] = []
    on_held_out_rows: list[str] = []  # neither they nor their clusters are held out
    without_rows: list[str] = []
    for path in paths:
        task = Task.load(path, data_root=mixture.data_root)
        shared = sorted(task.file.places & held_out_by.keys(), key=lambda place: place.startswith("hub:"))
        is_held_out = _is_held_out(path, mixture.held_out, clusters_of(path))  # itself, the mixture tells
        is_named = any(key in (task.name, path.stem) or _is_file(key, path) for key in mixture.tasks)
        if is_named and shared and not is_held_out:
            leaks.append(_shared_rows(task, shared[0], held_out_by[shared[0]]))
        elif not is_named and (shared or task.file.dataset.folder in mixture.held_out):
            on_held_out_rows.append(task.name)
        elif is_named or "train" in task.readable_splits():
            tasks.append(task)
        else:
            without_rows.append(task.name)
    raise_faults(leaks)
    tell_left_out("whose dataset is held out", on_held_out_rows)
    tell_left_out("without training rows here", without_rows)
    if not tasks:
        raise MixtureError(
            "all tasks of the mixture are held out or have no training rows",
            where=Location(field="mixture.tasks"),
            mend="take names out of mixture.held_out, or name the data with mixture.data_root or T2T_DATA",
        )
    known = {*files, *chain.from_iterable(clusters.values())}
    check_held_out_names(mixture.held_out, tasks, known=known)
    check_keys(mixture, tasks)
    return tasks


def held_out_places(names: Collection[str], clusters: Mapping[Path, Iterable[str]]) -> dict[str, str]:
    """Where the rows of the named tasks and clusters are, each place with the name that holds it out.

        names {topic_intent, sst2}    {ag_news: topic_intent, trec: topic_intent ... sst2: sst2 ...}

    Args:
        clusters: of every task file.
    Raises: TaskFileError for a file of these that cannot be read.
    """
    return {
        place: name
        for path, those in clusters.items()
        for name in names
        if _is_held_out(path, (name,), those)
        for place in TaskFile.read(path).places
    }


def _is_held_out(path: Path, names: Collection[str], clusters: Iterable[str]) -> bool:
    return path.stem in names or any(cluster in names for cluster in clusters)


def _shared_rows(task: Task, place: str, name: str) -> HeldOutLeakError:
    return HeldOutLeakError(
        f'task "{task.name}" has rows of "{place}", as "{name}" has, which is held out',
        where=Location(field="mixture.tasks"),
        mend=f'take the task out of the mixture\'s tasks, or "{name}" out of held_out',
    )


def tell_left_out(why: str, names: Sequence[str]) -> None:
    """Log one warning, if there are names: "left out 2 tasks without training rows here: rte, cb"."""
    if names:
        noun = "task" if len(names) == 1 else "tasks"
        logger.warning("left out %d %s %s: %s", len(names), noun, why, first_few(names))


def check_held_out_names(names: Sequence[str], tasks: Sequence[Task], *, known: Collection[str]) -> None:
    """Raises: MixtureError for a name that is no task or cluster: a misspelt one would hold nothing out."""
    known = {*known, *(name for task in tasks for name in (task.name, task.cluster))}
    raise_faults(
        [
            MixtureError(
                f'held_out names "{name}", which is neither a task nor a cluster',
                mend=did_you_mean(name, known) or "see t2t tasks for the names",
            )
            for name in names
            if name not in known
        ]
    )


def check_keys(mixture: MixtureConfig, tasks: Sequence[Task]) -> None:
    """Raises: MixtureError, or Faults, for keys of the mixture's options that name none of its tasks."""
    match_tasks(mixture.weights, tasks, field="mixture.weights")
    match_tasks(mixture.balanced, tasks, field="mixture.balanced")
    with_templates = match_tasks(mixture.templates, tasks, field="mixture.templates")
    raise_faults(
        [
            MixtureError(
                f'"{key}" brings in task "{task.name}", which has no template "{name}"',
                where=Location(field="mixture.templates"),
                have=there,
                mend=did_you_mean(name, there),
            )
            for key, found in with_templates.items()
            for task in found
            for name in mixture.templates[key]
            if name not in (there := [template.name for template in task.templates])
        ]
    )
    known = {task.name for task in tasks}
    raise_faults(
        [_no_task(name, known, field="mixture.rates") for name in mixture.rates if name not in known]
    )


def match_tasks(keys: Iterable[str], tasks: Sequence[Task], *, field: str) -> dict[str, list[Task]]:
    """The tasks that each key names, by name, file, cluster or pattern.

    Args:
        tasks: to choose from.
        field: of the config, for the error.
    Raises: MixtureError, or Faults, for a key that names none of them.
    """
    matched = {key: [task for task in tasks if _is_named(task, key)] for key in keys}
    known = {name for task in tasks for name in (task.name, task.cluster)}
    raise_faults([_no_task(key, known, field=field) for key, found in matched.items() if not found])
    return matched


def _is_named(task: Task, key: str) -> bool:
    path = task.file.path
    is_placed = path is not None and (key == path.parent.name or _is_file(key, path))
    return is_placed or key in (task.name, task.cluster) or fnmatchcase(task.name, key)


def _is_file(key: str, path: Path) -> bool:
    return Path(key).name == path.name and Path(key).resolve() == path.resolve()


def _no_task(key: str, known: Iterable[str], *, field: str) -> MixtureError:
    return MixtureError(
        f'"{key}" names no task of the mixture',
        where=Location(field=field),
        mend=did_you_mean(key, known) or "add the task to mixture.tasks, or take the key out",
    )


def build_mixture(tasks: Sequence[Task], mixture: MixtureConfig, *, split: str, seed: int) -> Mixture:
    """The mixture of a split of these tasks, which are all or some of those of the config."""
    names = {task.name for task in tasks}
    balanced = mixture.balanced if split == "train" else ()
    return Mixture.build(
        tasks,
        split=split,
        seed=seed,
        cap=mixture.cap,
        temperature=mixture.temperature,
        weights=task_weights(mixture.weights, tasks),
        rates={name: rate for name, rate in mixture.rates.items() if name in names} or None,
        held_out=mixture.held_out,
        templates=task_templates(mixture.templates, tasks),
        balanced=[task.name for task in tasks if any(_is_named(task, key) for key in balanced)],
        max_rows=mixture.max_rows,
        shots_share=mixture.shots.share,
        max_shots=mixture.shots.max,
    )


def task_weights(weights: Mapping[str, float], tasks: Iterable[Task]) -> dict[str, float]:
    """The factor of each task: the product of those of all keys that name it.

    weights {nli: 2, r*: 3}    of cluster nli: rte 6, cb 2    of another: rotten 3, sst2 1
    """
    return {
        task.name: math.prod(factor for key, factor in weights.items() if _is_named(task, key))
        for task in tasks
    }


def task_templates(templates: Mapping[str, Sequence[str]], tasks: Sequence[Task]) -> dict[str, list[str]]:
    """The names of the only templates to use, of each task that a key names; those of several keys add up.

    templates {nli: [does it follow], rte: [guess]}    of cluster nli: rte [does it follow, guess]
    """
    chosen: dict[str, dict[str, None]] = {}
    for key, names in sorted(templates.items()):  # whatever their order in the file
        for task in tasks:
            if _is_named(task, key):
                chosen.setdefault(task.name, {}).update(dict.fromkeys(names))
    return {name: list(names) for name, names in chosen.items()}
