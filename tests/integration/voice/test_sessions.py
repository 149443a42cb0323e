"""Sessions: how they begin, that there is one of a conversation, and that nothing of one is left at its end."""

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.adapters.voice.bots import ProcessBots
from server.adapters.voice.daily import DailyRooms
from server.domain.erasure import Erasure
from server.domain.errors import ConversationNotFound, ShuttingDown
from server.domain.ids import ErasureId
from server.domain.message import MessageStatus
from server.domain.principal import Owner, Principal, RequestKey
from server.domain.voice import End, VoiceSession
from server.domain.voice_errors import (
    TooManyVoiceSessions,
    VoiceServiceRefused,
    VoiceServiceUnavailable,
    VoiceSessionNotFound,
    VoiceUnavailable,
)
from server.ports.voice import Invitation
from tests.support.house import open_house
from tests.support.scripted_provider import ScriptedProvider
from tests.support.upstream.gate import Gate
from tests.support.voice.daily import KEY, Fault, StandInDaily
from tests.support.voice.exchange import ANNA, CONFIG, LIMITS, Exchange, open_exchange, until
from tests.support.voice.puppets import Puppet, Puppets


async def sessions(exchange: Exchange, key: str = "talk") -> list[VoiceSession]:
    """What the store has."""
    conversation = (await exchange.house.threads.state(ANNA.owner, key)).conversation
    found = await exchange.house.store.read(ANNA.owner, lambda tx: tx.voice_sessions.of(conversation.id))
    return [found] if found else []


def is_running(puppet: Puppet) -> bool:
    """Whether its process is there."""
    with suppress(ProcessLookupError):
        os.kill(puppet.pid, 0)
        return True
    return False


def open_to_others(puppet: Puppet, folder: Path) -> bytes:
    """What others on the machine, or with the database, can read of a session."""
    process = Path(f"/proc/{puppet.pid}")
    stored = [path.read_bytes() for path in folder.glob("house.db*")]
    return b"".join([(process / "cmdline").read_bytes(), (process / "environ").read_bytes(), *stored])


def acts(folder: Path) -> list[tuple[str, str]]:
    """What the audit has of sessions: acts, and the rooms."""
    with closing(sqlite3.connect(folder / "house.db")) as connection:
        found = connection.execute("SELECT act, object FROM audit WHERE act LIKE 'voice%' ORDER BY id").fetchall()
    return [(act, name) for act, name in found]


async def test_a_session_is_a_private_room_with_an_end_a_bot_and_a_token_of_the_callers_own(
    exchange: Exchange, tmp_path: Path
) -> None:
    creating = asyncio.create_task(exchange.house.voice.create(ANNA, "talk"))
    puppet, start = await exchange.puppets.joined()
    admission = await creating
    session = admission.session
    room = exchange.daily.rooms[session.room_name]
    assert room["privacy"] == "private"
    assert room["config"]["exp"] == session.expires_at.timestamp()
    assert room["config"]["eject_at_room_exp"] is True
    assert session.room_url == room["url"]
    mine, bots = exchange.daily.permits(admission.token), exchange.daily.permits(start["token"])
    assert mine == {
        "room_name": session.room_name,
        "user_id": str(ANNA.user_id),
        "user_name": "anna",
        "is_owner": False,
        "exp": room["config"]["exp"],
        "eject_at_token_exp": True,
    }
    assert (bots["room_name"], bots["user_name"], bots["is_owner"]) == (session.room_name, "Parley", False)
    assert start == {
        "type": "start",
        "room_url": session.room_url,
        "token": start["token"],
        "bot_name": "Parley",
        "expires_at": room["config"]["exp"],
        "speech_to_text": {
            "base_url": CONFIG.speech_to_text.base_url,
            "api_key": CONFIG.speech_to_text.api_key,
            "model": "listener",
        },
        "text_to_speech": {
            "base_url": CONFIG.text_to_speech.base_url,
            "api_key": CONFIG.text_to_speech.api_key,
            "model": "speaker",
            "voice": "alloy",
        },
        "language": "en",
    }
    secrets = (start["token"], admission.token, CONFIG.speech_to_text.api_key, CONFIG.text_to_speech.api_key, KEY)
    told_to_others = open_to_others(puppet, tmp_path)
    assert not [secret for secret in secrets if secret.encode() in told_to_others]
    assert os.getpgid(puppet.pid) == puppet.pid
    assert acts(tmp_path) == [("voice_session.create", session.room_name)]
    assert exchange.figures.live == 1


