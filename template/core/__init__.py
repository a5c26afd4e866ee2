"""Core: what every tool made with PyOps stands on."""
