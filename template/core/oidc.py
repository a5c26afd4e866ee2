"""Signing in at somebody else's OpenID Connect server: the code flow with PKCE, over core's own HTTP client.

Nothing is kept between two sign-ins: discovery and keys are asked for each time, so a new key needs no code.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from .crypto import Keyring, new_token
from .errors import CoreError, Refused
from .http import Client, HttpError
from .settings import Provider

FLOW_LIFETIME_S = 600
LEEWAY_S = 60
# Never HS256: its key would be the client's secret, or, to who confuses them, the provider's public key.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
AGAIN = "This sign-in took too long, or began in another browser. Start again from the sign-in page."


def begin(provider: Provider, keyring: Keyring, *, callback: str, target: str) -> tuple[str, str]:
    """Where to send the browser, and what it keeps in a cookie meanwhile, encrypted."""
    state, nonce, verifier = new_token(), new_token(), new_token()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code", "client_id": provider.client_id, "redirect_uri": callback, "scope": provider.scopes,
        "state": state, "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    address: str = _discovered(provider)["authorization_endpoint"]
    flow = {"provider": provider.name, "state": state, "nonce": nonce, "verifier": verifier}
    flow |= {"callback": callback, "target": target, "until": str(time.time() + FLOW_LIFETIME_S)}
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", keyring.encrypt(json.dumps(flow))


def finish(provider: Provider, keyring: Keyring, cookie: str, answer: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The verified claims about who came back, and where they wanted to go; Refused when anything is amiss."""
    try:
        flow = json.loads(keyring.decrypt(cookie))
    except CoreError:
        raise Refused(400, AGAIN) from None
    is_ours = hmac.compare_digest(flow["state"].encode(), answer.get("state", "").encode())
    if not is_ours or flow["provider"] != provider.name or float(flow["until"]) < time.time():
        raise Refused(400, AGAIN)
    if "code" not in answer:
        raise Refused(403, f"{provider.name} did not sign you in: {_reason(answer)[:200]}")
    known = _discovered(provider)
    if answer.get("iss", known["issuer"]) != known["issuer"]:  # RFC 9207: the answer of another server
        raise Refused(400, AGAIN)
    secret, basic = provider.client_secret.get_secret_value(), None
    form = {"grant_type": "authorization_code", "client_id": provider.client_id}
    form |= {"code": answer["code"], "redirect_uri": flow["callback"], "code_verifier": flow["verifier"]}
    if secret and "client_secret_basic" in known.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
        basic = (quote_plus(provider.client_id), quote_plus(secret))
    elif secret:
        form["client_secret"] = secret
    got = _ask(provider, known["token_endpoint"], form, auth=basic)
    claims = _verified(provider, known, str(got.get("id_token", "")), flow["nonce"])
    if provider.groups.partition(".")[0] not in claims and "userinfo_endpoint" in known:
        more = _ask(provider, known["userinfo_endpoint"], bearer=str(got.get("access_token", "")))
        claims = {**more, **claims} if more.get("sub") == claims["sub"] else claims
    return claims, flow["target"]


def groups_of(provider: Provider, claims: Mapping[str, Any]) -> list[str]:
    """What the groups claim holds; dots lead into nested claims, as in realm_access.roles."""
    if provider.groups == "email" and claims.get("email_verified") is False:
        return []
    found: Any = claims
    for name in [provider.groups] if provider.groups in claims else provider.groups.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return [str(one) for one in (found if isinstance(found, list) else [found] if found else [])]


def _discovered(provider: Provider) -> dict[str, Any]:
    known = _ask(provider, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    needed = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"}
    if not needed <= known.keys() or known["issuer"].rstrip("/") != provider.issuer.rstrip("/"):
        raise Refused(502, f"{provider.issuer} calls itself {known.get('issuer')!r}; write its issuer into OIDC.")
    return known


def _verified(provider: Provider, known: Mapping[str, Any], token: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token that this provider signed for us, now, for this very sign-in."""
    from joserfc import errors, jwk, jwt  # at the first need: it takes a tenth of a second

    wanted: dict[str, Any] = {
        "iss": {"essential": True, "value": known["issuer"]}, "aud": {"essential": True, "value": provider.client_id},
        "nonce": {"essential": True, "value": nonce}, "sub": {"essential": True}, "exp": {"essential": True},
        "azp": {"value": provider.client_id},
    }  # fmt: skip
    found = _ask(provider, known["jwks_uri"]).get("keys", [])
    keys: Any = [key for key in found if key.get("use") != "enc" and key.get("kty") in ("RSA", "EC", "OKP")]
    try:
        claims = jwt.decode(token, jwk.KeySet.import_key_set({"keys": keys}), ALGORITHMS).claims
        jwt.JWTClaimsRegistry(leeway=LEEWAY_S, **wanted).validate(claims)
    except (errors.JoseError, ValueError) as error:
        raise Refused(403, f"What {provider.name} says about you cannot be trusted: {error}") from error
    return claims


def _ask(provider: Provider, url: str, form: Mapping[str, str] | None = None, *, auth: tuple[str, str] | None = None,
         bearer: str = "") -> dict[str, Any]:  # fmt: skip
    """A JSON object from the provider; Refused (502) says what happened instead."""
    parts, hidden = urlsplit(url), (provider.client_secret.get_secret_value(), bearer)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    more: dict[str, Any] = {"headers": headers, "auth": auth, "secrets": hidden, "timeout_s": 10, "attempts": 2}
    try:
        with Client(f"{parts.scheme}://{parts.netloc}", **more) as client:
            reply = client.post(path, data=form) if form else client.get(path)
            found = reply.json()
    except HttpError as error:
        raise Refused(502, f"{provider.name} cannot be asked: {error}. Try again, or use a sign-in link.") from error
    if reply.status != 200 or not isinstance(found, dict):
        why = _reason(found) if isinstance(found, dict) else ""
        raise Refused(502, f"{provider.name} answered {reply.status} at {reply.url_safe} {why}".strip())
    return found


def _reason(answer: Mapping[str, str]) -> str:
    return str(answer.get("error_description") or answer.get("error") or "no reason given")
