"""The shape of the package: imports point leftward, heavy libraries wait, only the command line prints."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "t2t"

# A room imports from itself and from rooms to its left.
ROOMS = ["errors", "yaml_file", "config", "resources", "templates", "data", "tokens", "denoising"]
ROOMS += ["model", "inference", "evaluation", "training", "compression", "cli"]
HEAVY = {"torch", "transformers", "accelerate", "peft", "gradio", "datasets", "sklearn", "pyarrow"}


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def module_name(path: Path) -> str:
    """`t2t/data/task.py` as "t2t.data.task", `t2t/data/__init__.py` as "t2t.data"."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path, nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """(line, module or name) of each import, also of `importlib.import_module("...")`."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            ancestors = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*ancestors, *(node.module or "").split(".")]).strip(".")
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("import_module")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def all_imports(path: Path) -> list[tuple[int, str]]:
    return list(imported_modules(path, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))


def imports_at_the_top(path: Path) -> list[tuple[int, str]]:
    """Imports that run with the file itself: outside functions, and not under `if TYPE_CHECKING:`."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            is_for_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            if not is_for_types and not isinstance(
                child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
            ):
                yield child
                yield from walk(child)

    return list(imported_modules(path, walk(ast.parse(path.read_text(encoding="utf-8")))))


def backward_arrows(room: str, imports: list[tuple[int, str]]) -> list[str]:
    """Imports from a room further right, from an unknown one, or from the package's own front door."""
    wrong = []
    for line, name in imports:
        head, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if head != "t2t" or target == "__version__":
            continue
        if target not in ROOMS or ROOMS.index(target) > ROOMS.index(room):
            wrong.append(f"line {line}: {room} imports {name}")
    return wrong


def test_everything_in_the_package_belongs_to_a_known_room():
    found = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or path.joinpath("__init__.py").is_file()
    }
    assert found - {"__init__", "__main__"} <= set(ROOMS)


@pytest.mark.parametrize("path", python_files(PACKAGE), ids=module_name)
def test_imports_point_leftward(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    room = parts[0] if parts[0] in ROOMS else ROOMS[-1]  # __init__ and __main__ are doors to everything
    assert backward_arrows(room, all_imports(path)) == []


def test_a_backward_arrow_is_noticed():
    imports = [
        (1, "t2t.errors.T2TError"),
        (2, "t2t.training.loop"),
        (3, "t2t.load"),
        (4, "numpy"),
        (5, "t2t"),
    ]
    assert backward_arrows("data", imports) == [
        "line 2: data imports t2t.training.loop",
        "line 3: data imports t2t.load",
        "line 5: data imports t2t",
    ]


@pytest.mark.parametrize("path", python_files(PACKAGE / "templates", PACKAGE / "data"), ids=module_name)
def test_templates_and_data_do_without_torch(path):
    heads = {name.partition(".")[0] for _, name in all_imports(path)}
    assert heads & {"torch", "transformers"} == set()


@pytest.mark.parametrize(
    "path",
    [PACKAGE / "__init__.py", *python_files(PACKAGE / "cli", PACKAGE / "templates", PACKAGE / "data")],
    ids=module_name,
)
def test_heavy_imports_wait_inside_functions(path):
    heads = {name.partition(".")[0] for _, name in imports_at_the_top(path)}
    assert heads & HEAVY == set()


@pytest.mark.parametrize("module", ["t2t", "t2t.data.mixture", "t2t.cli.main"])
def test_importing_loads_no_heavy_library(module):
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


def private_uses(tree: ast.AST, public: set[str]) -> list[str]:
    """What a program takes from t2t that is not one of its public names."""
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wrong += [f"line {node.lineno}: import {a.name}" for a in node.names if a.name.startswith("t2t.")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "t2t":
            names = [alias.name for alias in node.names if node.module != "t2t" or alias.name not in public]
            wrong += [f"line {node.lineno}: from {node.module} import {name}" for name in names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "t2t":
            wrong += [] if node.attr in public else [f"line {node.lineno}: t2t.{node.attr}"]
    return wrong


@pytest.mark.parametrize("path", python_files(ROOT / "ui", ROOT / "scripts"), ids=module_name)
def test_ui_and_scripts_use_only_public_names(path):
    import t2t

    assert private_uses(ast.parse(path.read_text(encoding="utf-8")), {*t2t.__all__, "__version__"}) == []


def test_a_private_name_is_noticed():
    program = """import t2t
import t2t.data.task
from t2t.data import task
from t2t import Task, hidden
t2t.load
t2t.data
"""
    assert private_uses(ast.parse(program), {"Task", "load"}) == [
        "line 2: import t2t.data.task",
        "line 3: from t2t.data import task",
        "line 4: from t2t import hidden",
        "line 6: t2t.data",
    ]


@pytest.mark.parametrize("path", python_files(PACKAGE, ROOT / "ui"), ids=module_name)
def test_only_the_command_line_prints(path):
    if path.is_relative_to(PACKAGE / "cli"):
        return
    calls = (
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    )
    assert [
        call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"
    ] == []
