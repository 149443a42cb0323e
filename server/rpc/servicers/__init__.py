"""The servicers: each method decodes, calls one use case, encodes. Everything else is the pipeline's."""
