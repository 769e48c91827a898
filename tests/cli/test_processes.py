"""What only a process of its own can show: pipes, terminals, signals, kills."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from tests.support.clips import write_clip
from tests.support.terminal import posix


def test_a_closed_pipe_ends_quietly(command, footage, place):
    (place / "q.txt").write_text("\n".join(f"what {number}?" for number in range(40)))
    words = command(["ask", footage / "clip.mp4", footage / "other.mp4", "--questions", "q.txt"])
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stdout.readline()
    running.stdout.close()
    _, err = running.communicate(timeout=120)
    assert err == b""
    assert running.returncode == 0


def test_help_into_a_closed_pipe_ends_quietly(command):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command(["ask", "--help"]), stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_video_on_stdin(process, footage):
    result = process("ask", "-", "what?", "--json", stdin=(footage / "clip.mp4").open("rb"))
    record = json.loads(result.out)
    assert result.code == 0, result.err
    assert record["video"] == "-"
    assert record["tokens"]["frames"] == 4


@posix
def test_the_answer_streams_to_a_terminal(command, footage):
    import pty

    main, other = pty.openpty()
    running = subprocess.Popen(
        command(["ask", footage / "clip.mp4", "what?", "--max-new-tokens", "6"]),
        stdout=other,
        stderr=other,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(other)
    shown = b""
    try:
        while running.poll() is None or select.select([main], [], [], 0)[0]:
            if select.select([main], [], [], 0.2)[0]:
                try:
                    piece = os.read(main, 65536)
                except OSError:  # Linux says so when the other side is closed
                    break
                if not piece:
                    break
                shown += piece
    finally:
        os.close(main)
        running.wait(timeout=120)
    text = shown.decode(errors="replace")
    assert running.returncode == 0, text
    assert "loading" in text  # progress is for terminals
    assert "first token" in text  # and so is the report, unasked


@posix
def test_interrupting_a_batch_leaves_whole_records(command, place):
    folder = place / "many"
    folder.mkdir()
    for number in range(30):
        write_clip(folder / f"v{number}.mp4", seconds=1, seed=number)
    words = command(["ask", folder, "what?", "-o", "out.jsonl", "--max-new-tokens", "200"])
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert b"interrupted" in err
    assert b"Traceback" not in err
    lines = (place / "out.jsonl").read_text().splitlines()
    assert 1 <= len(lines) < 30
    assert all(json.loads(line)["schema"] == "vtc.answer/1" for line in lines)


@posix
def test_a_killed_batch_goes_on_where_it_stopped(command, process, place):
    folder = place / "many"
    folder.mkdir()
    for number in range(6):
        write_clip(folder / f"v{number}.mp4", seconds=1, seed=number)
    words = ["ask", folder, "what?", "-o", "out.jsonl", "--max-new-tokens", "100"]
    running = subprocess.Popen(command(words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while running.poll() is None and time.monotonic() < deadline:
        if (place / "out.jsonl").exists() and (place / "out.jsonl").read_text().count("\n") >= 2:
            break
        time.sleep(0.02)
    running.kill()
    running.wait(timeout=60)
    before = (place / "out.jsonl").read_text().count("\n")
    result = process(*words)
    assert result.code == 0, result.err
    videos = [json.loads(line)["video"] for line in (place / "out.jsonl").read_text().splitlines()]
    assert sorted(videos) == sorted(f"{folder}/v{number}.mp4" for number in range(6))
    assert result.out.count("\n") == 6 - before


def test_a_bug_is_short_and_its_trace_is_on_request(process, footage, place):
    (place / "sitecustomize.py").write_text(
        "import vtc_cli.jobs.request\n"
        "def broken(*arguments, **options):\n    raise ZeroDivisionError('deliberate')\n"
        "vtc_cli.jobs.request.read_request = broken\n"
    )
    path = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": path}
    short = process("ask", footage / "clip.mp4", "what?", env=variables)
    assert short.code == 1
    assert len(short.err.splitlines()) == 2
    assert "ZeroDivisionError: deliberate" in short.err
    assert "--debug" in short.err
    long = process("ask", footage / "clip.mp4", "what?", "--debug", env=variables)
    assert long.code == 1
    assert "Traceback" in long.err


@posix
def test_a_name_that_is_not_text_comes_out_as_it_went_in(command, footage, place):
    folder = os.fsencode(place / "odd")
    os.mkdir(folder)
    path = folder + b"/caf\xe9.mp4"
    try:
        with open(path, "wb") as file:
            file.write((footage / "clip.mp4").read_bytes())
    except OSError:
        pytest.skip("this file system takes text only")
    words = [os.fsencode(word) for word in command(["ask"])]
    words += [path, os.fsencode(footage / "other.mp4"), b"what?", b"-o", b"out.jsonl"]
    done = subprocess.run(words, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split(b"\t")[0] == path
    first = json.loads((place / "out.jsonl").read_text().splitlines()[0])
    assert os.fsencode(first["video"]) == path


@posix
def test_streams_that_were_closed_are_not_taken_for_files(command, place, footage):
    """Otherwise the next file opened gets the number of stdout, and what libraries print goes into it."""
    words = command(["ask", footage / "clip.mp4", "what?", "-o", "out.jsonl"])
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], timeout=120, check=False)
    assert done.returncode == 0
    assert [json.loads(line)["error"] for line in (place / "out.jsonl").read_text().splitlines()] == [None]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_an_output_that_is_full_is_named(command, footage):
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(["ask", "--help"]), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 4
    assert done.stderr.decode().startswith("error: the output cannot be written: No space left")
    assert len(done.stderr.splitlines()) == 2


@posix
def test_a_folder_that_has_gone_is_named(command, place):
    (place / "gone").mkdir()
    words = ["sh", "-c", 'cd gone && rmdir ../gone && exec "$@"', "sh", *command(["config"])]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    assert done.returncode == 4
    assert done.stderr.decode().startswith("error: the current folder cannot be used")


@posix
def test_an_old_encoding_shows_what_it_can(command, footage, place):
    (place / "caf\u00e9 \u2192.mp4").write_bytes((footage / "clip.mp4").read_bytes())
    words = ["ask", "caf\u00e9 \u2192.mp4", footage / "other.mp4", "what?", "--dry-run"]
    variables = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run(command(words), capture_output=True, timeout=120, env=variables, check=False)
    assert done.returncode == 0, done.stderr
    assert "caf\u00e9 ->.mp4".encode("latin-1") in done.stdout


@posix
@pytest.mark.parametrize("columns", [60, 100])
def test_a_plan_fits_the_terminal_and_is_whole_in_a_pipe(command, process, footage, columns):
    import pty

    words = ["probe", footage / "clip.mp4"]
    main, other = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(columns)}
    running = subprocess.Popen(command(words), stdout=other, stderr=subprocess.DEVNULL, env=variables)
    os.close(other)
    shown = b""
    try:
        while piece := os.read(main, 65536):
            shown += piece
    except OSError:  # Linux says so when the other side is closed
        pass
    finally:
        os.close(main)
        assert running.wait(timeout=120) == 0
    lines = shown.decode().splitlines()
    assert max(map(len, lines)) <= columns
    piped = process(*words).out
    assert "".join("".join(lines).replace("·", "").split()) == "".join(piped.replace("·", "").split())


IMPORTED = """
import sys
from vtc_cli.cli.main import run
code = run(sys.argv[1:])
print("torchao" in sys.modules)
sys.exit(code)
"""


@pytest.mark.skipif(find_spec("torchao") is None, reason="without torchao nothing can import it")
@pytest.mark.parametrize(("flags", "imported"), [((), False), (("--quantize", "int8"), True)])
def test_torchao_is_imported_for_quantize_alone_and_in_silence(place, footage, flags, imported):
    words = ["ask", str(footage / "clip.mp4"), "what?", *flags]
    done = subprocess.run([sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == str(imported)


def test_a_decoder_with_states_says_nothing_about_kernels_that_are_not_installed(process, footage, place):
    from tests.support.nemotron_checkpoints import random_nemotron_h_omni

    folder = random_nemotron_h_omni(place / "hybrid")
    result = process("ask", footage / "clip.mp4", "what?", "--model", folder, "--max-new-tokens", "2")
    assert (result.code, result.err) == (0, "")
