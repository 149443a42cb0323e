"""What is known of files."""

from server.domain.conversation import Conversation
from server.domain.ids import FileId
from server.ports.store import Store, Transaction
from tests.contract.store.builders import ALICE, BOB, at, conversation, file, stored


async def test_what_is_added_comes_back_equal(store: Store, talk: Conversation) -> None:
    made = file(talk, name="image.webp", media_type="image/webp", size=10 * 2**20, sha256="ab" * 32, created_at=at(7))
    await store.write(ALICE, lambda tx: tx.files.add(made))
    assert await store.read(ALICE, lambda tx: tx.files.get(made.id)) == made
    assert await store.read(ALICE, lambda tx: tx.files.get(FileId("none"))) is None


async def test_files_of_a_conversation_go_with_it(store: Store, talk: Conversation) -> None:
    other = conversation("other")
    await stored(store, other)
    made, kept = [file(talk), file(talk)], file(other)

    async def unit(tx: Transaction) -> None:
        for item in (*made, kept):
            await tx.files.add(item)

    await store.write(ALICE, unit)
    assert await store.read(ALICE, lambda tx: tx.files.of_conversation(talk.id)) == sorted(item.id for item in made)
    await store.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    assert await store.read(ALICE, lambda tx: tx.files.of_conversation(talk.id)) == []
    assert await store.read(ALICE, lambda tx: tx.files.get(kept.id)) == kept


async def test_the_service_knows_every_owners_files(store: Store, talk: Conversation) -> None:
    theirs = conversation("theirs", owner=BOB)
    await stored(store, theirs)
    one, two = file(talk), file(theirs)
    await store.write(ALICE, lambda tx: tx.files.add(one))
    await store.write(BOB, lambda tx: tx.files.add(two))
    asked = [one.id, FileId("gone"), two.id]
    assert await store.read_system(lambda tx: tx.known_files(asked)) == {one.id, two.id}