async def test_a_bot_reaches_others_as_its_server_does(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "NO_PROXY", "NO_PROXY_OF_OURS"):
        monkeypatch.setenv(name, "proxy.example")
    _, puppet = await exchange.call()
    environment = open_to_others(puppet, tmp_path).split(b"\0")
    assert {b"https_proxy=proxy.example", b"NO_PROXY=proxy.example"} <= set(environment)
    assert b"NO_PROXY_OF_OURS=proxy.example" not in environment


async def test_who_calls_again_joins_the_session_that_lives(exchange: Exchange) -> None:
    first, _ = await exchange.call()
    again = await exchange.house.voice.create(ANNA, "talk")
    assert again.session.room_name == first.session.room_name
    assert len(exchange.daily.rooms) == 1


async def test_those_who_call_at_the_same_time_meet_in_one_room(exchange: Exchange) -> None:
    creating = [asyncio.create_task(exchange.house.voice.create(ANNA, "talk")) for _ in range(5)]
    await exchange.puppets.joined()
    admissions = await asyncio.gather(*creating)
    assert len({admission.session.room_name for admission in admissions}) == 1
    assert len(exchange.daily.rooms) == 1


async def test_a_repeated_call_is_answered_with_a_new_token_for_its_room_and_with_no_other_room(
    exchange: Exchange,
) -> None:
    marked = replace(ANNA, request_key=RequestKey("mark", "print"))
    creating = asyncio.create_task(exchange.house.voice.create(marked, "talk"))
    await exchange.puppets.joined()
    first = await creating
    again = await exchange.house.voice.create(marked, "talk")
    assert again.session.id == first.session.id
    assert exchange.daily.permits(again.token)["room_name"] == first.session.room_name
    await exchange.house.voice.end(ANNA, "talk")
    with pytest.raises(VoiceSessionNotFound):
        await exchange.house.voice.create(marked, "talk")


async def test_a_call_that_failed_may_be_repeated_under_its_mark(exchange: Exchange) -> None:
    marked = replace(ANNA, request_key=RequestKey("mark", "print"))
    exchange.daily.faults.extend([Fault(status=503)] * 3)
    with pytest.raises(VoiceServiceUnavailable):
        await exchange.house.voice.create(marked, "talk")
    creating = asyncio.create_task(exchange.house.voice.create(marked, "talk"))
    await exchange.puppets.joined()
    assert (await creating).session.is_open


async def test_whoever_ends_a_session_ends_it_for_everybody(exchange: Exchange, tmp_path: Path) -> None:
    admission, puppet = await exchange.call()
    room = await exchange.house.voice.end(ANNA, "talk")
    assert room == admission.session.room_name
    assert (await puppet.told_until("leave"))[-1] == {"type": "leave"}
    await puppet.gone()
    await until(lambda: exchange.daily.deleted == [room] and exchange.figures.ends == [End.HUNG_UP])
    assert not exchange.daily.rooms
    assert await sessions(exchange) == []
    assert not is_running(puppet)
    assert acts(tmp_path) == [("voice_session.create", room), ("voice_session.end", room)]
    with pytest.raises(VoiceSessionNotFound):
        await exchange.house.voice.end(ANNA, "talk")


async def test_who_hangs_up_wants_no_more_of_the_answer(exchange: Exchange, provider: ScriptedProvider) -> None:
    gate = Gate()
    provider.script("Once upon a time. ", "There was", gate)
    _, puppet = await exchange.call()
    puppet.say("heard", turn=1, text="A story")
    while "was" not in (await puppet.told())["text"]:
        pass
    puppet.say("spoken", turn=1, text="Once upon", done=False)
    puppet.say("left", reason="EMPTY")
    await until(lambda: exchange.figures.ends == [End.EMPTY])
    answer = (await exchange.messages())[1]
    assert (answer.content, answer.status.value) == ("Once upon a time. There was", "INTERRUPTED")
    assert answer.spoken_content == "Once upon"


async def test_an_answer_outlives_the_bot_that_would_have_spoken_it(
    exchange: Exchange, provider: ScriptedProvider
) -> None:
    gate = Gate()
    provider.script("Here it ", gate, "is.")
    _, puppet = await exchange.call()
    puppet.say("heard", turn=1, text="Now")
    await puppet.told()
    puppet.kill()
    await until(lambda: exchange.figures.ends == [End.BOT_DIED])
    gate.open()
    await exchange.house.provider.idle()
    await exchange.said_at_least(2)
    assert (await exchange.messages())[1].content == "Here it is."
    assert not exchange.daily.rooms
    assert await sessions(exchange) == []


async def test_the_bot_that_leaves_ends_the_session(exchange: Exchange) -> None:
    _, puppet = await exchange.call()
    puppet.say("left", reason="REMOVED")
    await until(lambda: exchange.figures.ends == [End.BOT_LEFT])
    assert await sessions(exchange) == []
    assert not exchange.daily.rooms


