"""Which files of messages that are shown are gone by now. Works inside units of work."""

from dataclasses import replace

from server.domain.message import Message
from server.ports.store import Transaction


async def with_deletions(tx: Transaction, messages: list[Message]) -> list[Message]:
    """The messages, those of their attachments marked whose files are gone; messages without any cost nothing."""
    named = {each.file_id for message in messages for each in message.attachments}
    if not named or not (gone := named - await tx.storage.present(named)):
        return messages
    return [
        replace(
            message,
            attachments=tuple(replace(each, is_deleted=each.file_id in gone) for each in message.attachments),
        )
        if message.attachments
        else message
        for message in messages
    ]
