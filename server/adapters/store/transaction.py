"""The transaction of an owner, put together from its parts."""

from collections.abc import Callable, Sequence

from server.adapters.store.api_keys import StoredApiKeys
from server.adapters.store.approvals import StoredApprovals
from server.adapters.store.archive import StoredArchive
from server.adapters.store.audit import StoredAudit
from server.adapters.store.branches import StoredBranches
from server.adapters.store.cached_answers import StoredCachedAnswers
from server.adapters.store.compactions import StoredCompactions
from server.adapters.store.conversations import StoredConversations
from server.adapters.store.events import StoredEvents
from server.adapters.store.executor import Executor
from server.adapters.store.extractions import StoredExtractions
from server.adapters.store.files import StoredFiles
from server.adapters.store.memories import StoredMemories
from server.adapters.store.message_search import StoredMessageIndex
from server.adapters.store.messages import StoredMessages
from server.adapters.store.model_requests import StoredModelRequests
from server.adapters.store.models import StoredModels
from server.adapters.store.organizations import StoredOrganizations
from server.adapters.store.personal_records import StoredPersonalRecords
from server.adapters.store.requests import StoredRequests
from server.adapters.store.runs import StoredRuns
from server.adapters.store.scope import Scope
from server.adapters.store.sessions import StoredSessions
from server.adapters.store.storage import StoredStorage
from server.adapters.store.tenant_rights import StoredTenantRights
from server.adapters.store.tool_calls import StoredToolCalls
from server.adapters.store.usage import StoredUsage
from server.adapters.store.voice import StoredVoiceSessions
from server.adapters.store.webhooks import StoredWebhooks
from server.domain.events import Event
from server.domain.principal import Owner


class OwnedTransaction:
    """See `ports.store.Transaction`. `record` is told of the events it adds."""

    __slots__ = (
        "approvals",
        "archive",
        "audit",
        "branches",
        "cached_answers",
        "compactions",
        "conversations",
        "events",
        "extractions",
        "files",
        "keys",
        "memories",
        "message_index",
        "messages",
        "model_requests",
        "models",
        "organizations",
        "owner",
        "personal_records",
        "requests",
        "rights",
        "runs",
        "sessions",
        "storage",
        "tool_calls",
        "usage",
        "voice_sessions",
        "webhooks",
    )

    def __init__(self, executor: Executor, owner: Owner, record: Callable[[Sequence[Event]], None]) -> None:
        scope = Scope(executor, owner)
        self.owner = owner
        self.conversations = StoredConversations(scope)
        self.messages = StoredMessages(scope)
        self.message_index = StoredMessageIndex(scope)
        self.branches = StoredBranches(scope)
        self.runs = StoredRuns(scope)
        self.events = StoredEvents(scope, record)
        self.sessions = StoredSessions(scope)
        self.files = StoredFiles(scope)
        self.organizations = StoredOrganizations(scope)
        self.models = StoredModels(scope)
        self.requests = StoredRequests(scope)
        self.cached_answers = StoredCachedAnswers(scope)
        self.archive = StoredArchive(scope)
        self.keys = StoredApiKeys(scope)
        self.audit = StoredAudit(scope)
        self.tool_calls = StoredToolCalls(scope)
        self.approvals = StoredApprovals(scope)
        self.compactions = StoredCompactions(scope)
        self.memories = StoredMemories(scope)
        self.extractions = StoredExtractions(scope)
        self.model_requests = StoredModelRequests(scope)
        self.usage = StoredUsage(scope)
        self.rights = StoredTenantRights(scope)
        self.personal_records = StoredPersonalRecords(scope)
        self.storage = StoredStorage(scope)
        self.voice_sessions = StoredVoiceSessions(scope)
        self.webhooks = StoredWebhooks(scope)
