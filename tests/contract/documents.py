"""Each OpenAPI document is a valid one, and each of its examples is as its schema says."""

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from stack import Fault, operations

# Where the document itself is in the registry, so that its `#/components/…` are found.
ROOT = "urn:document"


def check(document: dict) -> str:
    """Says what was checked."""
    if not document["openapi"].startswith("3.1."):
        raise Fault(f"the document is OpenAPI {document['openapi']}, not 3.1")
    faults = [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in OpenAPIV31SpecValidator(document).iter_errors()]
    examples = list(examples_of(document))
    registry = Registry().with_resource(ROOT, Resource(document, DRAFT202012))
    for place, schema, example in examples:
        validator = Draft202012Validator(absolute(schema), registry=registry, format_checker=FormatChecker())
        fault = best_match(validator.iter_errors(example))
        if fault:
            faults.append(f"example of {place}: {fault.json_path}: {fault.message}")
    for place in places_without_example(document):
        faults.append(f"{place} has no example")
    if faults:
        raise Fault("\n".join(faults))
    return f"valid OpenAPI 3.1, {len(list(operations(document)))} operations, {len(examples)} examples true to their schemas"


def examples_of(document: dict):
    """Each example, with its schema and a name for its place."""
    for place, carrier in carriers(document):
        schema = carrier["schema"]
        if "example" in carrier:
            yield place, schema, carrier["example"]
        for name, example in carrier.get("examples", {}).items():
            yield f"{place} {name}", schema, example["value"]
        for example in schema.get("examples", []):
            yield place, schema, example
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        for example in schema.get("examples", []):
            yield f"#/components/schemas/{name}", schema, example


def places_without_example(document: dict):
    """Bodies and parameters that show nobody how they look."""
    for place, carrier in carriers(document):
        if "example" not in carrier and "examples" not in carrier and "header" not in place:
            yield place


def carriers(document: dict):
    """Everything of an operation that has a schema and can have examples."""
    for path, method, operation in operations(document):
        here = f"{method} {path}"
        for parameter in operation.get("parameters", []):
            yield f"{here} {parameter['in']} {parameter['name']}", parameter
        for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{here} {media_type}", media
        for status, response in operation["responses"].items():
            for media_type, media in response.get("content", {}).items():
                yield f"{here} {status} {media_type}", media
            for name, header in response.get("headers", {}).items():
                yield f"{here} {status} header {name}", header


def absolute(schema):
    """The schema with its references to the document's own parts made whole."""
    if isinstance(schema, dict):
        return {
            key: ROOT + value if key == "$ref" and value.startswith("#") else absolute(value)
            for key, value in schema.items()
        }
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema
