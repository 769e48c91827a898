"""What a method's class says about itself, read from its source without running it.

Listing methods must stay quick: importing one plugin can mean importing torch. The class is found through the import
system's own finders (which locate a module without executing it) and its docstring through the syntax tree.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

_STAGES = {
    "FrameSampler": "sampler",
    "TokenPruner": "pruner",
    "SharePruner": "pruner",
    "LayerPolicy": "layers",
    "CachePolicy": "cache",
    "VideoMemory": "memory",
}


@dataclass(frozen=True)
class Glance:
    """stage: None when the class does not inherit a stage directly. summary: first sentence of its docstring.

    problem: why the class cannot be there (module missing, syntax error, no such class), None when all looks well.
    """

    stage: str | None = None
    summary: str | None = None
    problem: str | None = None


def glance(entry: str) -> Glance:
    """Look at `package.module:Class` without importing it."""
    module, _, name = entry.partition(":")
    spec = _locate(module)
    if spec is None:
        return Glance(problem=f"module `{module}` is not installed")
    if spec.origin is None or not spec.origin.endswith(".py"):
        return Glance()  # compiled or frozen: nothing to read, and nothing wrong
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        return Glance(problem=f"{spec.origin}: {error}")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            bases = [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases]
            stage = next((_STAGES[base] for base in bases if base in _STAGES), None)
            doc = ast.get_docstring(node)
            return Glance(stage=stage, summary=doc.split("\n\n")[0].replace("\n", " ").strip() if doc else None)
    if any(name in _bound(node) for node in tree.body):
        return Glance()
    return Glance(problem=f"`{module}` defines no `{name}`")


def _locate(module: str) -> ModuleSpec | None:
    """The module's spec, walking down its packages; no package's `__init__` is executed."""
    path: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = next((found for finder in sys.meta_path if (found := finder.find_spec(name, path)) is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and depth < len(parts):
            return None
    return spec


def _bound(node: ast.stmt) -> set[str]:
    """Names a top-level statement may bind: imports, assignments, and whatever stands inside `if` and `try`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)} | {
        item.name for item in ast.walk(node) if isinstance(item, ast.ClassDef | ast.FunctionDef)
    }
