"""How help is laid out: examples first, then options in named groups, in plain text."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose options are listed under the headings of `rich_help_panel`, in plain text."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments as their metavar says, without the brackets and dots typer adds to it."""
        arguments = [item for item in self.get_params(ctx) if getattr(item, "param_type_name", "") == "argument"]
        return [str(self.options_metavar), *(item.metavar or str(item.name).upper() for item in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is None:
                continue
            is_argument = getattr(parameter, "param_type_name", "") == "argument"
            if is_argument:
                record = (parameter.metavar or record[0], record[1])
            heading = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
            groups.setdefault(heading, []).append(record)
        # `--help` and its like come last.
        for heading in sorted(groups, key=lambda name: name == "Options"):
            with formatter.section(heading):
                formatter.write_dl(groups[heading])


class Group(TyperGroup):
    """The top command: keeps its subcommands in the order they were registered."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)
