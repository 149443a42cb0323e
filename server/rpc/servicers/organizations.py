"""`parley.conversations.v1`: organizations, their members and models."""

from typing import Any

from parley.conversations.v1 import conversations_pb2 as pb
from parley.conversations.v1 import conversations_pb2_grpc

from server.application.catalogue import Catalogue
from server.application.organizations import Organizations
from server.rpc.codecs import organizations as codec
from server.rpc.interceptors.call import owner, principal


class OrganizationServicer(conversations_pb2_grpc.OrganizationServiceServicer):
    """Serves `OrganizationService`; what each method promises stands in its proto."""

    def __init__(self, organizations: Organizations) -> None:
        self._organizations = organizations

    async def ListOrganizations(
        self, _request: pb.ListOrganizationsRequest, _context: Any
    ) -> pb.ListOrganizationsResponse:
        """The organizations of the caller."""
        found = await self._organizations.of(owner())
        return pb.ListOrganizationsResponse(
            organizations=[codec.encode_organization(membership) for membership in found]
        )

    async def CreateOrganization(
        self, request: pb.CreateOrganizationRequest, _context: Any
    ) -> pb.CreateOrganizationResponse:
        """A new organization."""
        made = await self._organizations.create(principal(), request.name)
        return pb.CreateOrganizationResponse(organization=codec.encode_organization(made))

    async def ListMembers(self, request: pb.ListMembersRequest, _context: Any) -> pb.ListMembersResponse:
        """Everybody in an organization."""
        found = await self._organizations.members(owner(), codec.organization_id(request.org_id))
        return pb.ListMembersResponse(members=[codec.encode_member(member) for member in found])

    async def SetMember(self, request: pb.SetMemberRequest, _context: Any) -> pb.SetMemberResponse:
        """The member with the role."""
        wanted = request.member
        member = await self._organizations.set_member(
            principal(),
            codec.organization_id(request.org_id),
            user=wanted.user,
            role=codec.decode_role(wanted.role),
        )
        return pb.SetMemberResponse(member=codec.encode_member(member))

    async def RemoveMember(self, request: pb.RemoveMemberRequest, _context: Any) -> pb.RemoveMemberResponse:
        """The member, from now on a stranger."""
        member = await self._organizations.remove_member(
            principal(), codec.organization_id(request.org_id), request.user
        )
        return pb.RemoveMemberResponse(member=codec.encode_member(member))


class ModelServicer(conversations_pb2_grpc.ModelServiceServicer):
    """Serves `ModelService`; what each method promises stands in its proto."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def ListModels(self, request: pb.ListModelsRequest, _context: Any) -> pb.ListModelsResponse:
        """The configured and the added models."""
        models = await self._catalogue.models(owner(), codec.organization_id(request.org_id))
        return pb.ListModelsResponse(models=[codec.encode_model(model) for model in models])

    async def AddModel(self, request: pb.AddModelRequest, _context: Any) -> pb.AddModelResponse:
        """The model that can be used now."""
        wanted = request.model
        added = await self._catalogue.add(
            principal(), codec.organization_id(request.org_id), provider=wanted.provider, name=wanted.name
        )
        return pb.AddModelResponse(model=codec.encode_model(added))
