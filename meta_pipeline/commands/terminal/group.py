"""Group: the root of the command line. A command is imported when it is called, none may end badly.

Whatever a command meets ends it with a sentence and an exit code; what it prints goes through
`streams`. Both hold for every command by being here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from traceback import format_exc
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from meta_pipeline.commands import profile
from meta_pipeline.plain_log import keep_plain
from meta_pipeline.printable import printable
from meta_pipeline.redaction import redact

from .heartbeat import heartbeat
from .streams import forgiving


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is not imported yet: `module:name`, and its help in one line.

    `name` is a function or a typer.Typer. `options` are those of Typer.command.
    """

    place: str
    help: str
    options: Any = None

    def load(self, name: str) -> Any:
        """The command itself."""
        module, _, attribute = self.place.partition(":")
        loaded = getattr(import_module(module), attribute)
        if isinstance(loaded, typer.Typer):
            app = loaded
        else:
            app = typer.Typer(add_completion=False)
            app.command(name, **(self.options or {}))(loaded)
        app.rich_markup_mode = None
        command = typer.main.get_command(app)
        command.name = name
        profile.add_option(command, name)
        _name_values(command)
        return command


# What can be chosen stands beside the option's name where a narrow terminal has a place for it.
_LONGEST_CHOICES = 30


def _name_values(command: Any) -> None:
    """Call the value of an option as the option is called, or by what can be chosen.

    Typer would show the types of Python: `--host <str>`, `--status <list[str]>`, `RUN <str>`. And
    it would cut what a command below does: `Store a token of a system user or a person, after...`.
    """
    for below in getattr(command, "commands", {}).values():
        first = (below.help or "").partition("\n\n")[0]
        below.short_help = below.short_help or " ".join(first.split())
        _name_values(below)
    for one in command.params:
        if one.param_type_name == "argument":
            one.metavar = one.metavar or one.name.upper()
            one.display_type = lambda ctx: ""
        elif one.metavar is None and not one.is_flag:
            given = getattr(getattr(one, "type_descriptor", None), "choices", None) or ()
            choices = [str(getattr(choice, "value", choice)) for choice in given]
            named = "|".join(choices)
            if len(named) > _LONGEST_CHOICES:
                one.help = f"{one.help} One of {', '.join(choices)}."
                named = ""
            one.metavar = named or max(one.opts, key=len).lstrip("-").replace("-", "_").upper()


class Commands(MutableMapping[str, Any]):
    """The commands by name, each imported when it is asked for."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        # Importing them all takes seconds, of which --help would have nothing.
        if name not in self._loaded:
            self._loaded[name] = self.entries[name].load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class Root(TyperGroup):
    """The group `meta-pipeline`; `entries` is set by `cli`."""

    entries: ClassVar[dict[str, Entry]]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands(self.entries)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in `--help`, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command line to its end, which is a SystemExit."""
        keep_plain()
        with profile.fresh(), forgiving() as (output, _):
            try:
                return super().main(*args, **options)
            except SystemExit as ended:
                output.flush()
                if output.is_lost:
                    from .console import errors, say

                    trouble = output.trouble
                    say(f"Standard output cannot be written: {trouble.strerror}.", to=errors)  # type: ignore[union-attr]
                    raise SystemExit(ended.code or 1) from None
                raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it does not catch itself is told in a sentence."""
        try:
            # click before 8.2 kept the command's name under the public name.
            kept_by = "_protected_args" if hasattr(ctx, "_protected_args") else "protected_args"
            with heartbeat([*getattr(ctx, kept_by), *ctx.args], sys.stdout, sys.stderr):
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if hasattr(error, "format_message"):  # wrong usage: typer tells it, with the usage
                said = redact(str(getattr(error, "message", "")))
                error.message = printable(said)  # type: ignore[attr-defined]
                raise error
            from .console import errors, fail, say
            from .mistakes import exit_code, sentence

            if ctx.params.get("traceback"):
                say(redact(format_exc()).rstrip("\n"), to=errors)
                raise typer.Exit(exit_code(error)) from None
            fail(sentence(error), exit_code(error))
