"""What every test has: see template/core/testing.py."""

pytest_plugins = ["core.testing"]
