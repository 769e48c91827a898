"""`vtc probe`: what the reader sees in a video, and what watching it would cost."""

from __future__ import annotations

from typing import Annotated

import typer

from vtc_cli.cli import options
from vtc_cli.cli.help import Command


def register(app: typer.Typer) -> None:
    app.command(cls=Command)(probe)


def probe(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="File, folder of images, URL, or `-` for stdin.")],
    model: options.Model = None,
    revision: options.Revision = None,
    dtype: options.Dtype = None,
    fps: options.Fps = None,
    max_frames: options.MaxFrames = None,
    start: options.Start = None,
    end: options.End = None,
    pixels: options.Pixels = None,
    reader: options.Reader = None,
    method: options.Method = None,
    budget: options.CacheBudget = None,
    json: options.Json = False,
) -> None:
    """Show what a video holds and what watching it would cost.

    \b
    Examples:
      vtc probe clip.mp4
      vtc probe hour.mp4 --model Qwen/Qwen3-VL-2B-Instruct --fps 2
      vtc probe clip.mp4 --json

    One picture is decoded and no model is loaded: the prediction needs the model's configuration only, and is left
    out with a note where that is not on this machine.
    """
    flags = dict(locals())  # the parameters by name; the configuration takes the keys it knows
    from vtc_cli.cli.plans import print_plan
    from vtc_cli.cli.screen import library_noise
    from vtc_cli.config.layers import effective, settings
    from vtc_cli.jobs.plan import plan_video

    values = effective(flags)
    with library_noise(verbose=False):
        plan = plan_video(video, settings(values), model_optional=model is None)
    if json:
        from json import dumps

        typer.echo(dumps(plan.as_json(), indent=2))
    else:
        print_plan(plan, details=True)
