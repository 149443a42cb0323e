"""Draws the image that a run asks for instead of a text."""

from hashlib import sha256

from server.application.contexts import Prepared
from server.application.metering import Asked, Bill
from server.domain.file import File
from server.domain.ids import FileId
from server.domain.image import image_name
from server.domain.message import GeneratedImage, Role
from server.domain.run import Run
from server.domain.usage import CallKind
from server.engine.answer import Answer
from server.failpoint import failpoint
from server.ports.blobs import Blobs
from server.ports.provider import ImageRequest, Provider
from server.ports.system import Clock, Ids


class Drawing:
    """Turns the words of a run's message into a file. Keeps nothing between calls."""

    def __init__(self, *, blobs: Blobs, clock: Clock, ids: Ids) -> None:
        self._blobs = blobs
        self._clock = clock
        self._ids = ids

    async def draw(self, bill: Bill, provider: Provider, prepared: Prepared, run: Run, answer: Answer) -> None:
        """Draw after the last user message that was prepared, keep the content and give the answer its image.

        The content is durable before the answer can be committed. Cancelled or followed by no commit it is an orphan,
        which the sweep of files removes. Raises `ProviderError`, `StoreUnavailable`.
        """
        messages = prepared.request.messages
        words = next((message.content for message in reversed(messages) if message.role is Role.USER), "")
        asked = Asked(CallKind.IMAGE, provider, 0, prepared.record.id, answer.message_id)
        image = await bill.draw(asked, ImageRequest(run.model, words))
        file = File(
            id=FileId(str(self._ids.uuid())),
            conversation_id=run.conversation_id,
            name=image_name(image.media_type),
            media_type=image.media_type,
            size=len(image.content),
            sha256=sha256(image.content).hexdigest(),
            created_at=self._clock.now(),
        )
        failpoint("image.drawn")
        await self._blobs.put(file.id, image.content)
        failpoint("image.kept")
        answer.show(file, GeneratedImage(model=run.model, prompt=words, file_id=file.id))
