"""An MCP server that does what a script says, faults included, and keeps an append-only ledger of what it executed.

It speaks raw JSON-RPC, for the SDK's server cannot misbehave, over stdio as a process of its own and over streamable
HTTP within the test. Tests use `tests.support.mcp.scripted.ScriptedMcp`; nothing here imports more than the standard
library, so that a process of it starts in a few hundredths of a second.
"""
