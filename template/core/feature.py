"""A feature: what one folder's modules declare by their marks, and their routers."""

from pathlib import Path
from types import ModuleType

from fastapi import APIRouter

from . import marks
from .errors import DeclarationError
from .marks import ActionMark, CardMark, JobMark, PageMark


class Feature:
    """What a folder declares, plain `APIRouter`s too. Give it the folder's modules: `Feature(pages, jobs, alerts)`."""

    def __init__(self, *modules: ModuleType) -> None:
        if not modules or not all(isinstance(one, ModuleType) and "." in one.__name__ for one in modules):
            what = "give it the modules of the feature's folder: Feature(pages, jobs)."
            raise DeclarationError(f"{marks.declared_here()}: Feature{modules!r} collects nothing; {what}")
        first, self.package = modules[0], modules[0].__name__.rpartition(".")[0]
        self.name = self.package.rpartition(".")[2]
        self.folder = self.package.replace(".", "/")
        file = getattr(first, "__file__", None)
        self.root = Path(file).parents[first.__name__.count(".")] if file else None
        own = [v for m in modules for v in vars(m).values() if getattr(v, "__module__", "") == m.__name__]
        found = {value: mark for value in own if (mark := marks.of(value))}.items()  # in the order of the files
        self.pages = [(f, mark) for f, mark in found if isinstance(mark, PageMark)]
        self.surface = [(f, mark) for f, mark in found if isinstance(mark, PageMark | ActionMark)]
        self.jobs = [(f, mark) for f, mark in found if isinstance(mark, JobMark)]
        self.cards = [(f, mark) for f, mark in found if isinstance(mark, CardMark)]
        routers = {id(v): v for module in modules for v in vars(module).values() if isinstance(v, APIRouter)}
        inner = {id(getattr(route, "original_router", None)) for router in routers.values() for route in router.routes}
        self.routers = [router for key, router in routers.items() if key not in inner]
