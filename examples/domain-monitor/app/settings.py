"""The monitor's own settings, beside core's; each can be set in the environment or in .env."""

from pydantic import Field

import core


class Settings(core.Settings):
    """What can be set from outside."""

    retire_after_reads: int = Field(3, ge=1, description="How many complete lists have to lack a name to retire it.")
    source_timeout_s: float = Field(30.0, gt=0, description="How long a registrar may take for one answer.")
    largest_share_percent: int = Field(60, ge=1, le=100, description="An account that holds more is a finding.")
