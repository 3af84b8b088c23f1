"""The settings of who is told about a night that failed or is late: a webhook, mail, or both."""

import re
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline_tasks.settings.source import Section


class MailSettings(Section):
    host: str = ""
    """SMTP server; empty: no mail is sent."""
    port: int = Field(587, ge=1, le=65535)
    """Its port: 587 as a rule, 465 where tls is implicit, 25 inside a network."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """How the connection is encrypted; the server's certificate is verified."""
    user: str = ""
    """Name to log in with; empty: without logging in."""
    password: SecretStr = SecretStr("")
    """A secret: from the environment, NIGHTJAR_NOTIFY__MAIL__PASSWORD."""
    sender: str = ""
    """Address that the mail is from."""
    to: str = ""
    """Addresses that are told, commas between."""

    @field_validator("to", mode="before")
    @classmethod
    def _join(cls, named: Any) -> Any:
        return ",".join(map(str, named)) if isinstance(named, list) else named

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, addresses in (("sender", [self.sender]), ("to", self.addressees)):
            wrong = [each for each in addresses if not re.fullmatch(r"[^@\s]+@[^@\s]+", each)]
            if self.host and (wrong or not addresses):
                raise ValueError(
                    f"{name} must be an address, as nightjar@example.com, where mail.host is set"
                )
        if self.user and self.tls == "none":
            raise ValueError("a password is not sent over tls = none: set tls to starttls or implicit")
        return self

    @property
    def addressees(self) -> list[str]:
        """The addresses of `to`."""
        return [each.strip() for each in self.to.split(",") if each.strip()]


class NotifySettings(Section):
    webhook: SecretStr = SecretStr("")
    """URL that {"text": …} is posted to (Slack, Mattermost, …). A secret: from the environment, NIGHTJAR_NOTIFY__WEBHOOK."""
    mail: MailSettings = MailSettings()
    """Mail."""
    report_url: str = Field("", pattern=r"^(https?://\S+)?$")
    """Where the lake is served over HTTP: links to reports begin with it, not with the lake's own URI."""

    @field_validator("webhook")
    @classmethod
    def _is_http(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not re.fullmatch(r"https?://\S+", url.get_secret_value()):
            raise ValueError("must be an http:// or https:// URL")
        return url
