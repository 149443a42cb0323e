"""Kafka: where every event of every log goes, and whence other processes hear of it.

Everything here needs the extra `kafka` and is imported only where a setting names servers.
"""
