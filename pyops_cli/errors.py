"""What ends a command with one line instead of a traceback."""

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C


class CommandError(Exception):
    """Something the person at the keyboard can put right; the message says how."""


class Interrupted(CommandError):
    """Ctrl-C or a termination signal, after everything was put back."""
