"""What ends a command with one line instead of a traceback, and with which exit code."""

EXIT_FAILED = 1
EXIT_CONFLICTS = 3
EXIT_REFUSED = 4
EXIT_TESTS_FAIL = 5
EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C


class CommandError(Exception):
    """Something the person at the keyboard can put right; the message says how."""

    exit_code = EXIT_FAILED


class Refused(CommandError):
    """Nothing was done, because the project or what was asked for must change first."""

    exit_code = EXIT_REFUSED


class Interrupted(CommandError):
    """Ctrl-C or a termination signal, after everything was put back."""

    exit_code = EXIT_INTERRUPTED
