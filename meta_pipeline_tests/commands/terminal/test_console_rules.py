"""No command can print past the console, and none is imported before it is called."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from meta_pipeline import commands
from meta_pipeline.cli import app
from meta_pipeline.commands.profile import ELSEWHERE
from meta_pipeline_tests.commands.tree import commands as all_commands

FOLDER = Path(commands.__file__).parent
OWN = {"console.py", "streams.py"}
_HEAVY = "dagster pandas sqlalchemy alembic facebook_business matplotlib requests".split()
_PATHS = [one for one in sorted(FOLDER.rglob("*.py")) if one.name not in OWN]


def _calls(tree: ast.AST) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", _PATHS, ids=lambda path: path.stem)
def test_a_command_prints_through_the_console_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    forbidden = {"print", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"}
    # A question names what it is about: asked elsewhere than here, names would be obeyed.
    forbidden |= set() if path.name == "questions.py" else {"typer.confirm", "typer.prompt"}
    assert not forbidden & set(_calls(tree))
    assert not {"rich.markup.escape", "rich.markup.render", "rich.console.Console"} & imported
    assert not [call for call in _calls(tree) if call.endswith((".from_markup", "console.out"))]
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    printed = [node for node in texts if ast.unparse(node.func).endswith("console.print")]
    for node in printed:  # a string has no style of its own there: `say` is for words
        assert not isinstance(node.args[0], ast.JoinedStr), ast.unparse(node)
        assert not any(one.arg == "markup" for one in node.keywords), ast.unparse(node)


def test_help_in_one_line_is_the_help_of_the_command() -> None:
    root: Any = typer.main.get_command(app)
    for name, entry in root.entries.items():
        whole = " ".join((root.commands[name].help or "").split())
        words = entry.help.rstrip(".").split()
        missing = [word for word in words if word.strip(",.:").lower() not in whole.lower()]
        assert not missing, (name, missing, whole)


def test_every_command_on_a_database_has_the_option_demo() -> None:
    for name, command in all_commands().items():
        has_option = any("--demo" in one.opts for one in command.params)
        is_elsewhere = name in ELSEWHERE or name.partition(" ")[0] in ELSEWHERE
        assert has_option != is_elsewhere, name


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["status"]])
def test_what_a_start_imports(arguments: list[str], database_url: str, tmp_path: Path) -> None:
    program = (
        "import atexit, sys\n"
        "from meta_pipeline.cli import main\n"
        f"heavy = {_HEAVY!r}\n"
        "atexit.register(lambda: print('HEAVY', [one for one in heavy if one in sys.modules]))\n"
        f"sys.argv = ['meta-pipeline', *{arguments!r}]\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "", "HOME": str(tmp_path), "DATABASE_URL": database_url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_a_start_without_a_command_waits_for_no_database_library() -> None:
    names = "[one in sys.modules for one in ('psycopg', 'rich', 'pydantic')]"
    program = f"import meta_pipeline.cli, sys; print({names})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[False, False, False]"
