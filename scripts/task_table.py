#!/usr/bin/env python3
"""Write the table of all tasks into task_templates/README.md: python scripts/task_table.py

Everything but the sizes comes from the task files. Sizes are counted in the data root (T2T_DATA); a task
whose data are not there keeps the sizes that the table has.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import t2t

README = Path(__file__).parent.parent / "task_templates" / "README.md"
BEGIN, END = "<!-- made by scripts/task_table.py -->\n", "<!-- end of the table -->\n"
SPLITS = ("train", "validation", "test")
HEAD = "| task | what is asked | train | validation | test | templates | metrics | Hub | licence | citation |"
Sizes = Mapping[str, tuple[str, ...]]  # by task: its rows in each of SPLITS, "" for a split that is not there


def main() -> None:
    text = README.read_text(encoding="utf-8")
    before, table, after = split_table(text)
    tasks = [t2t.Task.load(path) for path in t2t.find_task_files(README.parent).values()]
    sizes = sizes_in(table) | {task.name: count_rows(task) for task in tasks if task.splits()}
    README.write_text(before + make_table([task.file for task in tasks], sizes) + after, encoding="utf-8")


def split_table(text: str) -> tuple[str, str, str]:
    """What stands before the table, the table, and what stands after it."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:start], text[start:end], text[end:]


def sizes_in(table: str) -> dict[str, tuple[str, ...]]:
    """The sizes that a table holds."""
    rows = (line.strip("| \n").split(" | ") for line in table.splitlines() if line.startswith("| ["))
    return {
        re.sub(r"\[(.*)\].*", r"\1", cells[0]): tuple(size.strip() for size in cells[2:5]) for cells in rows
    }


def count_rows(task: t2t.Task) -> tuple[str, ...]:
    splits = task.splits()
    return tuple(f"{sum(1 for _ in task.rows(name)):,}" if name in splits else "" for name in SPLITS)


def make_table(files: Iterable[t2t.TaskFile], sizes: Sizes) -> str:
    """One table for each cluster, the licences as notes below."""
    by_cluster: dict[str, list[t2t.TaskFile]] = {}
    for file in files:
        by_cluster.setdefault(file.cluster, []).append(file)
    notes: dict[str, int] = {}
    lines = [summary(by_cluster)]
    for cluster, members in sorted(by_cluster.items()):
        lines += [
            "",
            f"### {cluster}",
            "",
            HEAD,
            "| --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- | --- |",
        ]
        lines += [row(file, sizes.get(file.task, ("",) * len(SPLITS)), notes) for file in members]
    lines += [
        "",
        "### Licences",
        "",
        "As the sources state them; the terms of the original creators apply.",
        "",
    ]
    lines += [f"{number}. {licence}" for licence, number in notes.items()]
    return "\n".join(lines) + "\n"


def summary(by_cluster: Mapping[str, list[t2t.TaskFile]]) -> str:
    files = [file for members in by_cluster.values() for file in members]
    num_templates = sum(len(file.templates) for file in files)
    return f"{len(files)} tasks in {len(by_cluster)} clusters, {num_templates:,} templates."


def row(file: t2t.TaskFile, sizes: tuple[str, ...], notes: dict[str, int]) -> str:
    note = ""
    if file.source.licence:
        note = f"{notes.setdefault(file.source.licence, len(notes) + 1)}"
    hub = file.dataset.hub
    cells = (
        f"[{file.task}]({file.cluster}/{file.task}.yaml)",
        file.description,
        *sizes,
        str(len(file.templates)),
        ", ".join(file.metrics),
        "" if hub is None else f"{hub.path}{f' {hub.name}' if hub.name else ''}",
        note,
        file.source.citation or "",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
