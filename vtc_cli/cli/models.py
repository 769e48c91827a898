"""`vtc models`: the models that run, what they cost, which are on this machine; fetching one and trying one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from vtc_cli.cli import options
from vtc_cli.cli.complete import complete_models
from vtc_cli.cli.help import Command, Group
from vtc_cli.cli.layout import hang
from vtc_cli.cli.options import Json

DEFAULT = "show"


class Models(Group):
    """The group whose first word may also be a model: `vtc models NAME` is `vtc models show NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = [word for word in args if not word.startswith("-")]
        helped = bool(set(args) & set(ctx.help_option_names)) and not words
        # With a second word the first one is a command, perhaps misspelt; alone it is a model.
        misspelt = len(words) > 1 and bool(difflib.get_close_matches(words[0], self.commands, 1))
        if not helped and not misspelt and (not words or words[0] not in self.commands):
            args = [DEFAULT, *args]
        return list(super().parse_args(ctx, args))


def register(app: typer.Typer) -> None:
    models = typer.Typer(cls=Models, rich_markup_mode=None, help=_models.__doc__)
    models.callback()(_models)
    for command in (show, pull, check):
        models.command(cls=Command)(command)
    app.add_typer(models, name="models")


def _models() -> None:
    """List the models that run; fetch one, try one.

    \b
    Examples:
      vtc models                                  what runs, what it costs, what is here
      vtc models qwen2.5-vl                       what a family can do
      vtc models pull Qwen/Qwen3-VL-2B-Instruct   fetch it and verify it
      vtc models check checkpoints/my-finetune    does it run, from end to end?

    A model's or family's name instead of a command shows it.
    """


def show(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", autocompletion=complete_models, help="Hub id, local folder, `tiny` or a family."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the models that run, or what one costs, or what a family can do.

    \b
    Examples:
      vtc models
      vtc models tiny
      vtc models Qwen/Qwen3-VL-2B-Instruct --json
      vtc models qwen2.5-vl

    The word `show` may be left out. Any checkpoint of a supported family runs, by Hub id or local folder. Nothing is
    downloaded by this command.
    """
    from vtc_cli.jobs.inventory import family_row, family_rows, model_row, model_rows, refused_rows
    from vtc_cli.report.units import size

    if name is not None and (family := family_row(name)) is not None:
        _family(family, json)
        return
    rows = [model_row(name)] if name is not None else model_rows()
    if json:
        from json import dumps

        listed = {"models": rows, "families": family_rows(), "refused": refused_rows()}
        typer.echo(dumps(rows[0] if name is not None else listed, indent=2))
        return
    if name is not None:
        row = rows[0]
        typer.echo(f"{row['id']}  ({row['family']}, {row['where']})")
        typer.echo(f"  parameters   {row['parameters']:,}")
        for dtype, amount in row["weight_bytes"].items():
            cost = row["kv_bytes_per_token"][dtype]
            typer.echo(f"  {dtype:<12} {size(amount)} of weights, {cost:,} bytes of cache per token")
        typer.echo(f"  context      {row['context']:,} tokens")
        if row["tokens_per_frame"] is not None:
            typer.echo(f"  a frame      {row['tokens_per_frame']:g} tokens of 1280 x 720 at the default --pixels")
        fits = row["fits"]
        found = (
            f"in {fits['dtype']}, with {size(fits['needs'])}"
            if fits["dtype"]
            else f"not, it takes {size(fits['needs'])}"
        )
        typer.echo(f"  fits here    {found} on {fits['device']}")
        if row["notes"]:
            typer.echo(hang("  ", row["notes"]))
        if (family := family_row(row["family"])) is not None:
            _stages(family)
        return
    _table(rows)
    typer.echo("\nfamilies:", err=True)
    for family in family_rows():
        without = f" No {', no '.join(_SPELT[stage] for stage in family['cannot'])}." if family["cannot"] else ""
        kinds = ", ".join(family["model_types"]) or "any other model_type"
        typer.echo(hang("  ", f"{family['name']} ({kinds}): {family['notes']}{without}", 6), err=True)
    for kind, why in refused_rows().items():
        typer.echo(hang("  ", f"{kind} does not run: {why}.", 6), err=True)


def _table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Models one by one, within 80 columns; what the columns mean comes after them."""
    from vtc_cli.report.units import size

    width = max(len(row["id"]) for row in rows)
    typer.echo(f"{'':<{width}}   params  weights    cache  tokens  fits")
    typer.echo(f"{'model':<{width}}                    /token  /frame  here  where")
    for row in rows:
        weights, cached = (size(row[name]["bfloat16"]) for name in ("weight_bytes", "kv_bytes_per_token"))
        tokens = "-" if row["tokens_per_frame"] is None else f"{row['tokens_per_frame']:g}"
        line = f"{row['id']:<{width}}  {row['parameters'] / 1e9:5.2f} B  {weights:>7}  {cached:>7}  {tokens:>6}"
        typer.echo(f"{line}  {_SHORT[row['fits']['dtype']]:<4}  {row['where'].removeprefix('on the ')}")
    device = rows[0]["fits"]["device"]
    meaning = (
        f"Weights and cache in bfloat16; frames of 1280 x 720; fits: on {device} now, with 16,384 tokens of cache."
    )
    typer.echo("\n" + hang("", meaning), err=True)


_SHORT = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16", None: "no"}
_SPELT = {"pruner": "pruners", "layers": "layer policies", "cache": "cache policies"}


def _family(family: Mapping[str, Any], json: bool) -> None:
    """What a family is and can do."""
    from vtc_cli.jobs.inventory import known_by_name

    if json:
        from json import dumps

        typer.echo(dumps(family, indent=2))
        return
    typer.echo(f"{family['name']}  (model_type {', '.join(family['model_types']) or 'any other'})")
    typer.echo(hang("  ", family["notes"]))
    _stages(family)
    for number, checkpoint in enumerate(family["recommended"]):
        typer.echo(f"  {'for example' if not number else '':<12} {checkpoint}")
    if set(family["recommended"]) - known_by_name():
        typer.echo(hang(f"  {'':<12} ", "`vtc models ID` says what one costs once it is here (`vtc models pull ID`)"))


def _stages(family: Mapping[str, Any]) -> None:
    typer.echo(f"  {'methods':<12} {', '.join(_SPELT[stage] for stage in family['stages'])}")
    for stage, why in family["cannot"].items():
        typer.echo(hang(f"  {'':<12} ", f"no {_SPELT[stage]}: {why}"))


def pull(
    name: Annotated[str, typer.Argument(metavar="ID", autocompletion=complete_models, help="Hub id, owner/name.")],
    revision: Annotated[str | None, typer.Option(metavar="REV", help="Branch, tag or commit.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is here already.")] = False,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fetch a model from the Hub and compare every file with the Hub's checksums.

    \b
    Examples:
      vtc models pull Qwen/Qwen3-VL-2B-Instruct
      vtc models pull Qwen/Qwen3-VL-2B-Instruct --revision main --json

    A download that was interrupted goes on where it stopped. Only safetensors weights, settings and tokenizer are
    fetched, into the Hub's own cache (HF_HOME), and only for an architecture that runs. Gated models need HF_TOKEN.
    """
    from vtc_cli.cli.screen import library_noise
    from vtc_cli.jobs.fetch import fetch
    from vtc_cli.report.units import size

    with library_noise(verbose=False):
        found = fetch(name, revision, force=force, quiet=quiet)
    if json:
        from json import dumps

        typer.echo(dumps(found.as_json(), indent=2))
        return
    typer.echo(f"{found.name}  (commit {found.revision})")
    typer.echo(f"  {'where':<12} {found.folder}")
    typer.echo(f"  {'verified':<12} {found.files} files, {size(found.bytes)}")
    typer.echo(f"  {'parameters':<12} {found.parameters:,}, stored as {found.dtype}")


def check(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", autocompletion=complete_models, help="Folder, Hub id or `tiny`.")
    ],
    revision: options.Revision = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    attention: options.Attention = None,
    quantize: options.Quantize = None,
    adapter: options.Adapter = None,
    device_map: options.DeviceMap = None,
    max_memory: options.MaxMemory = None,
    compile: options.Compile = None,
    trust_remote_code: options.TrustRemoteCode = None,
    json: Json = False,
) -> None:
    """Try a model from end to end on a clip made on the spot.

    \b
    Examples:
      vtc models check tiny
      vtc models check checkpoints/my-finetune --dtype float32
      vtc models check Qwen/Qwen3-VL-2B-Instruct --json

    Reads its files, loads it, prepares pictures, answers; compares watching frame by frame with one forward of the
    whole prompt; and runs a method of each stage that its family supports. Exit code 0 when all is well, 1 when a
    step failed, 4 when the model cannot be loaded here.
    """
    flags = dict(locals())
    from vtc_cli.cli.screen import library_noise
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.checkup import check_model_runs

    with library_noise(verbose=False):
        found = check_model_runs(settings(effective(flags)))
    if json:
        from json import dumps

        typer.echo(dumps(found.as_json(), indent=2))
    else:
        for step in found.steps:
            typer.echo(hang(f"  {step.state:<8} {step.name:<14} ", step.found))
            if step.fix:
                typer.echo(hang(" " * 26, step.fix))
        typer.echo(f"\n{model} {'runs here' if found.ok else 'does not pass'}")
    raise typer.Exit(found.exit_code)
