"""Names of things, so that one kind of id cannot be passed for another."""

from typing import NewType
from uuid import UUID, uuid5

ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
SessionId = NewType("SessionId", str)
RunId = NewType("RunId", str)
"""`run_` and 32 hex digits."""
OrganizationId = NewType("OrganizationId", str)
AssistantId = NewType("AssistantId", str)
FileId = NewType("FileId", str)
FolderId = NewType("FolderId", str)
UploadId = NewType("UploadId", str)
ModelId = NewType("ModelId", str)
KeyId = NewType("KeyId", str)
AuditId = NewType("AuditId", str)
UserId = NewType("UserId", str)
ErasureId = NewType("ErasureId", str)
WorkerId = NewType("WorkerId", str)
ToolCallId = NewType("ToolCallId", str)
"""`call_` and 32 hex digits: the service's own, whatever id a provider gave the call."""
ApprovalId = NewType("ApprovalId", str)
CompactionId = NewType("CompactionId", str)
ModelRequestId = NewType("ModelRequestId", str)
MemoryId = NewType("MemoryId", str)
VoiceSessionId = NewType("VoiceSessionId", str)
WebhookId = NewType("WebhookId", str)
DeliveryId = NewType("DeliveryId", str)

# Root of the ids that are derived from names, so that every node derives the same without asking.
_NAMESPACE = UUID("5d0c6a1e-7a5f-5b0e-9f0a-6f1b4c6f7d21")


def model_id(provider: str, name: str) -> ModelId:
    """Stable id of a configured model: UUIDv5 of its provider's name and its own."""
    return ModelId(str(uuid5(_NAMESPACE, f"model/{provider}/{name}")))


def user_id(tenant: str, user: str) -> UserId:
    """Stable UUID of a user, for the APIs that show users as UUIDs."""
    return UserId(str(uuid5(_NAMESPACE, f"user/{tenant}/{user}")))


def default_organization_id(tenant: str) -> OrganizationId:
    """Stable UUID of the organization that comes into being with its tenant."""
    return OrganizationId(str(uuid5(_NAMESPACE, f"organization/{tenant}/default")))


def result_id(call_id: ToolCallId) -> MessageId:
    """Stable id of the message with the result of a tool call: no store takes a second one."""
    return MessageId(str(uuid5(_NAMESPACE, f"result/{call_id}")))
