"""From the rows of a task to prompts: rendered by its templates, demonstrations in front if asked for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from t2t.errors import DataError, InferenceError, Location
from t2t.inference.inputs import several
from t2t.inference.prompts import Prompt
from t2t.templates.few_shot import choose_demonstrations, with_demonstrations, without_query
from t2t.templates.task_file import TaskFile
from t2t.templates.template import RenderedExample, Template

Row = Mapping[str, Any]
Rows = Iterable[Row | tuple[str, Row]]
ALL = "all"


def choose_templates(file: TaskFile, template: str | None) -> tuple[Template, ...]:
    """The template of that name; the task's first one for None; every one of them for "all".

    Raises: TemplateError for an unknown name.
    """
    if template == ALL:
        return file.templates
    return file.templates[:1] if template is None else (file.template(template),)


def task_prompts(
    file: TaskFile,
    rows: Rows,
    *,
    templates: Sequence[Template],
    shots: int = 0,
    demonstrations: Rows | None = None,
    seed: int = 0,
) -> Iterator[Prompt]:
    """One prompt per row and template: all templates of the first row, then of the second, and so on.

    Args:
        rows: rows with the dataset's own column names, numbered "row:0", "row:1" ...; or pairs
            `(example_id, row)` as `Task.rows` gives them. Read lazily; a label is not needed.
        shots: demonstrations in front of each source. They depend on (seed, example_id) alone, and are
            never the query itself.
        demonstrations: labelled rows to draw them from; None takes the task file's own `examples`.
    Raises: InferenceError at once if there are fewer demonstrations than shots; when it gets there, for a row
        that is none.
    """
    pools: dict[str, list[RenderedExample]] = {}
    if shots:
        given = file.examples if demonstrations is None else demonstrations
        name = "examples" if demonstrations is None else "demonstration"
        labelled = list(_contexts(file, given, name, needs_label=True))
        for template in templates:
            pools[template.name] = [template.render(row, example_id=row_id) for row_id, row in labelled]
    _check_shots(shots, pools)
    return (
        _prompt(template, example_id, row, shots=shots, pool=pools.get(template.name, []), seed=seed)
        for example_id, row in _contexts(file, several(rows, "rows"), "row", needs_label=False)
        for template in templates
    )


def _prompt(
    template: Template,
    example_id: str,
    row: Row,
    *,
    shots: int,
    pool: Sequence[RenderedExample],
    seed: int,
) -> Prompt:
    query = template.render_source(row, example_id=example_id)
    if shots:
        # A row handed over by itself has no id in common with the pool: it is known by what it asks.
        pool = without_query(pool, query)
        if len(pool) < shots:
            where = Prompt.of(query).location
            raise _too_many_shots(shots, len(pool), "without the query itself ", where)
        chosen = choose_demonstrations(pool, example_id=example_id, shots=shots, seed=seed)
        query = with_demonstrations(query, chosen)
    return Prompt.of(query)


def _contexts(file: TaskFile, rows: Rows, name: str, *, needs_label: bool) -> Iterator[tuple[str, Row]]:
    """Pairs (example_id, row under the names that templates use)."""
    for index, row in enumerate(rows):
        # What is no mapping and no pair is a slip, such as a text whose letters are taken for rows.
        is_pair = isinstance(row, tuple | list) and len(row) == 2 and isinstance(row[0], str)
        row_id, values = row if is_pair else (f"{name}:{index}", row)
        if not isinstance(values, Mapping):
            raise InferenceError(
                f"a row is a mapping of columns, not {type(values).__name__}: {values!r:.80}",
                where=Location(field=f"{file.task}, {row_id}"),
                mend='write {"column": value, ...} for one row, and a list of such for several',
            )
        try:
            context = file.context(values, needs_label=needs_label)
        except DataError as fault:
            problem = f'row "{row_id}": {fault.problem}'
            raise type(fault)(problem, where=fault.where, have=fault.have, mend=fault.mend) from fault
        yield row_id, context


def _check_shots(shots: int, pools: Mapping[str, Sequence[RenderedExample]]) -> None:
    if shots < 0:
        raise InferenceError(f"shots is 0 or more, not {shots}")
    most = min(map(len, pools.values()), default=0)
    if shots > most:
        raise _too_many_shots(shots, most)


def _too_many_shots(shots: int, most: int, why: str = "", where: Location | None = None) -> InferenceError:
    return InferenceError(
        f"{shots} shots are asked for, but {why}there are {most} demonstrations",
        where=where,
        mend=f"ask for at most {most}, or pass more rows as demonstrations",
    )
