"""The bot of a voice session: a program of its own that joins a room, hears, and speaks what the server answers.

It holds no model and no history: what it hears goes over the link to the server, what comes back is spoken. Only this
package imports pipecat (extra `voice`), and nothing outside it imports this package.
"""
