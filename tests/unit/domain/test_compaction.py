"""What the next summary of a history takes in, and what its maker is shown."""

from hypothesis import given
from hypothesis import strategies as st

from server.domain.compaction import Compaction, CompactionCause
from server.domain.compaction_plan import Plan, Unsummarised
from server.domain.conversation import Conversation
from server.domain.ids import CompactionId, ConversationId
from server.domain.message import Message, Role, ToolCall
from server.domain.model_request import Bounds
from server.domain.principal import Owner
from server.domain.tokens import TokenEstimator
from server.domain.transcript import chunks, digest, entry
from tests.unit.domain.histories import NOW, histories, message, placed

PLAIN = TokenEstimator()
TALK = Conversation(ConversationId("c"), Owner("acme", "anna"), "talk", "Talk", NOW, NOW)
bounds = st.builds(Bounds, messages=st.integers(1, 20), tokens=st.none() | st.integers(0, 4000))


def unsummarised(history: list[Message], previous: Compaction | None = None) -> Unsummarised:
    return Unsummarised(TALK, previous, previous.version if previous else 0, history, PLAIN)


def summary(text: str, upto: int = 2) -> Compaction:
    return Compaction(
        *(CompactionId("s"), ConversationId("c"), 1, 1, upto, text, upto, 50, PLAIN.text(text)),
        *("m", CompactionCause.AUTOMATIC, NOW),
    )


def covered(plan: Plan) -> range:
    return range(1, plan.upto(plan.count) + 1)


@given(histories(), bounds)
def test_no_summary_ever_takes_in_the_last_turn(history: list[Message], bounds: Bounds) -> None:
    asked = [each.position or 0 for each in history if each.role is Role.USER and each.content]
    for plan in (unsummarised(history).before_last_turn(), unsummarised(history).all_but_half(bounds)):
        if plan is not None:
            assert len(covered(plan)) >= 1
            assert not asked or asked[-1] not in covered(plan)


@given(histories(), bounds)
def test_a_summary_ends_between_two_groups(history: list[Message], bounds: Bounds) -> None:
    plan = unsummarised(history).all_but_half(bounds)
    if plan is not None:
        for count in range(1, plan.count + 1):
            inside = {call.id for each in history[: plan.upto(count)] for call in each.tool_calls}
            answered = {each.tool_call_id for each in history[plan.upto(count) :]} & inside
            results_before = {each.tool_call_id for each in history[: plan.upto(count)] if each.role is Role.TOOL}
            assert answered <= results_before | {None}


@given(histories(), bounds)
def test_what_is_summarised_is_shown_to_the_model_once_and_in_order(history: list[Message], bounds: Bounds) -> None:
    plan = unsummarised(history).all_but_half(bounds)
    if plan is not None:
        assert len(plan.texts) == plan.count
        assert plan.texts == [entry(group.messages) for group in plan.groups[: plan.count]]


def test_after_a_summary_about_half_a_request_is_left() -> None:
    roles = [Role.USER, Role.ASSISTANT] * 6
    history = placed([message(role, f"{place}") for place, role in enumerate(roles)])[:11]
    plan = unsummarised(history).all_but_half(Bounds(6))
    assert plan is not None
    assert covered(plan) == range(1, 9)


def test_a_summary_of_a_model_with_a_longer_context_is_made_shorter() -> None:
    history = placed([message(Role.USER, "one"), message(Role.ASSISTANT, "two"), message(Role.USER, "three")])[2:]
    assert unsummarised(history, summary("fact " * 20)).all_but_half(Bounds(10, tokens=200)) is None
    plan = unsummarised(history, summary("fact " * 300)).all_but_half(Bounds(10, tokens=200))
    assert plan is not None
    assert (plan.count, plan.texts, plan.upto(0)) == (0, [], 2)


def test_what_requests_carry_is_counted_with_and_without_a_summary() -> None:
    history = placed([message(Role.USER, "word " * 50), message(Role.ASSISTANT, "word " * 50), message(Role.USER, "x")])
    before = unsummarised(history)
    assert before.tokens == sum(PLAIN.text(each.content) + 4 for each in history)
    assert before.tokens_with(summary("They met.")) == PLAIN.text("They met.") + PLAIN.text("x") + 4


def test_a_transcript_names_speakers_calls_and_results() -> None:
    call = ToolCall("a", "look", '{"at": "it"}')
    spoken = entry(
        [message(Role.ASSISTANT, "Wait.", tool_calls=(call,)), message(Role.TOOL, "a dog", tool_call_id="a")]
    )
    assert spoken == 'Assistant: Wait.\n[asks for look with {"at": "it"}]\n\nTool result: a dog'


def test_a_long_result_is_quoted_from_both_ends() -> None:
    spoken = entry([message(Role.TOOL, "a" * 9000 + "z" * 9000, tool_call_id="a")])
    assert len(spoken) < 5000
    assert spoken.startswith("Tool result: aaa")
    assert spoken.endswith("zzz")


@given(st.lists(st.text(max_size=400), max_size=12), st.integers(8, 300))
def test_chunks_have_every_text_in_order_and_fit(texts: list[str], most: int) -> None:
    found = chunks(texts, most, PLAIN)
    assert "".join("".join(texts).split()) == "".join("".join(chunk.text for chunk in found).split())
    assert all(PLAIN.text(chunk.text) <= most for chunk in found)
    wholes = [chunk.whole for chunk in found]
    assert wholes == sorted(wholes)
    assert not found or wholes[-1] == len(texts)


def test_a_digest_has_the_first_words_of_each_text_behind_those_before() -> None:
    first = digest(None, ["User: hello there", "Assistant: " + "word " * 40])
    assert first.splitlines() == ["- User: hello there", "- Assistant: " + "word " * 10 + "word…"]
    assert digest(first, ["User: bye"]).splitlines() == [*first.splitlines(), "- User: bye"]
    assert len(digest(None, [f"User: {number}" for number in range(500)]).splitlines()) == 40
