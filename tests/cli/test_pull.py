"""`vtc models pull` against a hub in this process: fetched, resumed, verified; every refusal with its way out."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.small_hub import COMMIT, SmallHub, serve


@pytest.fixture
def hub(checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "published"))
    (folder / "pytorch_model.bin").write_bytes(b"a pickle nobody needs")
    with serve(SmallHub({"someone/model": folder, "someone/gated": folder}, gated={"someone/gated"})) as hub:
        yield hub


@pytest.fixture
def pull(process, hub, tmp_path):
    """`vtc models pull`, as its own process: the client reads the hub's address when it is imported."""

    def call(*words, **variables):
        environ = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
        environ |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), **variables}
        environ |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return process("models", "pull", *words, env=environ)

    return call


def test_a_model_is_fetched_verified_and_then_here(pull, hub, checkpoint):
    done = pull("someone/model", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    folder = Path(found["folder"])
    assert (found["revision"], folder.name) == (COMMIT, COMMIT)
    assert (folder / "model.safetensors").read_bytes() == (checkpoint / "model.safetensors").read_bytes()
    assert not (folder / "pytorch_model.bin").exists()
    assert found["files"] == len(list(folder.iterdir()))
    assert found["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    hub.asked.clear()
    again = pull("someone/model")
    assert again.code == 0
    assert str(folder) in again.out
    assert "verified" in again.out
    assert not [path for command, path, _ in hub.asked if command == "GET" and "/resolve/" in path]


def test_a_cut_download_goes_on_where_it_stopped(pull, hub):
    """The client writes ten megabytes at a time, so the file has to be larger than the checkpoints of tests."""
    more = hub.models["someone/model"] / "more.safetensors"
    more.write_bytes(os.urandom(24 * 2**20))
    hub.cut[more.name] = 15 * 2**20
    done = pull("someone/model", "--json")
    assert done.code == 0, done.err
    asked = [wanted for command, path, wanted in hub.asked if command == "GET" and path.endswith(more.name)]
    assert asked[0] is None
    assert asked[1] == f"bytes={10 * 2**20}-"
    assert (Path(json.loads(done.out)["folder"]) / more.name).read_bytes() == more.read_bytes()


def test_a_file_that_is_not_what_the_hub_says_is_named(pull, hub):
    assert pull("someone/model").code == 0
    hub.lies.add("config.json")
    done = pull("someone/model")
    # The client fetches again what the hub says has changed; what it gets is still not that.
    assert (done.code, done.out) == (4, "")
    assert "1 of the files of someone/model are not what the hub holds (config.json)" in " ".join(done.err.split())
    assert "--force" in done.err


@pytest.mark.parametrize(
    ("words", "code", "says", "hint"),
    [
        (["someone/gated"], 4, "asks for its terms to be accepted", "HF_TOKEN"),
        (["someone/nothing"], 4, "the hub has no model someone/nothing", "Check the name"),
        (["someone/model", "--revision", "v9"], 4, "has no revision v9", "--revision"),
        (["tiny"], 2, "is on this machine already", "vtc models"),
        (["auto"], 2, "chooses among models", "vtc models"),
    ],
)
def test_what_cannot_be_pulled_says_why(pull, words, code, says, hint):
    done = pull(*words)
    assert (done.code, done.out) == (code, "")
    message, *more = done.err.splitlines()
    assert message.startswith("error: ")
    assert says in message
    assert hint in " ".join(more)


def test_a_gated_model_comes_with_a_token(pull):
    assert pull("someone/gated", HF_TOKEN="let-me-in").code == 0


def test_an_architecture_that_does_not_run_is_refused_before_its_weights_are_fetched(pull, hub):
    path = hub.models["someone/model"] / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_type": "llama"}))
    done = pull("someone/model")
    assert (done.code, done.out) == (4, "")
    assert "llama" in done.err
    assert not [path for _, path, _ in hub.asked if path.endswith(".safetensors")]


def test_offline_nothing_is_pulled(pull):
    done = pull("someone/model", HF_HUB_OFFLINE="1")
    assert done.code == 4
    assert "HF_HUB_OFFLINE is set" in done.err
