"""What each field of a request names: every one that can hold a text has its row here."""

from collections.abc import Mapping
from typing import Final

from tests.contract.api.naming import kinds
from tests.contract.api.naming.kinds import Kind

_CONVERSATIONS, _ARCHIVE, _CHAT = "parley.conversations.v1", "parley.archive.v3", "parley.chat.v1"


def _each(package: str, messages: str, field: str) -> list[str]:
    return [f"{package}.{message}.{field}" for message in messages.split()]


def _rows(*rows: tuple[Kind, list[str]]) -> dict[str, Kind]:
    return {field: kind for kind, fields in rows for field in fields}


NAMED: Final[Mapping[str, Kind]] = _rows(
    (
        kinds.KEY_OF_THREAD,
        [
            *_each(
                "parley.v1",
                "CompactConversationRequest CreateDailySessionRequest CreateThreadRequest DeleteThreadRequest "
                "EditMessageRequest EndDailySessionRequest "
                "ForkThreadRequest GetConversationStateRequest GetThreadRequest GetThreadUsageRequest "
                "ListBranchesRequest "
                "ListMessagesRequest ListPendingApprovalsRequest ListRunsRequest RegenerateRequest "
                "SearchMessagesRequest SendMessageRequest "
                "SubmitClientToolResultsRequest SubmitToolApprovalsRequest SwitchBranchRequest "
                "UpdateContextManagementSettingsRequest UpdateDefaultGenerationConfigRequest UpdateSettingsRequest "
                "UpdateThreadRequest WatchThreadRequest",
                "conversation_key",
            ),
            "parley.v1.ForkThreadRequest.new_conversation_key",
        ],
    ),
    (
        kinds.CONVERSATION,
        [
            *_each(_ARCHIVE, "DeleteConversationRequest GetConversationRequest", "entity_id"),
            *_each(_ARCHIVE, "ChatRequest", "conversation_id"),
            *_each(
                _CHAT,
                "ArchiveChatRequest ListMessagesRequest PromptRequest RenameChatRequest StreamPromptRequest",
                "chat_id",
            ),
            *_each(
                _CONVERSATIONS,
                "GetConversationWithSessionsRequest ListMessagesRequest NewSession RemoveConversationRequest "
                "UpdateConversationRequest",
                "conversation_id",
            ),
        ],
    ),
    (kinds.CONVERSATION_FILTER, _each(_ARCHIVE, "FindConversationsRequest", "filters")),
    (
        kinds.ORGANIZATION,
        [
            *_each(
                _CONVERSATIONS,
                "AddModelRequest CreateConversationRequest CreateSessionRequest GetConversationWithSessionsRequest "
                "ListConversationsRequest ListMembersRequest ListMessagesRequest ListModelsRequest "
                "RemoveConversationRequest RemoveMemberRequest SetMemberRequest StreamChatRequest "
                "UpdateConversationRequest",
                "org_id",
            ),
            *_each(_ARCHIVE, "ChatRequest", "organization_id"),
        ],
    ),
    (kinds.SESSION, _each(_CONVERSATIONS, "Chat", "chat_session_id")),
    (kinds.MODEL, _each(_CONVERSATIONS, "NewSession", "model_id")),
    (kinds.EVENT_OF_ARCHIVE, _each(_ARCHIVE, "ChatRequest", "last_event_id")),
    (kinds.EVENT_OF_CHAT, _each(_CHAT, "StreamPromptRequest", "last_event_id")),
    (kinds.EVENT_OF_SESSION, _each(_CONVERSATIONS, "StreamChatRequest", "last_event_id")),
    (
        kinds.USER,
        [
            *_each(_CONVERSATIONS, "NewMember RemoveMemberRequest", "user"),
            *_each("parley.v1", "ListActsOnMyBehalfRequest ListAuditRecordsRequest", "actor"),
            *_each("parley.v1", "ListAuditRecordsRequest", "subject"),
            *_each("parley.v1", "EraseUserRequest ExportDataRequest ListTenantUsageRequest", "user"),
        ],
    ),
    (kinds.ERASURE, _each("parley.v1", "GetErasureRequest", "id")),
    (kinds.CURSOR_OF_EXPORT, _each("parley.v1", "ExportDataRequest", "cursor")),
    (kinds.IN_AUDIT, _each("parley.v1", "ListAuditRecordsRequest", "object")),
    (
        kinds.RUN,
        _each(
            "parley.v1",
            "CancelRunRequest GetRunPromptRequest GetRunRequest GetRunUsageRequest StreamRunRequest",
            "run_id",
        ),
    ),
    (kinds.MESSAGE, _each("parley.v1", "EditMessageRequest ForkThreadRequest RegenerateRequest", "message_id")),
    (kinds.REQUEST, _each("parley.v1", "EditMessageRequest RegenerateRequest SendMessageRequest", "request_id")),
    (kinds.MEMORY, _each("parley.v1", "DeleteMemoryRequest GetMemoryRequest UpdateMemoryRequest", "memory_id")),
    (kinds.FILE, _each("parley.v1", "DownloadFileRequest", "file_id")),
    (
        kinds.STORED_FILE,
        _each(
            "parley.v1",
            "DeleteFileRequest GenerateDownloadUrlRequest GetFileRequest UpdateFileRequest UserAttachment",
            "file_id",
        ),
    ),
    (
        kinds.FOLDER,
        [
            *_each(
                "parley.v1",
                "DeleteFolderRequest GenerateUploadUrlRequest ListFilesRequest UpdateFileRequest UpdateFolderRequest "
                "UploadFileRequest",
                "folder_id",
            ),
            "parley.v1.CreateFolderRequest.parent_id",
        ],
    ),
    (kinds.PAGE_OF_FILES, _each("parley.v1", "ListFilesRequest", "page_token")),
    (
        kinds.API_KEY,
        _each(
            "parley.v1",
            "GetKeyRequest GetKeyUsageRequest ListTenantUsageRequest ListUsageRequest RevokeKeyRequest "
            "RotateKeyRequest "
            "UpdateKeyRequest",
            "key_id",
        ),
    ),
    (kinds.WAITS_FOR_APPROVAL, _each("parley.v1", "ToolApproval", "tool_call_id")),
    (kinds.WAITS_FOR_CLIENT, _each("parley.v1", "ClientToolResult", "tool_call_id")),
    (kinds.PAGE_OF_THREADS, _each("parley.v1", "ListThreadsRequest", "page_token")),
    (kinds.PAGE_OF_MESSAGES, _each("parley.v1", "ListMessagesRequest", "page_token")),
    (kinds.PAGE_OF_BRANCHES, _each("parley.v1", "ListBranchesRequest", "page_token")),
    (kinds.PAGE_OF_RUNS, _each("parley.v1", "ListRunsRequest", "page_token")),
    (kinds.PAGE_OF_PROMPTS, _each("parley.v1", "GetRunPromptRequest", "page_token")),
    (kinds.PAGE_OF_HITS, _each("parley.v1", "SearchMessagesRequest", "page_token")),
    (kinds.PAGE_OF_KEYS, _each("parley.v1", "ListKeysRequest", "page_token")),
    (kinds.PAGE_OF_MEMORIES, _each("parley.v1", "ListMemoriesRequest", "page_token")),
    (kinds.PAGE_OF_AUDIT, _each("parley.v1", "ListAuditRecordsRequest", "page_token")),
    (kinds.PAGE_OF_USAGE, _each("parley.v1", "ListUsageRequest", "page_token")),
    (kinds.PAGE_OF_TENANT_USAGE, _each("parley.v1", "ListTenantUsageRequest", "page_token")),
    (kinds.PAGE_OF_CALLS, _each("parley.v1", "GetRunUsageRequest", "page_token")),
    (
        kinds.WEBHOOK,
        _each(
            "parley.v1",
            "DeleteWebhookRequest GetWebhookRequest ListWebhookDeliveriesRequest PingWebhookRequest "
            "RedeliverWebhookRequest RotateWebhookSecretRequest UpdateWebhookRequest",
            "webhook_id",
        ),
    ),
    (kinds.DELIVERY, _each("parley.v1", "RedeliverWebhookRequest", "delivery_id")),
    (kinds.PAGE_OF_WEBHOOKS, _each("parley.v1", "ListWebhooksRequest", "page_token")),
    (kinds.PAGE_OF_DELIVERIES, _each("parley.v1", "ListWebhookDeliveriesRequest", "page_token")),
    (kinds.PAGE_OF_ACTS, _each("parley.v1", "ListActsOnMyBehalfRequest", "page_token")),
)
"""Fields that name something of an owner's."""

