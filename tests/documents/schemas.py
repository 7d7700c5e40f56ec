"""The published schemas and what can be asked of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from tests.tool import ROOT

FOLDER = ROOT / "docs" / "schema"
PREFIX = "gavat."
SCHEMAS: dict[str, dict[str, Any]] = {
    PREFIX + path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


def errors(schema: dict[str, Any], document: object) -> list[str]:
    """Where and why the document is not what the schema says."""
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def check(schema: dict[str, Any]) -> None:
    """Raise when the schema itself is wrong."""
    validator_for(schema, default=Draft202012Validator).check_schema(schema)


def objects(schema: object) -> Iterator[dict[str, Any]]:
    """Every part of a schema that describes an object with properties."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, with no room for properties that it does not describe."""
    copy: dict[str, Any] = json.loads(json.dumps(schema))
    for one in objects(copy):
        one["additionalProperties"] = False
    return copy
