"""The Connect protocol's own rules: codes, error bodies, envelopes, time-outs. Source: connectrpc.com/docs/protocol."""
