"""Which ad accounts a setting is for: none, all, or those it names."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ACCOUNT = re.compile(r"act_\d+")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Ad accounts as a setting chooses them; `account_id in chosen` asks for one."""

    accounts: frozenset[str] = frozenset()
    is_all: bool = False

    @classmethod
    def parse(cls, text: str) -> Chosen:
        """Read "", "all" or "act_1,act_2"; ValueError says what a setting may be."""
        names = [name.strip() for name in text.split(",") if name.strip()]
        if names == ["all"]:
            return cls(is_all=True)
        if not all(map(_ACCOUNT.fullmatch, names)):
            raise ValueError(
                "is neither all nor a list of ad accounts: write all, or act_1,act_2, or nothing "
                "to switch it off"
            )
        return cls(frozenset(names))

    def __contains__(self, account_id: str) -> bool:
        return self.is_all or account_id in self.accounts

    def __bool__(self) -> bool:
        """Whether any account is chosen."""
        return self.is_all or bool(self.accounts)
