"""schemathesis against the live gateway: whatever it makes of the document, no reply is a 5xx or undocumented.

Its check that bad data are refused is left out: the document has the one spelling that a client should use, and the
gateway takes what ProtoJSON allows besides (null for an unset field, numbers in strings, proto names, no body for
`{}`).
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from google.protobuf import descriptor_pool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import negative_data_rejection

from gateway.core.openapi import build_document
from tests.integration.openapi.background import Background, Things, background_service
from tests.integration.openapi.documented import closed
from tests.integration.openapi.live import SERVICES

EXAMPLES = 25
REPLY_SECONDS = 30.0
# Ends a stream that would go on: with an error event, for its head is out long before.
DEADLINE = {"grpc-timeout": "1S"}
MODES = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
NUMBERS = count()
# The reasons with which the gateway and the validation of the service refuse a request for its form.
BAD_FORM = ("INVALID_BODY", "INVALID_FIELD")
# What no JSON Schema can say of a form: that the members of a list differ in one of their own, that a member is itself
# a schema of objects, that a name is one of the operator's, that a time comes behind another, that a month has no 31st,
# which names of files some system takes for something else.
BEYOND_SCHEMAS = (
    "must have different names",
    "must name different files",
    "must name each call once",
    "input_schema: ",
    "no tool server is called",
    "must not be before since",
    "must be a day such as",
    "bytes in UTF-8",
    "no control characters and no invisible ones that change how it reads",
    "must have no slashes",
    "nor end with a dot",
    "is reserved on some systems",
    "must read as a short text",
    "is not base64",
    "must be a media type",
    "must be of printable ASCII characters",
    "is no URL",
    "must begin with https://",
    "must name a host",
    "must not have credentials",
    "must name the port 443 or 80",
)


def operations() -> list[Any]:
    """Give the operations of the document, with nothing left open: no member that it does not name, no status."""
    pool = descriptor_pool.Default()
    document = closed(build_document(pool.FindServiceByName(name) for name in SERVICES))
    for item in document["paths"].values():
        for operation in item.values():
            del operation["responses"]["default"]
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.with_security_parameters = False
    return [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    with background_service(tmp_path_factory.mktemp("schemathesis")) as running:
        yield running


@pytest.fixture
def things(service: Background) -> Things:
    return service.things(f"talk-{next(NUMBERS)}")


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_no_reply_is_a_server_error_or_undocumented(
    service: Background, things: Things, operation: Any, data: st.DataObject
) -> None:
    case = data.draw(operation.as_strategy(generation_mode=data.draw(MODES)))
    if data.draw(st.booleans()):
        case.body, case.query = things.put_into(case.body), things.put_into(case.query)
    headers = {**service.headers, **DEADLINE}
    reply = case.call(base_url=service.url, headers=headers, timeout=REPLY_SECONDS)
    try:
        case.validate_response(reply, headers=headers, excluded_checks=[negative_data_rejection])
    except* RejectedPositiveData:
        # What a schema cannot know (whether there is such a model) may be refused; what it should say may not.
        is_beyond = any(sentence in reply.text for sentence in BEYOND_SCHEMAS)
        assert is_beyond or not any(f'"{reason}"' in reply.text for reason in BAD_FORM)
