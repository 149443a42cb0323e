"""The routes as plain data, to be shown, compared and kept as a snapshot."""

from collections.abc import Sequence
from typing import Any

from gateway.core.dialect import Dialect
from gateway.core.route import Route


def route_table(routes: Sequence[Route]) -> dict[str, Any]:
    """Give the dialects, each named by the first method that has it, and one row a route, in order of declaration."""
    names: dict[Dialect, str] = {}
    for route in routes:
        names.setdefault(route.dialect, route.descriptor.full_name)
    return {
        "dialects": {name: _dialect(dialect) for dialect, name in names.items()},
        "routes": [_row(route, names[route.dialect]) for route in routes],
    }


def _row(route: Route, dialect: str) -> dict[str, Any]:
    binding, rule = route.binding, route.rule
    row = {
        "route": route.name,
        "rpc": route.method.path,
        "dialect": dialect,
        "body": binding.body,
        "response_body": binding.response_body,
        "variables": [".".join(variable.field_path) for variable in binding.template.variables],
        "scope": "public" if rule.public else rule.scope,
        "success_status": rule.success_status,
        "timeout_seconds": rule.timeout_seconds,
        "framing": None if route.events is None else rule.framing.name,
        "twin": None if route.twin is None else f"{route.twin.route.method.path} when {route.twin.declared.when}",
    }
    return {key: value for key, value in row.items() if value not in (None, "", [])}


def _dialect(dialect: Dialect) -> dict[str, Any]:
    return {
        "field_names": dialect.field_names.name,
        "int64_form": dialect.int64_form.name,
        "unset_form": dialect.unset_form.name,
        "ignore_unknown_fields": dialect.ignore_unknown_fields,
        "stream_data": dialect.stream_data.name,
        "authenticate_scheme": dialect.authenticate_scheme,
        "credentials": [credential.header for credential in dialect.credentials],
        "error_body": dialect.errors.body,
        "error_overrides": [
            f"{each.code or '*'} {each.reason or '*'}: {each.http_status or 'same'} {each.message}".rstrip()
            for each in dialect.errors.overrides
        ],
    }
