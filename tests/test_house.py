"""Rules of the house that no single module can keep: who imports whom, what is packaged, how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import vtc_cli

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").exists())
LONGEST = 320
HEAVY = ("torch", "transformers", "av", "decord", "torchcodec", "tokenizers", "safetensors", "huggingface_hub")


def tracked() -> list[Path]:
    """Files of the repository: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = {ROOT / name for name in listed.stdout.decode().split("\0") if name}
    return sorted(path for path in found if path.is_file())


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_plugin_is_under_the_import_contracts() -> None:
    linter = PROJECT["tool"]["importlinter"]
    assert sorted(linter["root_packages"]) == sorted(["vtc_cli", *PLUGINS])
    core, cli = linter["contracts"][:2]
    assert sorted(core["forbidden_modules"]) == PLUGINS
    layers = {f"vtc_cli.{path.name}" for path in (ROOT / "vtc_cli").iterdir() if (path / "__init__.py").exists()}
    assert sorted(cli["source_modules"]) == sorted(layers - {"vtc_cli.cli"} | set(PLUGINS))


def imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names) of every import statement, wherever it stands; no names for a plain `import`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or ""), tuple(alias.name for alias in node.names)


def trespasses(source: str, package: str) -> list[str]:
    """Imports a plugin may not make: beyond vtc_cli's public names, or of another plugin."""
    found = []
    for module, names in imports(ast.parse(source)):
        top = module.split(".")[0]
        if module.startswith("vtc_cli.") or module == "vtc_cli":
            public = module == "vtc_cli" or module.removeprefix("vtc_cli.") in vtc_cli.__all__
            known = set(import_module(module).__all__) if public else set()
            private = not public or any(name not in known for name in names)
        else:
            private = False
        if private or (top in PLUGINS and top != package):
            found.append(f"{module} {', '.join(names)}".strip())
    return found


@pytest.mark.parametrize("path", python_files("plugins", "docs/examples"), ids=lambda path: path.name)
def test_plugins_import_public_names_only(path: Path) -> None:
    package = path.relative_to(ROOT / "plugins").parts[0] if path.is_relative_to(ROOT / "plugins") else path.stem
    assert trespasses(path.read_text(encoding="utf-8"), package) == []


def test_trespasses_are_seen() -> None:
    """The rule above is not asleep."""
    assert trespasses("from vtc_cli.engine.slab import SlabLayer", "mine") != []
    assert trespasses("import vtc_cli.engine", "mine") != []
    assert trespasses("def f():\n    from vtc_cli import engine", "mine") != []
    assert trespasses(f"from {PLUGINS[0]}.share import SharePruner", "mine") != []
    assert trespasses("from vtc_cli.memory import plain_words", "mine") != []
    assert trespasses("from vtc_cli.memory import MemoryStore", "mine") == []
    assert trespasses("import torch\nfrom vtc_cli import Kept, TokenPruner", "mine") == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["ask", "--help"], ["methods"]])
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    probe = (
        "import sys\n"
        "from vtc_cli.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    probe = f"import sys, vtc_cli; assert not [name for name in {HEAVY} if name in sys.modules]"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0


def test_every_public_name_exists() -> None:
    for name in vtc_cli.__all__:
        assert getattr(vtc_cli, name) is not None


@pytest.mark.parametrize("folder", ["vtc_cli", "plugins", "tests", "docs", "benchmarks"])
def test_files_stay_short_and_have_a_subject(folder: str) -> None:
    files = python_files(folder)
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > LONGEST} == {}
    assert [path for path in files if path.stem in ("utils", "util", "helpers", "misc", "common")] == []


def test_every_module_of_the_package_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in python_files("vtc_cli", "plugins")
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []


def test_nothing_names_the_machine_it_was_made_on() -> None:
    places = re.compile(rb"(?<![\w.$}:/-])/(?:work|tmp|root|opt|home)/[\w.]|file:///|/private/tmp")
    found = {}
    for path in tracked():
        text = path.read_bytes()
        if path == Path(__file__) or b"\0" in text[:4096]:
            continue
        if hits := [line.decode("utf-8", "replace").strip() for line in text.splitlines() if places.search(line)]:
            found[path.relative_to(ROOT).as_posix()] = hits[:3]
    assert found == {}


def test_package_holds_every_module_and_every_data_file(tmp_path: Path) -> None:
    """What a wheel would contain, compared with what the repository has."""
    probe = (
        "import sys\n"
        "from setuptools import Distribution\n"
        "dist = Distribution({'script_name': 'setup.py'})\n"
        "dist.parse_config_files()\n"
        "dist.get_command_obj('egg_info').egg_base = sys.argv[1]\n"
        "build = dist.get_command_obj('build_py')\n"
        "build.ensure_finalized()\n"
        "for _, _, path in build.find_all_modules(): print(path)\n"
        "for _, folder, _, names in build.data_files:\n"
        "    for name in names: print(folder + '/' + name)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    packed = {(ROOT / line).resolve() for line in done.stdout.splitlines() if (ROOT / line).is_file()}
    wanted = {
        path.resolve()
        for path in tracked()
        if path.is_relative_to(ROOT / "vtc_cli") or path.is_relative_to(ROOT / "plugins")
    }
    assert {path.relative_to(ROOT).as_posix() for path in wanted - packed} == set()
    assert not [path for path in packed if path.is_relative_to(ROOT / "tests") or path.is_relative_to(ROOT / "docs")]


def test_version_is_told_once() -> None:
    version = PROJECT["project"]["version"]
    assert vtc_cli.__version__ == version
    assert re.search(
        rf"^## \[{re.escape(version)}\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
