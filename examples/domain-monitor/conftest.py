"""What every test of this project has: see core/testing.py."""

pytest_plugins = ["core.testing"]
