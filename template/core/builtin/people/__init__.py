"""People: signing in and out, who may, one's own account, API tokens."""

from ...feature import Feature
from . import account, people, sign_in

feature = Feature(people, account, sign_in)
