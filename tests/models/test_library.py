"""Whatever is imported of this package, torchao is not, and transformers is none the worse for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

EVERYTHING = """
import sys
from transformers.utils import is_torchao_available
before = is_torchao_available()
from vtc_cli.models.registry import FAMILIES, GENERIC
for family in (*FAMILIES, GENERIC):
    family.load_adapter()
import vtc_cli.engine.session, vtc_cli.jobs.run, vtc_cli.jobs.inspect, vtc_cli.bench.runner
from transformers import AutoModelForImageTextToText
print("torchao" in sys.modules, before, is_torchao_available())
"""


@pytest.mark.skipif(find_spec("torchao") is None, reason="without torchao nothing can import it")
def test_no_adapter_imports_torchao_and_transformers_still_finds_it() -> None:
    done = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("False True True\n", "")
