"""What ECS takes as the password of an instance."""

from __future__ import annotations

import string

from ecsmachine.errors import UsageError

_SPECIAL = "()`~!@#$%^&*-_+=|{}[]:;'<>,.?/"


def check_password(password: str) -> None:
    """Raise :class:`UsageError` unless ECS and a shell on the host take the password.

    Eight to 30 characters of at least three kinds: lower case, upper case, digits, special
    characters; no backslash and no double quote. The error never shows it.
    """
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _SPECIAL)
    problem = ""
    if not 8 <= len(password) <= 30:
        problem = f"it has {len(password)} characters"
    elif any(character not in "".join(kinds) for character in password):
        problem = "it has a character that ECS does not take"
    elif sum(any(character in kind for character in password) for kind in kinds) < 3:
        problem = "it is too simple"
    if problem:
        raise UsageError(
            f"--aliyunecs-ssh-password (ECS_SSH_PASSWORD): {problem}",
            hint="A password has 8 to 30 characters, of at least three of: lower case, upper "
            f"case, digits, and {_SPECIAL}",
        )
