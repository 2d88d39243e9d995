"""Who runs a command, as the records of what was done name them."""

import getpass
import os


def user_name() -> str:
    """The name of this machine's user; `user <id>` where it has none, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def actor() -> str:
    """The same for the audit, which also knows people of the web and programs with keys."""
    return f"command of {user_name()}"
