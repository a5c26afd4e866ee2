"""Your own settings, beside core's; each can be set in the environment or in .env."""

from pydantic import Field

import core


class Settings(core.Settings):
    """What can be set from outside."""

    check_timeout_s: float = Field(5.0, gt=0, description="How long a service may take to answer.")
