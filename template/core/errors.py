"""The errors of core: one tree, few classes."""


class CoreError(Exception):
    """Any failure that core reports in words."""


class UserError(CoreError):
    """A mistake of the person in front of it: printed without a traceback, exit code 1."""
