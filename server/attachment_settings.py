"""The settings that say what messages may bring along."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from server.domain.attachment import USUAL_LIMITS, AttachmentLimits


class AttachmentSettings(BaseSettings):
    """Files of messages."""

    model_accepts: str | None = Field(
        None,
        description="Files that models of OpenRouter, or of the server at `PARLEY_OPENAI_BASE_URL`, take besides text, "
        "separated by commas: `image`, `audio`, `pdf`, or media types",
    )
    attachments: int = Field(
        USUAL_LIMITS.count, ge=0, le=64, description="Files that a message may bring along, at most 64"
    )
    attachment_bytes: int = Field(USUAL_LIMITS.file_bytes, gt=0, description="Bytes that such a file may have")
    attachment_message_bytes: int = Field(
        USUAL_LIMITS.message_bytes, gt=0, description="Bytes of all files of one message"
    )
    attachment_text_bytes: int = Field(
        USUAL_LIMITS.text_bytes, gt=0, description="Bytes of all its files that are texts"
    )
    attachment_request_bytes: int = Field(
        USUAL_LIMITS.request_bytes,
        gt=0,
        description="Bytes of files that a model request carries; notes take the place of the oldest ones",
    )

    attachment_process_bytes: int = Field(
        USUAL_LIMITS.process_bytes,
        gt=0,
        description="Bytes of files that all model requests of a process carry at a time, three times that in memory; "
        "further requests wait",
    )

    @model_validator(mode="after")
    def _check_attachments(self) -> Self:
        if self.attachment_request_bytes < self.attachment_message_bytes:
            raise ValueError("PARLEY_ATTACHMENT_REQUEST_BYTES must be at least PARLEY_ATTACHMENT_MESSAGE_BYTES")
        if self.attachment_process_bytes < self.attachment_request_bytes:
            raise ValueError("PARLEY_ATTACHMENT_PROCESS_BYTES must be at least PARLEY_ATTACHMENT_REQUEST_BYTES")
        return self

    @property
    def attachment_limits(self) -> AttachmentLimits:
        """The bounds that these settings give."""
        return AttachmentLimits(
            count=self.attachments,
            file_bytes=self.attachment_bytes,
            message_bytes=self.attachment_message_bytes,
            text_bytes=self.attachment_text_bytes,
            request_bytes=self.attachment_request_bytes,
            process_bytes=self.attachment_process_bytes,
        )
