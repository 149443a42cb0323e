"""The bot of voice sessions, as it is: pipecat's pipeline, speech services over HTTP, the link over pipes. Only the
room is a stand-in, for those of Daily are in the network."""