UNOWNED: Final[Mapping[str, str]] = {
    field: reason
    for reason, fields in {
        "what people write": [
            *_each(_ARCHIVE, "ChatRequest", "message"),
            *_each(_CHAT, "PromptRequest StreamPromptRequest", "message"),
            *_each(_CHAT, "RenameChatRequest", "title"),
            *_each(_CONVERSATIONS, "Chat", "message"),
            *_each(_CONVERSATIONS, "ConversationChanges NewConversation", "title"),
            *_each("parley.v1", "ClientTool CreateKeyRequest UpdateKeyRequest", "description"),
            *_each("parley.v1", "CreateWebhookRequest UpdateWebhookRequest", "description"),
            *_each("parley.v1", "ClientTool CreateThreadRequest UpdateThreadRequest ForkThreadRequest", "name"),
            *_each("parley.v1", "CreateKeyRequest UpdateKeyRequest", "name"),
            *(
                "parley.v1.ClientTool.input_schema",
                "parley.v1.ClientToolResult.result",
                "parley.v1.ToolApproval.reason",
            ),
            *_each("parley.v1", "AddMemoryRequest UpdateMemoryRequest", "memory"),
            "parley.v1.SearchMemoriesRequest.query",
            *("parley.v1.Settings.system_prompt", "parley.v1.UserMessage.content"),
            *("parley.v1.CallToolRequest.arguments", "parley.v1.SearchMessagesRequest.query"),
        ],
        "what a file is called and holds; names are taken in the caller's own folders alone": [
            *_each(
                "parley.v1",
                "CreateFolderRequest GenerateUploadUrlRequest UpdateFileRequest UpdateFolderRequest UploadFileRequest",
                "name",
            ),
            *_each("parley.v1", "GenerateUploadUrlRequest UploadFileRequest", "media_type"),
            *_each("parley.v1", "GenerateUploadUrlRequest UploadFileRequest", "sha256"),
            *_each("parley.v1", "FileTags GenerateUploadUrlRequest UploadFileRequest", "tags"),
            *("parley.v1.ListFilesRequest.tag", "parley.v1.UploadFileRequest.content"),
            *_each("google.api", "HttpBody", "content_type"),
            *_each("google.api", "HttpBody", "data"),
            *_each("google.api", "HttpBody", "extensions"),
        ],
        "a part of a file that another field names, or a digest of its content": [
            *_each("parley.v1", "DownloadFileRequest FetchFileRequest", "range"),
            *_each("parley.v1", "DownloadFileRequest FetchFileRequest", "if_range"),
        ],
        "a signature, which stands for a credential": _each("parley.v1", "FetchFileRequest PutFileRequest", "token"),
        "the name of a new thing; that it is taken is told within the tenant": [
            *_each(_CONVERSATIONS, "CreateOrganizationRequest", "name"),
        ],
        "repeats what another field names": _each("parley.v1", "EraseUserRequest", "confirm_user"),
        "what the operator configures, the same for all": [
            *_each(_ARCHIVE, "ChatRequest", "model"),
            *_each("parley.v1", "ListTenantUsageRequest ListUsageRequest", "model"),
            *_each(_CHAT, "PromptRequest StreamPromptRequest", "model_id"),
            *_each(_CHAT, "PromptRequest StreamPromptRequest", "provider_id"),
            *_each(_CONVERSATIONS, "NewModel", "name"),
            *_each(_CONVERSATIONS, "NewModel", "provider"),
            *_each("parley.v1", "CallToolRequest GetServerInfoRequest ListToolsRequest", "server_name"),
            *_each("parley.v1", "ListAvailableServersRequest ListToolsRequest", "page_token"),
            *(
                "parley.v1.CallToolRequest.tool_name",
                "parley.v1.GenerationConfig.model",
                "parley.v1.SearchMessagesRequest.model",
                "parley.v1.McpServerNames.names",
            ),
        ],
        "where somebody outside is reached, whoever that is": [
            *_each("parley.v1", "CreateWebhookRequest UpdateWebhookRequest", "url"),
        ],
        "a day": [
            *_each("parley.v1", "ListTenantUsageRequest ListUsageRequest", "from_date"),
            *_each("parley.v1", "ListTenantUsageRequest ListUsageRequest", "to_date"),
        ],
        "a word of a fixed set": [
            *_each(_ARCHIVE, "FindConversationsRequest", "sort_key"),
            *_each("parley.v1", "CreateKeyRequest UpdateKeyRequest", "permissions"),
            *_each("parley.v1", "ListAuditRecordsRequest", "act"),
            *_each("parley.v1", "ListAuditRecordsRequest", "outcome"),
        ],
        "is refused whatever it holds": _each(_ARCHIVE, "ChatRequest", "documents"),
        "names something that the service does not know of, and keeps it": _each(
            _ARCHIVE, "ChatRequest", "assistant_id"
        ),
    }.items()
    for field in fields
}
"""Fields that name nothing of an owner's, and why."""

TOLD_TO_COLLEAGUES: Final[Mapping[str, str]] = {
    f"{_ARCHIVE}.ChatRequest.conversation_id": "CONVERSATION_FORBIDDEN",
    f"{_ARCHIVE}.GetConversationRequest.entity_id": "CONVERSATION_FORBIDDEN",
    f"{_ARCHIVE}.DeleteConversationRequest.entity_id": "CONVERSATION_FORBIDDEN",
}
"""Fields of which a document says 403 for what is a colleague's, and the reason."""

REPEATED: Final[Mapping[str, str]] = {"parley.v1.EraseUserRequest.user": "confirm_user"}
"""Fields whose name the request has to repeat, and where: else it is refused before anything is looked for."""
