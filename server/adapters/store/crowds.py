"""What stands beside a run that is about to be stored, in one statement."""

from typing import Final

from sqlalchemy import func, select, text

from server.adapters.store import predicates, tables
from server.adapters.store.scope import Scope
from server.adapters.store.statement import OWNER, TENANT, Owned, parameter
from server.domain.run import Crowd, Run

_c = tables.runs.c
_of_conversation = _c.conversation_id == parameter(_c.conversation_id)
_mine: Final = (_c.tenant == parameter(_c.tenant, TENANT), _c.owner == parameter(_c.owner, OWNER))
_of_caller = _c.caller == parameter(_c.caller)

_COUNT: Final = select(func.count()).select_from(tables.runs).where(*_mine)
_WAITING: Final = _COUNT.where(_of_conversation, text(predicates.IS_QUEUED)).scalar_subquery()
_ELSEWHERE: Final = _COUNT.where(_of_caller, text(predicates.IS_RUNNING), ~_of_conversation).scalar_subquery()
_CROWD = Owned(select(_WAITING, _ELSEWHERE))


async def crowd(scope: Scope, run: Run) -> Crowd:
    """Who waits in the run's conversation, and runs of its caller elsewhere."""
    rows = await scope.fetch(_CROWD, conversation_id=run.conversation_id, caller=run.caller)
    waiting, elsewhere = rows[0]
    return Crowd(is_awaited=waiting > 0, running=elsewhere)
