"""Where calls go: one Protocol, two forms (in-process and channel) that behave alike."""

from gateway.core.method import Method
from gateway.edge.upstream.call import Invocation, Outcome, StreamCall, StreamSink, UnaryReply, Upstream
from gateway.edge.upstream.channel import ChannelUpstream
from gateway.edge.upstream.in_process import InProcessUpstream

__all__ = [
    "ChannelUpstream",
    "InProcessUpstream",
    "Invocation",
    "Method",
    "Outcome",
    "StreamCall",
    "StreamSink",
    "UnaryReply",
    "Upstream",
]
