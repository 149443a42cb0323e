"""What keeps a command from starting: a fact and what to do about it, said without a traceback."""


class StartUpRefused(Exception):
    """A command cannot start. The text is one or two sentences for the person at the terminal."""

    exit_code = 1


class InvalidConfiguration(StartUpRefused):
    """A flag, a variable or the configuration file is wrong; nothing was started or changed."""

    exit_code = 2
