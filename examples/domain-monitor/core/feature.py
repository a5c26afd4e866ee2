"""A feature: what one folder's modules declare by their marks, and their routers."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from fastapi import APIRouter

from . import marks
from .errors import DeclarationError
from .marks import ActionMark, AlertMark, CardMark, JobMark, Mark, PageMark


class Feature:
    """What a folder declares. Give it the folder's modules: `Feature(pages, jobs, alerts)`.

    A module's plain `APIRouter`s come along; whoever calls them must be signed in as `viewer`.
    """

    def __init__(self, *modules: ModuleType) -> None:
        if not modules or not all(isinstance(module, ModuleType) and "." in module.__name__ for module in modules):
            raise DeclarationError(
                f"{marks.declared_here()}: Feature{modules!r} collects nothing; give it the modules of the "
                "feature's folder: Feature(pages, jobs)."
            )
        first = modules[0]
        self.package = first.__name__.rpartition(".")[0]
        self.name = self.package.rpartition(".")[2]
        self.folder = self.package.replace(".", "/")
        file = getattr(first, "__file__", None)
        self.root = Path(file).parents[first.__name__.count(".")] if file else None
        found = [(f, mark) for module in modules for f, mark in _marked(module)]
        self.pages = [(f, mark) for f, mark in found if isinstance(mark, PageMark)]
        self.actions = [(f, mark) for f, mark in found if isinstance(mark, ActionMark)]
        self.surface: list[tuple[Callable[..., Any], PageMark | ActionMark]] = [*self.pages, *self.actions]
        self.jobs = [(f, mark) for f, mark in found if isinstance(mark, JobMark)]
        self.alerts = [(f, mark) for f, mark in found if isinstance(mark, AlertMark)]
        self.cards = [(f, mark) for f, mark in found if isinstance(mark, CardMark)]
        for function, _ in [*self.surface, *self.cards]:
            self._refuse_missing_templates(function)
        routers = {id(v): v for module in modules for v in vars(module).values() if isinstance(v, APIRouter)}
        inner = {id(getattr(route, "original_router", None)) for router in routers.values() for route in router.routes}
        self.routers = [router for key, router in routers.items() if key not in inner]

    def __repr__(self) -> str:
        return f"<Feature {self.name}>"

    def _refuse_missing_templates(self, function: Callable[..., Any]) -> None:
        """Raise DeclarationError when a handler names a template that is not there: now, not at its first request."""
        code = inspect.unwrap(function).__code__
        if self.root is None or "View" not in code.co_names:
            return
        for name in (c for c in code.co_consts if isinstance(c, str) and re.fullmatch(r"[\w-]+\.html", c)):
            if not (self.root / self.folder / name).is_file():
                place = f"{marks.where(function)}: there is no template {self.folder}/{name}"
                raise DeclarationError(f"{place}; View({name!r}) needs it.")


def _marked(module: ModuleType) -> list[tuple[Callable[..., Any], Mark]]:
    """The marked functions that a module defines, in the order of the file."""
    own = [v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__]
    return list({value: mark for value in own if (mark := marks.of(value))}.items())
