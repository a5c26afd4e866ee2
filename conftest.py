"""What the tests of this repository share: core's own fixtures, with the starter app as the app."""

pytest_plugins = ["core.testing"]
