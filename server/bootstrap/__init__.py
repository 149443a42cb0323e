"""Composition by hand: which parts make the service, and in which order they open and close.

It knows settings and parts, no files of the data directory, no gateway and no terminal.
"""
