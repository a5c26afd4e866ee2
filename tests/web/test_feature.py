"""A feature collects the marks of its folder's modules, and an app refuses what does not fit together."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from fastapi import APIRouter

from core import App, DeclarationError, Feature, View, action, alert, job, page
from core.pages import Go


def module(source: str, name: str = "shed.pages") -> ModuleType:
    """A module made of text."""
    made = ModuleType(name)
    made.__dict__.update(
        page=page, action=action, job=job, alert=alert, View=View, Go=Go, APIRouter=APIRouter, Callable=Callable
    )
    exec(compile(source, f"{name.replace('.', '/')}.py", "exec"), made.__dict__)
    return made


PAGES = '''
@page("/shed", nav="Shed")
def index() -> View:
    """What is in the shed."""

@action("/shed")
def fill() -> Go:
    """Put a thing in."""

@job(every="5m")
def tidy() -> None:
    """Tidy up."""

def helper(): ...
again = index
'''


def test_a_feature_is_named_after_its_folder() -> None:
    feature = Feature(module(PAGES))
    assert (feature.name, feature.package, feature.folder) == ("shed", "shed", "shed")
    assert Feature(module(PAGES, "app.tools.shed.pages")).folder == "app/tools/shed"


def test_it_collects_what_is_marked_in_the_order_of_the_file() -> None:
    feature = Feature(module(PAGES))
    assert [f.__name__ for f, _ in feature.surface] == ["index", "fill"]
    assert [f.__name__ for f, _ in feature.jobs] == ["tidy"]


def test_it_leaves_what_a_module_only_imported() -> None:
    borrowed = module("", "barn.pages")
    borrowed.index = module(PAGES).index
    assert Feature(borrowed).surface == []


def test_a_router_that_two_modules_name_is_mounted_once_and_an_inner_one_only_inside() -> None:
    api = module(
        "outer, inner = APIRouter(prefix='/o'), APIRouter(prefix='/i')\nouter.include_router(inner)", "shed.api"
    )
    pages = module("")
    pages.router = api.outer
    assert [router.prefix for router in Feature(pages, api).routers] == ["/o"]


@pytest.mark.parametrize("given", [(), ("pages",), (ModuleType("pages"),), (PAGES, ModuleType("a.b"))])
def test_a_feature_of_nothing_is_refused(given: tuple[ModuleType, ...]) -> None:
    with pytest.raises(
        DeclarationError, match=r"test_feature\.py:\d+: .*modules of the feature's folder: Feature\(pages"
    ):
        Feature(*given)


def one(source: str) -> str:
    return f'{source}\ndef index() -> View:\n    """A page."""\n'


ROUTER = "router = APIRouter(prefix='/a')\n@router.get('/{name}')\ndef answer(name: str) -> None: ..."
PLAIN = "router = APIRouter()\nrouter.add_route('/a', lambda request: None, methods=['POST'])"


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([PAGES, PAGES], r"shed/pages\.py:2: GET /shed is taken by shed\.index; choose another path"),
        ([one('@page("/a/{id}")'), one('@page("/a/{name}")')], r"shed/pages\.py:1: GET /a/{name} is taken"),
        ([one('@page("/a/{id}")'), ROUTER], r"shed/pages\.py:2: GET /a/{name} is taken by shed\.index; choose"),
        ([ROUTER, ROUTER], r"shed/pages\.py:2: GET /a/{name} is taken by answer; choose another path"),
        ([PLAIN], r"shed: /a asks for no role; write @router.get"),
        ([one('@page("/-/health")')], r"shed/pages\.py:1: GET /-/health is taken by is_healthy"),
        (
            ['@page("/a")\ndef a(db) -> None:\n    """A."""'],
            r"shed/pages\.py:1: db is not in the path /a; .*as in db: DB",
        ),
        (
            ['@page("/a/{idd}")\ndef a(id: int) -> None:\n    """A."""'],
            r"id is not in the path /a/{idd}; write {id} there",
        ),
        (['@job(cron="99 * * * *")\ndef j() -> None:\n    """J."""'], r"shed/pages\.py:1: .*99"),
        (['@job(every="")\ndef j() -> None:\n    """J."""'], r"shed/pages\.py:1: '' is no duration"),
        (['@job()\ndef j(days: int) -> None:\n    """J."""'], r"shed/pages\.py:1: j takes 'days', which a job"),
        (['@job(every="5m")\ndef j() -> None:\n    """J."""'] * 2, r"shed/pages\.py:1: there is a job shed\.j already"),
    ],
)
def test_what_does_not_fit_together_fails_at_the_start(sources: list[str], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        App(features=[Feature(module(source)) for source in sources])


def test_a_page_and_an_action_may_share_an_address() -> None:
    assert App(features=[Feature(module(PAGES))]).features[0].name == "shed"


def test_importing_a_feature_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(sys.modules)
    Feature(module(PAGES))
    assert set(sys.modules) == before


def test_the_templates_of_a_feature_that_lies_elsewhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "barn").mkdir()
    (tmp_path / "barn" / "index.html").write_text("Hay, {{ who }}")
    pages = module(one('@page("/barn")'), "barn.pages")
    pages.__file__ = str(tmp_path / "barn" / "pages.py")
    app = App(features=[Feature(pages)])
    assert app.templates.render("barn/index.html", {"who": "Ann"}) == "Hay, Ann"


def test_a_page_of_ones_own_may_be_the_home_page() -> None:
    app = App(features=[Feature(module(one('@page("/")')))])
    assert [route.name for route in app.api.routes if getattr(route, "path", "") == "/"] == ["shed.index"]
