"""`parley.v1.WebhookService`."""

from datetime import timedelta
from typing import Any

from parley.v1 import webhook_pb2 as pb
from parley.v1 import webhook_pb2_grpc

from server.application.webhooks import Webhooks
from server.domain.ids import DeliveryId, WebhookId
from server.domain.webhook import USUAL_OVERLAP
from server.rpc.codecs import webhook as codec
from server.rpc.interceptors.call import owner, principal


class WebhookServicer(webhook_pb2_grpc.WebhookServiceServicer):
    """Serves `WebhookService`; what each method promises stands in its proto."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, _context: Any) -> pb.CreateWebhookResponse:
        """The new webhook, and its secret."""
        issued = await self._webhooks.create(principal(), codec.decode_new_webhook(request))
        return pb.CreateWebhookResponse(webhook=codec.encode_webhook(issued.webhook), secret=issued.secret)

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, _context: Any) -> pb.ListWebhooksResponse:
        """A page of webhooks."""
        page = await self._webhooks.page(owner(), page_size=request.page_size, page_token=request.page_token)
        return pb.ListWebhooksResponse(
            webhooks=[codec.encode_webhook(webhook) for webhook in page.items], next_page_token=page.next_token
        )

    async def GetWebhook(self, request: pb.GetWebhookRequest, _context: Any) -> pb.Webhook:
        """A webhook."""
        return codec.encode_webhook(await self._webhooks.get(owner(), WebhookId(request.webhook_id)))

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, _context: Any) -> pb.Webhook:
        """The webhook as it is then."""
        wish = codec.decode_webhook_changes(request)
        return codec.encode_webhook(await self._webhooks.update(principal(), WebhookId(request.webhook_id), wish))

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, _context: Any) -> pb.DeleteWebhookResponse:
        """Nothing."""
        await self._webhooks.delete(principal(), WebhookId(request.webhook_id))
        return pb.DeleteWebhookResponse()

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, _context: Any
    ) -> pb.RotateWebhookSecretResponse:
        """The webhook, and its new secret."""
        overlap = timedelta(hours=request.overlap_hours) if request.HasField("overlap_hours") else USUAL_OVERLAP
        issued = await self._webhooks.rotate(principal(), WebhookId(request.webhook_id), overlap)
        return pb.RotateWebhookSecretResponse(webhook=codec.encode_webhook(issued.webhook), secret=issued.secret)

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, _context: Any
    ) -> pb.ListWebhookDeliveriesResponse:
        """A page of deliveries."""
        page = await self._webhooks.deliveries(
            owner(),
            WebhookId(request.webhook_id),
            state=codec.decode_delivery_state(request.state),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListWebhookDeliveriesResponse(
            deliveries=[codec.encode_delivery(delivery) for delivery in page.items], next_page_token=page.next_token
        )

    async def RedeliverWebhook(self, request: pb.RedeliverWebhookRequest, _context: Any) -> pb.RedeliverWebhookResponse:
        """The delivery, which is due now."""
        webhook_id, delivery_id = WebhookId(request.webhook_id), DeliveryId(request.delivery_id)
        queued = await self._webhooks.redeliver(principal(), webhook_id, delivery_id)
        return pb.RedeliverWebhookResponse(delivery_id=queued.id)

    async def PingWebhook(self, request: pb.PingWebhookRequest, _context: Any) -> pb.PingWebhookResponse:
        """The test, which is due now."""
        queued = await self._webhooks.ping(principal(), WebhookId(request.webhook_id))
        return pb.PingWebhookResponse(delivery_id=queued.id)
