"""The `id` of the events of an answer, with which a stream of it is continued: `run:attempt:sequence`."""

from server.application.viewpoints import Viewpoint
from server.domain.events import Event
from server.domain.ids import RunId
from server.domain.run import Run


def decode_event_id(event_id: str) -> Viewpoint:
    """What somebody has seen whose last event has this `id`; a run's id alone is its beginning. The text has the form
    that the protos demand of `last_event_id`."""
    run_id, *place = event_id.split(":")
    if not place:
        return Viewpoint(RunId(run_id))
    attempt, sequence = map(int, place)
    return Viewpoint(RunId(run_id), attempt, sequence)


def encode_viewpoint(run_id: RunId, attempt: int, sequence: int) -> str:
    """The `id` of what is shown last to somebody who has seen so much."""
    return f"{run_id}:{attempt}:{sequence}"


def encode_event_id(run_id: RunId, event: Event, sequence: int) -> str:
    """The `id` of what is shown of an event, whatever was shown before it, with the place up to which its reader has
    seen the run then. What happens to a run before its first attempt counts as that one's."""
    return encode_viewpoint(run_id, event.epoch or 1, sequence)


def encode_place(run: Run, sequence: int) -> str:
    """The `id` of what says only how much of a run was shown, such as that a stream is about to be cut."""
    return encode_viewpoint(run.id, max(1, run.epoch), sequence)
