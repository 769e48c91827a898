"""A stranger's method, packaged on its own: installed by pip, found by name, run by the engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "vtc-novelty"

RUN = """
import sys
from pathlib import Path

import torch

from tests.support.checkpoints import random_qwen3_vl
from vtc_cli import Frame, Session, load_model

model = load_model(str(random_qwen3_vl(Path(sys.argv[1]))), device="cpu", dtype="float32")
frames = [Frame(float(i), torch.full((3, 64, 96), 20 * i, dtype=torch.uint8)) for i in range(6)]
session = Session(model, pruner="novelty:retain=1/2")
session.watch(frames)
answer = session.ask("What moves?", max_new_tokens=3)
counts = session.meter.counts
assert 0 < counts["visual_kept"] <= counts["visual_in"] / 2, counts
assert answer.counts["generated"] >= 1, answer
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed in it, as `pip install` would into an environment."""
    work = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, work / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    target = work / "site"
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation",
            "--disable-pip-version-check", "--target", str(target), str(source),
        ],
        check=True,
    )  # fmt: skip
    return target


def run(site: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=ROOT)


VTC = ("-c", "from vtc_cli.cli.main import main; main()")


def test_listed_with_its_own_distribution(site: Path) -> None:
    done = run(site, *VTC, "methods", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout) if row["name"] == "novelty"]
    assert (row["distribution"], row["version"], row["stage"]) == ("vtc-novelty", "0.1.0", "pruner")
    assert not row["problem"]


def test_options_come_from_its_fields(site: Path) -> None:
    done = run(site, *VTC, "methods", "novelty")
    assert done.returncode == 0, done.stderr
    assert "retain" in done.stdout
    assert "share of a unit's tokens to keep" in done.stdout
    assert "_last" not in done.stdout


def test_an_impossible_option_is_a_usage_error(site: Path) -> None:
    done = run(site, *VTC, "ask", "no.mp4", "what?", "--model", "tiny", "-m", "novelty:retain=2")
    assert done.returncode == 2
    assert "retain must be above 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_gone_when_restricted_away(site: Path) -> None:
    done = run(site, *VTC, "methods", "--json", VTC_PLUGINS="vtc-cli")
    assert done.returncode == 0, done.stderr
    assert "novelty" not in done.stdout


def test_prunes_in_a_real_session(site: Path, tmp_path: Path) -> None:
    done = run(site, "-c", RUN, str(tmp_path / "model"))
    assert done.returncode == 0, done.stderr
