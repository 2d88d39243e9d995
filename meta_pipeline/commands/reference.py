"""docs/cli.md and docs/settings.md, written from the commands and the settings themselves.

`python -m meta_pipeline.commands.reference` writes both; a test fails when they are stale.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import AliasChoices
from pydantic_core import PydanticUndefined

from meta_pipeline.settings import Settings, variable_names
from meta_pipeline.settings.secret_files import DAGSTER_URL, secret_names
from meta_pipeline.words import markdown_cell

_ROOT = Path(__file__).parents[2]
DOCS = _ROOT / "docs"
EXAMPLES = (_ROOT / "deploy/docker/.env.example", _ROOT / "deploy/systemd/environment.example")
EVERY_SETTING = "# --- every setting with its default; docs/settings.md says what each means ---"


def cli_page() -> str:
    """Every command with its arguments and options, as `--help` tells them."""
    from meta_pipeline.cli import app

    root: Any = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Written from the commands themselves; `meta-pipeline COMMAND --help` says the same.",
        "",
        "`--demo` makes a command work on the made-up accounts and the database of `meta-pipeline",
        "demo`; its simulator is started for as long as the command takes, if no demo runs. What",
        "goes wrong is one sentence on standard error, and exit code 1 (2 for wrong usage; `sync`",
        "has more): `meta-pipeline --traceback COMMAND` shows where an error came from. A closed",
        "pipe ends the printing, not the work.",
        "",
        "An ad account is an id (`act_123` or `123`) or its name. Days are `--since DAY --until",
        "DAY`, both inclusive, in the account's time zone, or `--preset last_7d`, named as in",
        "Ads Manager. A length of time has its unit: `30s`, `90m`, `6h`, `2d`. What a command",
        "shows is also had as `--json`. Long lists are capped and say how to see the rest;",
        "where a terminal is too narrow for a table, each row has lines of its own, and no",
        "number is cut. A command that has been silent for half a minute says on standard error",
        "that it goes on.",
        "",
    ]
    for name, command in sorted(_commands(root, "meta-pipeline")):
        lines += _section(name, command)
    return "\n".join(lines).rstrip() + "\n"


def settings_page() -> str:
    """Every setting with its default and meaning."""
    lines = [
        "# Settings",
        "",
        "From the environment, or from `.env` in the working directory; the environment wins. Each",
        "may be given as a file: `META_ACCESS_TOKEN_FILE=/run/secrets/token`. Names are exactly as",
        "written here: `meta_access_token` is no setting. A missing or wrong",
        "setting is named, with where it was looked for.",
        "",
        "In `.env` a `$` is a `$`: nothing is put in the place of `${NAME}` or `$NAME`. Others who",
        "read the file have their own rules: docker compose replaces both outside single quotes, a",
        "Dagster that loads `.env` itself the first; systemd's `EnvironmentFile=` neither.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        name = alias.choices[0] if isinstance(alias, AliasChoices) else alias
        default = field.default if field.default is not PydanticUndefined else None
        shown = f"`{default}`" if default not in (None, "") else "none"
        lines.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for part, below in getattr(command, "commands", {}).items():
        yield from _commands(below, f"{name} {part}")


def _section(name: str, command: Any) -> list[str]:
    lines = [f"## {name}", "", (command.help or "").strip(), ""]
    rows: list[str] = []
    for one in command.params:
        if one.name != "help":
            if one.param_type_name == "argument":
                # As usage lines have it.
                names = one.name.upper()
            else:
                names = ", ".join([*one.opts, *one.secondary_opts])
            meaning = markdown_cell(getattr(one, "help", None) or "")
            rows.append(f"| `{names}` | {meaning} |")
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    return lines


def deployment_settings() -> str:
    """Every setting with its default as a comment, for the files that deployments read.

    A secret is named as the file it is read from.
    """
    secrets = secret_names() | {DAGSTER_URL}
    defaults = zip(variable_names(), Settings.model_fields.values(), strict=True)
    lines = [
        f"#{name}_FILE=" if name in secrets else f"#{name}={field.default or ''}"
        for name, field in defaults
    ]
    return "\n".join([EVERY_SETTING, *lines]) + "\n"


def with_deployment_settings(text: str) -> str:
    """An example file with its list of settings made anew."""
    return text.partition(EVERY_SETTING)[0] + deployment_settings()


def main() -> None:
    """Write both pages, and the settings into the examples of deploy/."""
    (DOCS / "cli.md").write_text(cli_page(), encoding="utf-8")
    (DOCS / "settings.md").write_text(settings_page(), encoding="utf-8")
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        path.write_text(with_deployment_settings(text), encoding="utf-8")


if __name__ == "__main__":
    main()
