"""Guardrails from the configuration: words and phrases by an automaton over folded text, patterns by RE2."""
