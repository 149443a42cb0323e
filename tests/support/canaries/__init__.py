"""Canaries: recognisable secrets in whatever the suite's fixtures make, and a watch for any that gets out.

`marks` makes them, `watch` knows one when it sees it, `listening` hears what the service says wherever it may say it,
and `plugin` fails the test after which one was heard. Content is not secret to those whose it is: it may be in answers
and events, but in no log, no figure and no text of an error.
"""
