"""Organizations, members and models of `parley.conversations.v1`."""

import re
from collections.abc import Mapping
from typing import Final

from google.protobuf.struct_pb2 import Struct
from parley.conversations.v1 import conversations_pb2 as pb

from server.application.catalogue import OfferedModel
from server.domain.ids import OrganizationId
from server.domain.organization import Member, MemberRole, Membership
from server.rpc.codecs.timestamp import timestamp

MEMBER_ROLES: Final[Mapping[MemberRole, pb.MemberRole.ValueType]] = {
    MemberRole.OWNER: pb.MEMBER_ROLE_OWNER,
    MemberRole.ADMIN: pb.MEMBER_ROLE_ADMIN,
    MemberRole.MEMBER: pb.MEMBER_ROLE_MEMBER,
    MemberRole.GUEST: pb.MEMBER_ROLE_GUEST,
}
_ROLE_OF: Final = {number: role for role, number in MEMBER_ROLES.items()}
_DATED_NAME: Final = re.compile(r"-(\d{4}-\d{2}-\d{2})$")


def organization_id(org_id: str) -> OrganizationId:
    """An id; UUIDs are accepted in either case and stored in lower case."""
    return OrganizationId(org_id.lower())


def encode_organization(membership: Membership) -> pb.Organization:
    """An organization as its member sees it."""
    return pb.Organization(
        id=membership.organization_id,
        name=membership.name,
        role=membership.role.value,
        created_at=timestamp(membership.created_at),
    )


def encode_member(member: Member) -> pb.Member:
    """A user in an organization."""
    return pb.Member(
        user=member.user,
        role=MEMBER_ROLES[member.role],
        is_active=member.is_active,
        created_at=timestamp(member.created_at),
    )


def decode_role(role: pb.MemberRole.ValueType) -> MemberRole:
    """A role; the proto's rules let no unspecified one through."""
    return _ROLE_OF[role]


def encode_model(offered: OfferedModel) -> pb.Model:
    """A model; its version is the date its name ends with, where it does (`gpt-4o-2024-08-06`)."""
    model = offered.model
    dated = _DATED_NAME.search(model.name)
    config = Struct()
    config.update(model.config)
    if model.accepted.types:
        config.update({"accepts": sorted(model.accepted.types)})
    return pb.Model(
        id=model.id,
        name=model.name,
        provider=model.provider,
        version=dated.group(1) if dated else None,
        is_active=offered.is_active,
        config=config,
    )
