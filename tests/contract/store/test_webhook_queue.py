"""What is queued for webhooks goes with its conversation, and is not looked for once nobody is told of that."""

from dataclasses import replace

from server.domain.conversation import Conversation
from server.domain.ids import DeliveryId, WebhookId, WorkerId
from server.domain.run import Lease
from server.domain.webhook import Delivery, DeliveryState, Webhook, WebhookEvent
from server.ports.store import Store, SystemTransaction
from tests.contract.store.builders import ALICE, BOB, at, conversation, new_id, stored

HOOK = Webhook(WebhookId("hook"), ALICE.tenant, ALICE.user, "https://hooks.invalid/", at(0), at(0))
LEASE = Lease(WorkerId("w"), at(60))


def of(talk: Conversation) -> Delivery:
    return Delivery(
        id=DeliveryId(new_id()),
        webhook_id=HOOK.id,
        owner=talk.owner,
        event=WebhookEvent.RUN_COMPLETED,
        occurred_at=at(0),
        created_at=at(0),
        conversation_id=talk.id,
        sequence=1,
    )


async def queued(store: Store, *deliveries: Delivery) -> None:
    async def unit(tx: SystemTransaction) -> None:
        await tx.webhook_queue.listening(ALICE.tenant)
        await tx.webhook_queue.queue(deliveries, at(1))
        await tx.webhook_queue.rouse(HOOK.id, at(1))

    await store.write_system(unit)


async def left(store: Store) -> list[DeliveryId]:
    found = await store.read(ALICE, lambda tx: tx.webhooks.deliveries(HOOK.id, state=None, limit=9, after=None))
    return [each.id for each in found]


async def test_of_a_conversation_that_went_meanwhile_nothing_is_queued(store: Store, talk: Conversation) -> None:
    await store.write(ALICE, lambda tx: tx.webhooks.add(HOOK))
    kept, buried = conversation("kept", owner=BOB), conversation("buried")
    for each in (kept, buried):
        await stored(store, each)
    await store.write(ALICE, lambda tx: tx.conversations.delete(talk.id))
    await store.write_system(lambda tx: tx.bury_of(ALICE, limit=9))
    wanted = of(kept)
    await queued(store, of(talk), wanted, of(buried))
    assert await left(store) == [wanted.id]


async def test_what_waits_of_an_erased_user_is_neither_sent_nor_due_and_goes(store: Store, talk: Conversation) -> None:
    await store.write(ALICE, lambda tx: tx.webhooks.add(HOOK))
    bobs = conversation("bobs", owner=BOB)
    await stored(store, bobs)
    hers, his = of(talk), of(bobs)
    await queued(store, hers, his)
    assert await store.write_system(lambda tx: tx.webhook_queue.claim_webhook(HOOK.id, LEASE, at(2))) == 1
    await store.write_system(lambda tx: tx.bury_of(ALICE, limit=9))

    async def serve(tx: SystemTransaction) -> list[Delivery]:
        assert await tx.webhook_queue.hold_webhook(HOOK.id, LEASE, epoch=1) is not None
        due = [each.delivery for each in await tx.webhook_queue.due(HOOK.id, at(3), limit=9)]
        for each in due:
            await tx.webhook_queue.settle(replace(each, state=DeliveryState.DELIVERED, next_try=None), at(3))
        await tx.webhook_queue.release_webhook(HOOK.id, at(3))
        return due

    assert [each.id for each in await store.write_system(serve)] == [his.id]
    assert await store.read_system(lambda tx: tx.webhook_queue.due_webhooks(at(9), limit=9)) == []
    while await store.write_system(lambda tx: tx.dig(ALICE.tenant, limit=9)):
        pass
    assert await left(store) == [his.id]


async def test_what_waits_for_a_later_attempt_is_due_then(store: Store, talk: Conversation) -> None:
    await store.write(ALICE, lambda tx: tx.webhooks.add(HOOK))
    waits = of(talk)
    await queued(store, waits)
    assert await store.write_system(lambda tx: tx.webhook_queue.claim_webhook(HOOK.id, LEASE, at(2))) == 1

    async def serve(tx: SystemTransaction) -> None:
        await tx.webhook_queue.settle(replace(waits, attempts=1, next_try=at(30)), at(3))
        await tx.webhook_queue.release_webhook(HOOK.id, at(3))

    await store.write_system(serve)
    assert await store.read_system(lambda tx: tx.webhook_queue.due_webhooks(at(29), limit=9)) == []
    assert await store.read_system(lambda tx: tx.webhook_queue.due_webhooks(at(30), limit=9)) == [HOOK.id]
