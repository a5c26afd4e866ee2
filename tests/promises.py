"""Schemathesis: asks an API whatever its document allows, and what it forbids, and checks each answer."""

import warnings
from typing import Any

from starlette.testclient import TestClient

with warnings.catch_warnings(action="ignore"):
    import schemathesis
    from hypothesis import HealthCheck, given, settings
    from schemathesis import GenerationMode
    from schemathesis.checks import CHECKS, load_all_checks

load_all_checks()
# It sends the token again that it took away; tests/web/test_security.py asks every address without one.
[ignored_auth] = CHECKS.get_by_names(["ignored_auth"])
MODES = list(GenerationMode)


def keep(client: TestClient, mode: GenerationMode) -> int:
    """Check every operation of a client's app, with what it takes or with what it must refuse; how many there are."""
    headers = {**client.headers, "Accept": "application/json"}

    async def started(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":  # it runs already
            await client.app(scope, receive, send)

    schema = schemathesis.openapi.from_asgi("/-/openapi.json", started, headers=headers)
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        _keep_one(operation, mode, headers)
    return len(operations)


def _keep_one(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, excluded_checks=[ignored_auth])

    ask()
