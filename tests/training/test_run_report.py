import json
import sys

import pytest

from t2t.errors import TrainingError
from t2t.training import run_report
from t2t.training.run_report import Curve, RunReport, build_panels, draw

LINES = [
    {"step": 2, "loss": 3.0, "tokens_rate": 100, "seconds": 1.0, "lr": 0.1},
    {"step": 4, "loss": 2.0, "tokens_rate": 110, "seconds": 2.0, "lr": 0.2},
    {"step": 4, "validation_loss": 2.5, "shares": {"rte": 0.25, "<sst2>": 0.75}},
]


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "my run"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    (folder / "run.json").write_text(json.dumps({"config": {"run_dir": "<my run>"}}))
    return folder


def test_losses_and_names_within_an_entry_share_a_panel():
    assert build_panels(LINES) == {
        "loss": {"loss": Curve([2, 4], [3.0, 2.0]), "validation_loss": Curve([4], [2.5])},
        "lr": {"lr": Curve([2, 4], [0.1, 0.2])},
        "tokens_rate": {"tokens_rate": Curve([2, 4], [100.0, 110.0])},
        "shares": {"rte": Curve([4], [0.25]), "<sst2>": Curve([4], [0.75])},
    }


def test_losses_of_tasks_and_of_denoising_are_in_the_panel_of_the_loss():
    panels = build_panels([{"step": 2, "loss": 3.0, "denoising_loss": 4.0, "task_loss": 2.0}])
    assert panels == {
        "loss": {
            "loss": Curve([2], [3.0]),
            "denoising_loss": Curve([2], [4.0]),
            "task_loss": Curve([2], [2.0]),
        }
    }


@pytest.mark.parametrize(
    ("optimizer", "unit"),
    [
        ("adamw_rms", "rate, relative to a tensor's size"),
        ("adafactor", "rate, relative to a tensor's size"),
        ("adamw", "rate"),
    ],
)
def test_rates_are_relative_where_the_optimizer_takes_them_so(run_dir, figures, tmp_path, optimizer, unit):
    (run_dir / "run.json").write_text(json.dumps({"config": {"optim": {"name": optimizer}}}))
    RunReport.of(run_dir).write(tmp_path / "out")
    assert {axes.get_title(): axes.get_ylabel() for axes in figures[0].axes}["lr"] == unit


def test_the_picture_is_a_png_and_the_page_needs_no_other_file(run_dir, tmp_path):
    png, page = RunReport.of(run_dir).write(tmp_path / "out")
    assert png.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert "http" not in text
    assert "<td>loss: validation_loss</td><td>4</td><td>2.5</td>" in text
    assert "&lt;sst2&gt;" in text
    assert "&lt;my run&gt;" in text


@pytest.fixture
def validated_dir(run_dir):
    """The run with two validations, of which the first was the best."""
    by_task = {"rte": 2.0, "sst2": 2.6}
    lines = [
        {"step": 4, "validation_loss": 2.3, "validation_loss_by_task": by_task, "best_step": 4},
        {"step": 8, "validation_loss": 2.4, "validation_loss_by_task": by_task, "best_step": 4},
    ]
    with (run_dir / "metrics.jsonl").open("a") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in lines)
    return run_dir


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn."""
    figures, new_figure = [], run_report._new_figure

    def keep(num_rows):
        figures.append(new_figure(num_rows))
        return figures[-1]

    monkeypatch.setattr(run_report, "_new_figure", keep)
    return figures


def test_the_step_of_the_best_validation_is_no_curve_but_a_fact(validated_dir, tmp_path):
    report = RunReport.of(validated_dir)
    assert report.best_step == 4
    assert report.panels["validation_loss_by_task"] == {
        "rte": Curve([4, 8], [2.0, 2.0]),
        "sst2": Curve([4, 8], [2.6, 2.6]),
    }
    assert "best_step" not in report.panels
    _, page = report.write(tmp_path / "out")
    assert "<tr><td>best validation</td><td>4</td><td></td></tr>" in page.read_text()


def test_the_best_step_is_marked_where_validations_are(validated_dir, figures):
    report = RunReport.of(validated_dir)
    draw(report.panels, title="run", best_step=report.best_step)
    marked = {}
    for axes in figures[0].axes:
        lines = [line for line in axes.lines if line.get_label() == "best validation: 4"]
        assert all(list(line.get_xdata()) == [4, 4] for line in lines)
        marked[axes.get_title()] = len(lines)
    assert marked == {
        "loss": 1,
        "lr": 0,
        "tokens rate": 0,
        "shares": 0,
        "validation loss by task": 1,
    }


def test_more_curves_than_a_legend_can_name_are_drawn_without_one(figures):
    for num_tasks in (12, 13):
        draw({"shares": {f"task {n}": Curve([1], [0.1]) for n in range(num_tasks)}}, title="run")
    few, many = (figure.axes[0] for figure in figures)
    assert len(few.get_legend().get_texts()) == 12
    assert many.get_legend() is None
    assert len(many.lines) == 13


def test_a_line_that_is_being_written_is_left_out(run_dir):
    with (run_dir / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 6, "lo')
    assert RunReport.of(run_dir).panels["loss"]["loss"].steps == [2, 4]


def test_a_run_of_which_one_entry_is_not_a_number_counts_as_written_by_json(run_dir):
    with (run_dir / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 6, "grad_norm": Infinity}\n')
    assert RunReport.of(run_dir).panels["grad_norm"]["grad_norm"].values == [float("inf")]


@pytest.mark.parametrize("line", ["not json", "{}", "3"])
def test_a_damaged_line_is_named(run_dir, line):
    path = run_dir / "metrics.jsonl"
    path.write_text(f'{{"step": 2, "loss": 1.0}}\n{line}\n')
    with pytest.raises(TrainingError) as caught:
        RunReport.of(run_dir)
    assert str(caught.value) == f"not a line of metrics: {line}\n  where: {path}:2"


def test_a_folder_without_metrics(tmp_path):
    with pytest.raises(TrainingError) as caught:
        RunReport.of(tmp_path)
    assert str(caught.value) == (
        "there is no metrics.jsonl to draw curves from\n"
        f"  where: {tmp_path / 'metrics.jsonl'}\n"
        "  mend:  name the run_dir of a run that t2t pretrain or t2t finetune has begun"
    )


def test_a_run_without_a_line_yet(run_dir):
    (run_dir / "metrics.jsonl").write_text("")
    with pytest.raises(TrainingError) as caught:
        RunReport.of(run_dir)
    assert str(caught.value) == (
        "the run has no metrics yet\n"
        f"  where: {run_dir / 'metrics.jsonl'}\n"
        "  mend:  wait for its first line: one per training.log_every steps"
    )


def test_a_damaged_run_json(run_dir):
    (run_dir / "run.json").write_text("{")
    with pytest.raises(TrainingError) as caught:
        RunReport.of(run_dir)
    assert str(caught.value) == f"run.json is missing or damaged\n  where: {run_dir / 'run.json'}"


def test_without_matplotlib_nothing_is_written(run_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(TrainingError) as caught:
        RunReport.of(run_dir).write(tmp_path / "out")
    assert str(caught.value) == (
        'curves are drawn by matplotlib, which is not installed\n  mend:  pip install "t2t[plots]"'
    )
    assert not (tmp_path / "out").exists()
