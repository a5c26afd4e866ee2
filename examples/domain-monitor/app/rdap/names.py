"""Which name a registry knows: not a sub-domain, and not one below a suffix that somebody hands out privately.

The public suffix list (https://publicsuffix.org) lies in the library and is never fetched.
"""

from functools import cache

from publicsuffixlist import PublicSuffixList


def registered_name(name: str, *, with_private: bool = False) -> str:
    """The name that its registry knows: acme.co.uk of www.acme.co.uk; ValueError where there is none.

    Below a private suffix (shop.uk.com) it is the name below that one with `with_private`, else nobody's.
    """
    public, any_suffix = _suffixes(only_icann=True).privatesuffix(name), _suffixes(only_icann=False).privatesuffix(name)
    if public is None:
        raise ValueError(f"{name} is a public suffix; give the name that is registered below it")
    if any_suffix is None or any_suffix == public:
        return public
    if with_private:
        return any_suffix
    raise ValueError(f"{any_suffix} lies below {public}, whose owner hands out names; no registry knows it")


@cache
def _suffixes(*, only_icann: bool) -> PublicSuffixList:
    return PublicSuffixList(only_icann=only_icann)
