"""What a unit of work can do wrong. None of these reaches a caller of the service with its text: they are defects."""


class StoreMisused(Exception):
    """A unit broke the contract of the store."""


class UnitSuspended(StoreMisused):
    """A unit awaited something other than its transaction, which can never complete there."""

    def __init__(self) -> None:
        super().__init__("a unit of work may await nothing but the methods of its transaction")


class RowRefused(StoreMisused):
    """A row would break a constraint of its table: it exists already, or refers to what does not exist. The unit is
    undone, even if it catches this."""


class MessageNotQueued(StoreMisused):
    """The message does not wait in the queue of one of the owner's conversations."""

    def __init__(self, message_id: str) -> None:
        super().__init__(f"message {message_id} does not wait in a queue")


class ReadUnitWrote(StoreMisused):
    """A unit that was passed as a read tried to write."""

    def __init__(self) -> None:
        super().__init__("a unit passed to `read` may not write; pass it to `write`")


class SchemaUnknown(Exception):
    """The database has a schema that this version of the service does not know, most likely a later one's."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the database has the schema revision {found!r}, which this version does not know; "
            "run the version that wrote it, or a later one"
        )


class DriverMissing(Exception):
    """The database of that URL needs an extra that is not installed."""

    def __init__(self, extra: str) -> None:
        super().__init__(f"this database needs the extra {extra!r}: pip install 'parley[{extra}]'")
