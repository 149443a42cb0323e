"""What is said in a call and what is written are one conversation: turns, answers, interruptions, what was heard."""

from server.application.runs import SendMessage
from server.domain.ids import RunId
from server.domain.message import MessageStatus
from server.domain.run import RunState
from server.ports.provider import ProviderError
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate
from tests.support.voice.exchange import ANNA, Exchange


async def test_a_turn_is_a_message_and_its_answer_is_spoken(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Hello", " Anna.")
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="Hi, I am Anna.")
    told = await bot.told_until("ended")
    assert "".join(each["text"] for each in told[:-1]) == "Hello Anna."
    assert told[-1] == {"type": "ended", "turn": 1, "status": "COMPLETED"}
    bot.say("spoken", turn=1, text="Hello Anna.", done=True)
    await exchange.spoken(1)
    assert await exchange.said() == [("user", "Hi, I am Anna.", None), ("assistant", "Hello Anna.", "Hello Anna.")]


async def test_voice_and_text_share_one_history(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Written.")
    provider.script("Spoken.")
    provider.script("Written again.")
    await exchange.house.ended(await exchange.house.runs.send(ANNA, SendMessage("talk", "one")))
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="two")
    assert await bot.answer() == "Spoken."
    bot.say("spoken", turn=1, text="Spoken.", done=True)
    await exchange.spoken(3)
    await exchange.house.ended(await exchange.house.runs.send(ANNA, SendMessage("talk", "three")))
    shown = [message.content for message in provider.requests[-1].messages]
    assert shown == ["one", "Written.", "two", "Spoken.", "three"]


async def test_who_barges_in_ends_the_answer_that_is_being_written(
    exchange: Exchange, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.script("First this. ", "Then that. ", gate, "Never this.")
    provider.script("As you like.")
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="Tell me")
    piece = await bot.told()
    while "that." not in piece["text"]:
        piece = await bot.told()
    bot.say("barge_in", turn=1)
    bot.say("spoken", turn=1, text="First this.", done=True)
    assert (await bot.told_until("ended"))[-1]["status"] == "INTERRUPTED"
    bot.say("heard", turn=2, text="Stop")
    assert await bot.answer() == "As you like."
    answer = (await exchange.messages())[1]
    assert (answer.content, answer.status) == ("First this. Then that. ", MessageStatus.INTERRUPTED)
    assert answer.spoken_content == "First this."
    assert [message.content for message in provider.requests[1].messages] == ["Tell me", "First this.", "Stop"]


async def test_who_barges_in_on_a_whole_answer_leaves_it_whole_and_the_model_knows_what_was_heard(
    exchange: Exchange, provider: ScriptedProvider
) -> None:
    provider.script("One. Two. Three.")
    provider.script("Yes?")
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="Count")
    await bot.told_until("ended")
    bot.say("barge_in", turn=1)
    bot.say("spoken", turn=1, text="One.  Two", done=True)
    bot.say("heard", turn=2, text="Wait")
    assert await bot.answer() == "Yes?"
    answer = (await exchange.messages())[1]
    assert (answer.content, answer.status) == ("One. Two. Three.", MessageStatus.COMPLETE)
    assert answer.spoken_content == "One. Two"
    assert [message.content for message in provider.requests[1].messages] == ["Count", "One. Two", "Wait"]
    run = RunId(str((await exchange.messages())[3].run_id))
    page = await exchange.house.run_prompts.page(ANNA.owner, run, page_size=0, page_token="")
    assert [part.message.content for part in page.items[0].parts] == ["Count", "One. Two", "Wait"]


async def test_of_an_answer_that_nobody_heard_the_model_is_shown_nothing(
    exchange: Exchange, provider: ScriptedProvider
) -> None:
    provider.script("Well then.")
    provider.script("Yes?")
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="Count")
    await bot.told_until("ended")
    bot.say("spoken", turn=1, text="", done=True)
    bot.say("heard", turn=2, text="Wait")
    await bot.told_until("ended")
    assert (await exchange.said())[1] == ("assistant", "Well then.", "")
    assert [message.content for message in provider.requests[1].messages] == ["Count", "Wait"]


async def test_a_turn_interrupts_what_is_being_answered_in_writing(
    exchange: Exchange, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.script("Writing", gate)
    provider.script("Speaking")
    run = await exchange.house.runs.send(ANNA, SendMessage("talk", "write"))
    await gate.reached()
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="speak")
    assert await bot.answer() == "Speaking"
    assert (await exchange.house.ended(run)).state is RunState.INTERRUPTED


async def test_what_was_spoken_is_known_at_the_next_turn_though_nobody_said_that_it_was_all(
    exchange: Exchange, provider: ScriptedProvider
) -> None:
    provider.script("One. Two. Three.")
    provider.script("Yes?")
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="Count")
    await bot.told_until("ended")
    bot.say("spoken", turn=1, text="One.", done=False)
    bot.say("heard", turn=2, text="Wait")
    await bot.told_until("ended")
    assert (await exchange.messages())[1].spoken_content == "One."


async def test_what_fails_is_said(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Well", ProviderError("PROVIDER_STREAM_CUT", "cut"))
    provider.script("Better.")
    _, bot = await exchange.call()
    bot.say("heard", turn=1, text="Hm")
    told = await bot.told_until("ended")
    assert told[-2]["type"] == "notice"
    assert told[-1]["status"] == "FAILED"
    bot.say("heard", turn=2, text="Again")
    assert await bot.answer() == "Better."


async def test_what_may_not_be_said_is_not_sent(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Short.")
    _, bot = await exchange.call()
    for turn, text in enumerate(("x" * 40_000, " \n "), 1):
        bot.say("heard", turn=turn, text=text)
        assert [each["type"] for each in await bot.told_until("ended")] == ["notice", "ended"]
    bot.say("heard", turn=3, text="short")
    assert await bot.answer() == "Short."
    assert await exchange.said() == [("user", "short", None), ("assistant", "Short.", None)]