async def test_what_another_process_ended_is_answered_no_further(tmp_path: Path, provider: ScriptedProvider) -> None:
    """Whose bot is put out of the room before this process looks for its row."""
    provider.script("Once upon a time. ", Gate())
    async with open_exchange(tmp_path, provider, limits=replace(LIMITS, heartbeat=timedelta(minutes=5))) as exchange:
        await exchange.house.threads.create(ANNA, name="Talk", key="talk")
        admission, puppet = await exchange.call()
        puppet.say("heard", turn=1, text="A story")
        await puppet.told()
        await exchange.house.store.write(ANNA.owner, lambda tx: tx.voice_sessions.remove(admission.session.id))
        puppet.say("left", reason="REMOVED")
        await until(lambda: exchange.figures.ends == [End.GONE])
        assert (await exchange.messages())[1].status is MessageStatus.INTERRUPTED


async def test_a_call_whose_end_breaks_leaves_the_others_alone(
    exchange: Exchange, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def close(*_: object) -> None:
        raise RuntimeError("a defect")

    provider.script("Still here.")
    await exchange.house.threads.create(ANNA, name="Other", key="other")
    _, broken = await exchange.call()
    _, other = await exchange.call("other")
    monkeypatch.setattr(DailyRooms, "close", close)
    broken.say("left", reason="EMPTY")
    await until(lambda: exchange.figures.ends == [End.EMPTY])
    other.say("heard", turn=1, text="Hello?")
    assert await other.answer() == "Still here."


async def test_nobody_speaks_under_another_name_than_the_sessions_maker(exchange: Exchange) -> None:
    await exchange.call()
    with pytest.raises(TooManyVoiceSessions):
        await exchange.house.voice.create(replace(ANNA, actor="bert"), "talk")
    assert len(exchange.daily.tokens) == 2  # the bot's and Anna's
    await exchange.house.voice.end(ANNA, "talk")
    await exchange.call(by=replace(ANNA, actor="bert"))
    for other in (ANNA, replace(ANNA, actor="carl")):
        with pytest.raises(TooManyVoiceSessions):
            await exchange.house.voice.create(other, "talk")


async def test_the_bot_that_cannot_go_on_ends_the_session(exchange: Exchange) -> None:
    _, puppet = await exchange.call()
    puppet.say("failed", reason="SPEECH_FAILED", message="503")
    await until(lambda: exchange.figures.ends == [End.BOT_FAILED])


@pytest.mark.parametrize(
    "line",
    [
        b"rubbish",
        b"{}",
        b'{"type": "heard", "turn": 0, "text": "x"}',
        b'{"type": "joined"}',
        b'{"type": "heard", "turn": 1, "text": "x", "more": 1}',
        b'{"type": "spoken", "turn": 1, "text": "' + b"\xff" + b'", "done": true}',
    ],
    ids=str,
)
async def test_a_bot_that_says_what_is_nothing_is_ended(exchange: Exchange, line: bytes) -> None:
    _, puppet = await exchange.call()
    puppet.write(line)
    await until(lambda: exchange.figures.ends == [End.BOT_BROKE_RULES])
    assert await sessions(exchange) == []


async def test_a_line_without_end_ends_the_session(exchange: Exchange) -> None:
    _, puppet = await exchange.call()
    puppet.write(b'{"type": "heard", "turn": 1, "text": "' + b"x" * 2_000_000)
    await until(lambda: exchange.figures.ends == [End.BOT_DIED])


async def test_a_bot_that_counts_backwards_is_ended(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Yes")
    _, puppet = await exchange.call()
    puppet.say("heard", turn=2, text="a")
    await puppet.told_until("ended")
    puppet.say("heard", turn=2, text="b")
    await until(lambda: exchange.figures.ends == [End.BOT_BROKE_RULES])


async def test_a_flood_of_what_was_spoken_is_kept_up_with(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("word " * 1000)
    _, puppet = await exchange.call()
    puppet.say("heard", turn=1, text="a")
    await puppet.told_until("ended")
    for count in range(2000):
        puppet.say("spoken", turn=1, text="word " * (count // 2), done=count == 1999)
    await exchange.spoken(1)
    assert (await exchange.messages())[1].spoken_content == ("word " * 999).strip()


async def test_a_bot_that_never_joins_leaves_nothing_behind(tmp_path: Path, provider: ScriptedProvider) -> None:
    limits = replace(LIMITS, joining=timedelta(milliseconds=300))
    async with open_exchange(tmp_path, provider, limits=limits) as exchange:
        await exchange.house.threads.create(ANNA, name="Talk", key="talk")
        creating = asyncio.create_task(exchange.house.voice.create(ANNA, "talk"))
        puppet = await exchange.puppets.next()
        with pytest.raises(VoiceServiceUnavailable, match="did not join"):
            await creating
        await puppet.gone()
        await until(lambda: exchange.daily.deleted != [])
        assert await sessions(exchange) == []
        assert exchange.figures.failures == ["VOICE_SERVICE_UNAVAILABLE"]
        assert acts(tmp_path) == []


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("NOT_INSTALLED", VoiceUnavailable),
        ("JOIN_FAILED", VoiceServiceUnavailable),
        ("SPEECH_FAILED", VoiceServiceUnavailable),
        ("BAD_START", VoiceServiceRefused),
    ],
)
async def test_a_bot_that_cannot_join_says_why(exchange: Exchange, reason: str, error: type[Exception]) -> None:
    creating = asyncio.create_task(exchange.house.voice.create(ANNA, "talk"))
    puppet = await exchange.puppets.next()
    puppet.say("failed", reason=reason, message="for the operator")
    with pytest.raises(error) as caught:
        await creating
    assert "for the operator" not in str(caught.value)
    await until(lambda: exchange.daily.deleted != [])


async def test_a_program_that_is_not_there_is_no_bot(exchange: Exchange) -> None:
    bots = ProcessBots(CONFIG, command=["/nowhere/bot"], installed=lambda: True)
    with pytest.raises(VoiceServiceUnavailable, match="could not be started"):
        async with bots.joined(None):  # type: ignore[arg-type]  # it gets no further
            pass


async def test_what_is_not_installed_is_told_before_a_room_is_made() -> None:
    bots = ProcessBots(CONFIG, installed=lambda: False)
    with pytest.raises(VoiceUnavailable, match=r"pip install 'parley\[voice\]'"):
        bots.require()


async def test_the_end_of_a_conversation_is_the_end_of_its_call(exchange: Exchange, tmp_path: Path) -> None:
    admission, puppet = await exchange.call()
    await exchange.house.threads.delete(ANNA, "talk")
    assert (await puppet.told_until("leave"))[-1] == {"type": "leave"}
    await until(lambda: exchange.figures.ends == [End.GONE])
    assert exchange.daily.deleted == [admission.session.room_name]
    with pytest.raises(ConversationNotFound):
        await exchange.house.voice.create(ANNA, "talk")


async def test_no_turn_goes_to_another_conversation_of_the_same_key(
    exchange: Exchange, provider: ScriptedProvider
) -> None:
    _, puppet = await exchange.call()
    await exchange.house.threads.delete(ANNA, "talk")
    await exchange.house.threads.create(ANNA, name="Other", key="talk")
    puppet.say("heard", turn=1, text="secret")
    await until(lambda: exchange.figures.ends == [End.GONE])
    assert await exchange.said() == []


async def test_a_session_ends_with_its_time(tmp_path: Path, provider: ScriptedProvider) -> None:
    limits = replace(LIMITS, duration=timedelta(seconds=3))
    async with open_exchange(tmp_path, provider, limits=limits) as exchange:
        await exchange.house.threads.create(ANNA, name="Talk", key="talk")
        await exchange.call()
        await until(lambda: exchange.figures.ends == [End.EXPIRED])
        assert await sessions(exchange) == []


async def test_what_stops_hangs_up(tmp_path: Path, provider: ScriptedProvider) -> None:
    async with open_exchange(tmp_path, provider) as exchange:
        await exchange.house.threads.create(ANNA, name="Talk", key="talk")
        _, puppet = await exchange.call()
        exchange.house.voice.drain()
        assert (await puppet.told_until("leave"))[-1] == {"type": "leave"}
        with pytest.raises(ShuttingDown):
            await exchange.house.voice.create(ANNA, "talk")
        await until(lambda: exchange.figures.ends == [End.STOPPED])
        assert not exchange.daily.rooms
        assert not is_running(puppet)


async def test_what_stops_while_a_bot_joins_waits_for_nobody(tmp_path: Path, provider: ScriptedProvider) -> None:
    async with open_exchange(tmp_path, provider) as exchange:
        await exchange.house.threads.create(ANNA, name="Talk", key="talk")
        creating = asyncio.create_task(exchange.house.voice.create(ANNA, "talk"))
        puppet = await exchange.puppets.next()
        exchange.house.voice.drain()
        with pytest.raises(ShuttingDown):
            await creating
        await puppet.gone()
        await until(lambda: exchange.daily.deleted != [])
        assert await sessions(exchange) == []


async def test_a_session_whose_process_was_killed_gives_way(exchange: Exchange) -> None:
    admission, _ = await exchange.call()
    await exchange.house.store.write_system(lambda tx: tx.void_leases())
    creating = asyncio.create_task(exchange.house.voice.create(ANNA, "talk"))
    await exchange.puppets.joined()
    new = await creating
    assert new.session.room_name != admission.session.room_name
    await until(lambda: set(exchange.daily.rooms) == {new.session.room_name})


async def test_only_so_many_sessions_of_a_user_and_of_a_process(tmp_path: Path, provider: ScriptedProvider) -> None:
    limits = replace(LIMITS, per_user=1, per_process=2)
    bert, carl = (Principal(Owner("acme", name), frozenset({"*"}), None) for name in ("bert", "carl"))
    async with open_exchange(tmp_path, provider, limits=limits) as exchange:
        await exchange.house.store.write_system(lambda tx: tx.provision(carl.owner, datetime.now(UTC)))
        for who, key in ((ANNA, "a"), (ANNA, "b"), (bert, "c"), (carl, "d")):
            await exchange.house.threads.create(who, name="Talk", key=key)
        await exchange.call("a")
        with pytest.raises(TooManyVoiceSessions) as caught:
            await exchange.house.voice.create(ANNA, "b")
        assert caught.value.metadata == {"limit": "user", "most": "1"}
        await exchange.call("c", bert)
        with pytest.raises(TooManyVoiceSessions) as caught:
            await exchange.house.voice.create(carl, "d")
        assert caught.value.metadata == {"limit": "server", "most": "2"}
        assert (await exchange.house.voice.create(ANNA, "a")).session.is_open


async def test_where_nothing_is_configured_voice_says_so(tmp_path: Path, provider: ScriptedProvider) -> None:
    async with open_house(tmp_path, provider) as house:
        await house.threads.create(ANNA, name="Talk", key="talk")
        with pytest.raises(VoiceUnavailable, match=r"no \[voice\]"):
            await house.voice.create(ANNA, "talk")
        with pytest.raises(VoiceSessionNotFound):
            await house.voice.end(ANNA, "talk")


async def test_who_is_erased_is_in_no_call_any_more(exchange: Exchange) -> None:
    admission, puppet = await exchange.call()
    now, store = datetime.now(UTC), exchange.house.store
    erasure = Erasure(ErasureId("e"), ANNA.owner, "erased:e", requested_by="bert", requested_at=now)
    await store.write(ANNA.owner, lambda tx: tx.rights.begin_erasure(erasure))
    assert (await puppet.told_until("leave"))[-1] == {"type": "leave"}
    await until(lambda: exchange.figures.ends != [])
    assert exchange.daily.deleted == [admission.session.room_name]


async def test_a_bot_that_does_not_go_is_ended_with_all_that_it_started() -> None:
    async with Puppets() as puppets:
        bots = ProcessBots(CONFIG, command=[*puppets.command, "stubborn"], installed=lambda: True, leaving_seconds=0.05)
        joining = asyncio.create_task(puppets.joined())
        async with bots.joined(Invitation("https://rooms.example/one", "token", datetime.now(UTC))):
            puppet, _ = await joining
        assert (await puppet.told())["type"] == "leave"
        await puppet.gone()
        assert not is_running(puppet)


@pytest.mark.parametrize("last", [b"!exit 0", b"!exit 3"])
async def test_a_bot_that_ends_without_a_word_ends_the_session(exchange: Exchange, last: bytes) -> None:
    _, puppet = await exchange.call()
    puppet.write(last)
    await until(lambda: exchange.figures.ends == [End.BOT_DIED])
    assert not exchange.daily.rooms


async def test_a_bot_may_complain_as_long_as_it_likes(exchange: Exchange, provider: ScriptedProvider) -> None:
    provider.script("Yes.")
    _, puppet = await exchange.call()
    for _ in range(100):
        puppet.write(b"!log " + b"x" * 50_000)
    puppet.say("heard", turn=1, text="Are you well?")
    assert await puppet.answer() == "Yes."


async def test_whoever_leaves_the_service_waits_until_rooms_are_closed(
    tmp_path: Path, provider: ScriptedProvider
) -> None:
    async with StandInDaily() as daily:
        async with open_exchange(tmp_path, provider, daily=daily) as exchange:
            await exchange.house.threads.create(ANNA, name="Talk", key="talk")
            _, puppet = await exchange.call()
        assert (exchange.figures.ends, daily.rooms) == ([End.STOPPED], {})
        assert not is_running(puppet)
