"""SMTP whose answers are held to an allowance: `smtplib` reads lines for as long as they come."""

from __future__ import annotations

import smtplib
from contextlib import suppress

from meta_pipeline.wire import metered


class Smtp(smtplib.SMTP):
    """smtplib's, which reads under the allowance that is in force."""

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = metered(self.sock.makefile("rb", buffering=0), self.sock)
        return super().getreply()

    def leave(self) -> None:
        """Say goodbye and hear no answer: what was taken is taken, whatever is said to that."""
        with suppress(OSError, smtplib.SMTPException):
            self.putcmd("quit")
        self.close()


class SmtpTls(Smtp, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""
