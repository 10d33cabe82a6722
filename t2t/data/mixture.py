"""A mixture of tasks: an endless, reproducible stream of rendered examples.

    rate of a task    share of its draws: weight * min(rows, cap)^(1 / temperature), normalised to sum to 1
    deck              65,536 shuffled cards, each naming a task, in proportion to the rates
    pass              once through all rows of a task, in an order of its own

Draw number `index` takes card `index` of the endless row of decks. The card says which task, and how often
that task came before says which of its rows: row after row through shuffled passes, so that a task's rows are
used equally often, whatever the cap; of a balanced task the labels take turns, each with passes of its own. A
hash of the index picks template and demonstrations. So `draw` is a pure function of (seed, index): it needs
no state to resume, and any process may take any draw.

Rates follow seqio (`rate_num_examples`) and T5, section 3.5.2 of Raffel et al. 2020, arXiv:1910.10683.
Demonstrations in a share of the training examples follow Flan: Longpre et al. 2023, arXiv:2301.13688.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache, partial

import numpy as np

from t2t.data.deck import Deck, permutation, random_words
from t2t.data.task import Task
from t2t.errors import (
    HeldOutLeakError,
    Location,
    MixtureError,
    T2TError,
    TemplateError,
    did_you_mean,
    raise_faults,
)
from t2t.templates.few_shot import choose_demonstrations, with_demonstrations, without_query
from t2t.templates.template import RenderedExample, Template

NUM_TRIED_ROWS = 100  # of a task before the first is drawn, shared out over its templates
MIN_TRIED_ROWS = 10  # under each of them all the same
DECK_SIZE = 65_536  # cards; rates are kept to 1 / 65,536, and a smaller rate still gets one card


class Mixture:
    """Tasks drawn at their rates, each row under a template drawn at random. Make one with `Mixture.build`.

    Attributes:
        rates: share of each task's draws; they sum to 1.
        num_rows: how many rows of each task are drawn from.
    """

    def __init__(
        self,
        sources: Sequence["_Source"],
        rates: Mapping[str, float],
        *,
        shots_share: float,
        max_shots: int,
        seed: int,
    ) -> None:
        self.rates = dict(rates)
        self.num_rows = {source.task.name: len(source.rows) for source in sources}
        self._sources = tuple(sources)
        self._shots_share = shots_share
        self._max_shots = max_shots
        self._seed = seed
        shares = [rates[source.task.name] for source in sources]
        self._deck = Deck(shares, size=DECK_SIZE, seed=seed)

    @classmethod
    def build(
        cls,
        tasks: Sequence[Task],
        *,
        seed: int,
        cap: int | None = None,
        temperature: float = 1.0,
        weights: Mapping[str, float] | None = None,
        rates: Mapping[str, float] | None = None,
        held_out: Collection[str] = (),
        templates: Mapping[str, Sequence[str]] | None = None,
        balanced: Collection[str] = (),
        max_rows: int | None = None,
        shots_share: float = 0.0,
        max_shots: int = 0,
        split: str = "train",
    ) -> "Mixture":
        """Read all rows of the tasks into memory and settle the rates.

            rows 100, 400, 90000    cap 1000    temperature 1    rates 0.067, 0.267, 0.667
                                                temperature 2    rates 0.162, 0.325, 0.513

        Args:
            tasks: what to mix; each name once.
            seed: all draws depend on it.
            cap: a task counts as having at most this many rows when rates are settled (all are drawn over
                time); None counts all.
            temperature: above 1 evens the rates out, 1 leaves them in proportion.
            weights: factors on the rates of tasks by name, 1 where none is given.
            rates: a weight for every task by name, on any scale, instead of the rates above.
            held_out: names of tasks, clusters, folders or datasets that must not be in the mixture.
            templates: for tasks named here, the names of the templates to use; else all of them.
            balanced: names of tasks whose labels come equally often, however often the rows have them; a
                task without labels stays as it is.
            max_rows: a task with more rows is drawn from this many of them, chosen at random.
            shots_share: share of draws that get demonstrations, 0 to 1.
            max_shots: such a draw gets 1 to this many, evenly; where a task has fewer rows, up to all others.
            split: the split that rows are read from.
        Raises:
            HeldOutLeakError: a task, its cluster, file, folder or dataset is held out.
            MixtureError: no tasks, a task twice, a task without rows or with some that lack the label, rates
                that are not usable.
            TemplateError: no template of that name, or one that does not render a row that is tried: 100 from
                all over a task, and the first with the same gaps.
            MissingDataError, CorruptRowError: the rows cannot be read.
        """
        _check_tasks(tasks, held_out)
        _check_numbers(cap, temperature, max_rows, shots_share, max_shots)
        names = [task.name for task in tasks]
        _check_names("templates", templates or {}, names)
        _check_names("weights", weights or {}, names)
        _check_names("balanced", balanced, names)
        if rates:
            _check_rates(rates, names)
        sources = [
            _Source(
                task,
                (templates or {}).get(task.name),
                split=split,
                seed=seed,
                is_balanced=task.name in balanced,
                max_rows=max_rows,
            )
            for task in tasks
        ]
        _check_rows(sources, split)
        if not rates:
            sizes = {source.task.name: min(len(source.rows), cap or math.inf) for source in sources}
            largest = max(sizes.values())  # keeps the powers within 0 to 1, however low the temperature
            rates = {
                name: (weights or {}).get(name, 1.0) * (size / largest) ** (1 / temperature)
                for name, size in sizes.items()
            }
            _check_rates(rates, names)
        total = math.fsum(rates.values())
        return cls(
            sources,
            {name: rates[name] / total for name in names},
            shots_share=shots_share,
            max_shots=max_shots,
            seed=seed,
        )

    def draw(self, index: int) -> RenderedExample:
        """Example number `index` (0 or more) of the stream; depends on nothing but the seed and the index.

        Raises: TemplateError if the row does not render, naming the row.
        """
        if index < 0:
            raise MixtureError(f"draws are numbered from 0: {index}")
        which, num_before = self._deck.deal(index)
        template_bits, share_bits, shots_bits, demonstration_seed = random_words(self._seed, "draw", index)
        source = self._sources[which]
        template = source.templates[template_bits % len(source.templates)]
        example = source.render(source.place(num_before), template)
        most = min(self._max_shots, len(source.rows) - 1)  # the query is not among its demonstrations
        if share_bits >= self._shots_share * 2**64 or most < 1:
            return example
        shots = 1 + shots_bits % most
        # One more than wanted, since the query may be among them, or a row that reads the same.
        places = random.Random(demonstration_seed).sample(range(len(source.rows)), shots + 1)
        others = without_query([source.render(place, template) for place in places], example)
        demonstrations = choose_demonstrations(
            others,
            example_id=example.example_id,
            shots=min(shots, len(others)),
            seed=demonstration_seed,
        )
        return with_demonstrations(example, demonstrations)


class _Source:
    """One task of a mixture: its rows in memory, the templates in use, and the order of each pass."""

    def __init__(
        self,
        task: Task,
        template_names: Sequence[str] | None,
        *,
        split: str,
        seed: int,
        is_balanced: bool,
        max_rows: int | None,
    ) -> None:
        self.task = task
        self.templates = task.templates
        if template_names is not None:
            self.templates = tuple(task.file.template(name) for name in template_names)
        self.rows = list(task.rows(split))
        if max_rows is not None and len(self.rows) > max_rows:
            chosen = permutation(len(self.rows), seed, "rows", task.name)[:max_rows]
            self.rows = [self.rows[place] for place in sorted(chosen.tolist())]
        by_label = is_balanced and task.file.labels is not None
        groups: dict[object, list[int]] = defaultdict(list)  # places of the rows of each label, or of all
        for place, (_, row) in enumerate(self.rows):
            groups[row.get("label") if by_label else None].append(place)
        self._groups = list(groups.values())
        # Keyed by the task's name, so that its order stays the same when other tasks join or leave. Two
        # passes of each group are kept, since draws around the end of a pass may come in any order.
        self._order = lru_cache(maxsize=2 * max(1, len(groups)))(partial(self._shuffle, seed))

    @cached_property
    def kinds(self) -> list[int]:
        """Where the first row lies of each kind: one kind has the same gaps in what the templates read."""
        columns = sorted(frozenset().union(*(template.columns for template in self.templates)))
        first: dict[tuple[bool, ...], int] = {}
        for place, (_, row) in enumerate(self.rows):
            first.setdefault(tuple([_is_gap(row.get(name)) for name in columns]), place)
        return list(first.values())

    def place(self, num_before: int) -> int:
        """Where in `rows` the row lies that is due after `num_before` draws from this task."""
        turn, group = divmod(num_before, len(self._groups))
        number, step = divmod(turn, len(self._groups[group]))
        return int(self._order(group, number)[step])

    def _shuffle(self, seed: int, group: int, number: int) -> np.ndarray:
        """The places of a group's rows in the order of a pass."""
        places = np.array(self._groups[group])
        # The key of an only group names no group, as before there were any: runs under way keep their order.
        key = ("pass", self.task.name, number) if group == 0 else ("pass", self.task.name, group, number)
        return places[permutation(len(places), seed, *key)]

    def render(self, place: int, template: Template) -> RenderedExample:
        example_id, row = self.rows[place]
        return template.render(row, example_id=example_id)


