"""Why a command of the command line cannot do what it was asked: a fact and what to do about it, no traceback."""


class CommandFailed(Exception):
    """The command failed. The text is one or two sentences for the person at the terminal."""

    exit_code = 1


class InvalidConfiguration(CommandFailed):
    """A flag, a variable or the configuration file is wrong; nothing was started or changed."""

    exit_code = 2
