"""The monitor's own settings, beside core's; each can be set in the environment or in .env."""

from pydantic import Field

import core


class Settings(core.Settings):
    """What can be set from outside."""

    retire_after_reads: int = Field(3, ge=1, description="How many complete lists have to lack a name to retire it.")
    sources_internal: bool = Field(False, description="Whether sources on your own network are read, too.")
    source_timeout_s: float = Field(30.0, gt=0, description="How long a registrar may take for one answer.")
    largest_share_percent: int = Field(60, ge=1, le=100, description="An account that holds more is a finding.")
    rdap_names_an_hour: int = Field(600, ge=1, description="How many domains the registries are asked about an hour.")
    rdap_pace_s: float = Field(1.0, ge=0, description="Between two questions to one registry; a country's gets double.")
    rdap_servers: dict[str, str] = Field({}, description="RDAP servers that IANA does not list, by suffix, as JSON.")
    certificates_internal: bool = Field(False, description="Whether hosts on your own network are looked at, too.")
    certificates_timeout_s: float = Field(10.0, gt=0, description="How long a host may take to show its certificate.")
    rates_url: str = Field(
        "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml",
        pattern="^https?://",
        description="Where the day's exchange rates are, in the form of the European Central Bank.",
    )