def _check_tasks(tasks: Sequence[Task], held_out: Collection[str]) -> None:
    if not tasks:
        raise MixtureError("a mixture needs at least one task")
    twice = [name for name, count in Counter(task.name for task in tasks).items() if count > 1]
    if twice:
        raise MixtureError(
            f"tasks are in the mixture more than once: {', '.join(twice)}",
            mend="name each once, and give it a larger rate if it is to come more often",
        )
    leaks = []
    for task in tasks:
        names = {"task": task.name, "cluster": task.cluster, "dataset": task.file.dataset.folder}
        if task.file.path:
            names |= {"file": task.file.path.stem, "folder": task.file.path.parent.name}
        if kinds := [kind for kind, name in names.items() if name in held_out]:
            leaks.append(f'task "{task.name}" of cluster "{task.cluster}" (its {kinds[0]} is held out)')
    if leaks:
        raise HeldOutLeakError(
            f"the mixture holds what is held out: {'; '.join(leaks)}",
            mend="take it out of the mixture's tasks, or out of held_out",
        )


def _check_numbers(
    cap: int | None, temperature: float, max_rows: int | None, shots_share: float, max_shots: int
) -> None:
    faults = [
        MixtureError(f"{name} must be {wanted}: {value}")
        for name, value, is_good, wanted in [
            ("cap", cap, cap is None or cap >= 1, "1 or more"),
            ("max_rows", max_rows, max_rows is None or max_rows >= 1, "1 or more"),
            ("temperature", temperature, 0 < temperature < math.inf, "above 0"),
            ("shots_share", shots_share, 0 <= shots_share <= 1, "between 0 and 1"),
            (
                "max_shots",
                max_shots,
                max_shots >= (shots_share > 0),
                "1 or more where shots_share is above 0",
            ),
        ]
        if not is_good
    ]
    raise_faults(faults)


