"""The methods of `Message` that ask and set presence, unbound.

Called so they cost half of what the bound ones do, and work for a message that has a field of the same name, too.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

has: Callable[[Any, str], bool] = FileDescriptorSet.HasField
which: Callable[[Any, str], str | None] = FileDescriptorSet.WhichOneof
set_in_parent: Callable[[Any], None] = FileDescriptorSet.SetInParent