def _check_names(option: str, given: Collection[str], names: Sequence[str]) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise MixtureError(
            f"{option} name tasks that the mixture lacks: {', '.join(unknown)}",
            have=names,
            mend=did_you_mean(unknown[0], names),
        )


def _check_rates(rates: Mapping[str, float], names: Sequence[str]) -> None:
    _check_names("rates", rates, names)
    if without := [name for name in names if name not in rates]:
        raise MixtureError(
            f"rates leave out tasks of the mixture: {', '.join(without)}",
            have=rates,
            mend="give every task a rate (0 for none), or give no rates at all",
        )
    if wrong := [f"{name}: {rate}" for name, rate in rates.items() if not 0 <= rate < math.inf]:
        raise MixtureError(f"rates must be 0 or more: {', '.join(wrong)}")
    if not any(rates.values()):
        raise MixtureError("rates sum to 0: no task could be drawn", mend="give one task a rate above 0")


def _check_rows(sources: Sequence[_Source], split: str) -> None:
    """Fail before the training starts rather than in the middle of it."""
    faults: list[T2TError] = []
    for source in sources:
        if not source.rows:
            problem = f'task "{source.task.name}" has no rows in split "{split}"'
            mend = "take it out of the mixture, or give it more rows"
            faults.append(MixtureError(problem, mend=mend))
            continue
        if not source.templates:
            faults.append(MixtureError(f'task "{source.task.name}" is to be used with none of its templates'))
        file = source.task.file
        unlabelled = [
            example_id
            for example_id, row in source.rows
            if not all(file.has_target(template, row) for template in source.templates)
        ]
        if unlabelled:
            problem = f'task "{source.task.name}" has {len(unlabelled)} rows without a label'
            mend = "label them, or take them out"
            faults.append(MixtureError(problem, have=[f'"{unlabelled[0]}" is the first'], mend=mend))
            continue
        for template in source.templates:
            faults += _faults_of(source, template)
    raise_faults(faults)


def _is_gap(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or (isinstance(value, float) and value != value)


def _faults_of(source: _Source, template: Template) -> list[TemplateError]:
    """What fails on rows from all over a task and on the first row of each kind, see `_Source.kinds`.

    Each fault is of the first row that has it. All rows would take as long as an epoch of rendering.
    """
    faults: dict[Location | None, TemplateError] = {}
    num_rows = len(source.rows)
    num_tried = min(num_rows, max(NUM_TRIED_ROWS // len(source.templates), MIN_TRIED_ROWS))
    tried = [number * num_rows // num_tried for number in range(num_tried)]
    for place in sorted({*tried, *source.kinds}):
        try:
            source.render(place, template)
        except TemplateError as error:
            faults.setdefault(error.where, error)
    return list(faults.values())
