"""Where a message goes: settings and a message in, sent by webhook and mail, what became of each out."""

import http.client
import json
import smtplib
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from time import monotonic, sleep
from typing import Any

from pipeline_tasks.notifying.message import Message
from pipeline_tasks.settings import MailSettings, NotifySettings

# of one operation on a socket: a try makes several, at each address of a host; a mail that is handed over may take longer
TIMEOUT_SECONDS = 5.0
PAUSES_SECONDS = (1.0, 3.0)
# of all tries of all channels: with reading the lake it stays within what Airflow's DAG processor gives a callback
DEADLINE_SECONDS = 20.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect as the error that it is: urllib would follow it by a GET that holds no message."""

    def redirect_request(self, *_: Any) -> None:
        return None


OPENER = urllib.request.build_opener(_NoRedirect)


class NotSent(Exception):
    """The other side will not have it: sending it again ends the same way."""


def send(notify: NotifySettings, message: Message) -> dict[str, str | None]:
    """Send `message` by every channel that is set, all at once; return why each failed, None where it went out.

    It takes DEADLINE_SECONDS at most. A reason never holds the webhook's URL or the password.
    """
    channels: dict[str, Callable[[], None]] = {}
    end = monotonic() + DEADLINE_SECONDS
    # one for all tries: where a mail arrived although its try failed, mailboxes drop those that come after it
    stamp = {"Date": formatdate(), "Message-ID": make_msgid(domain=notify.mail.sender.partition("@")[2])}
    if notify.webhook.get_secret_value():
        channels["webhook"] = lambda: _post(notify.webhook.get_secret_value(), message)
    if notify.mail.host:
        channels["mail"] = lambda: _mail(notify.mail, message, stamp, end)
    secrets = (notify.webhook.get_secret_value(), notify.mail.password.get_secret_value())
    return {name: _hidden(reason, secrets) for name, reason in _in_time(channels, end).items()}


def _in_time(channels: dict[str, Callable[[], None]], end: float) -> dict[str, str | None]:
    """Try all channels at once; return what became of each by the time `end`, which ends none that still tries."""
    late = f"no end in {DEADLINE_SECONDS:g} s; it may still have arrived"
    found: dict[str, str | None] = dict.fromkeys(channels, late)

    def work(name: str) -> None:
        found[name] = _tried(channels[name])

    # daemons: the process does not wait for them to end
    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))
    return dict(found)


def _tried(channel: Callable[[], None]) -> str | None:
    """Return None once `channel` has sent it, else why it did not, after pauses where that might be cured."""
    for pause in (*PAUSES_SECONDS, None):
        try:
            channel()
        except NotSent as error:
            return str(error)
        except http.client.InvalidURL as error:  # its words hold the path
            return type(error).__name__
        except (OSError, http.client.HTTPException) as error:
            if pause is None:
                return f"{type(error).__name__}: {error}"
            sleep(pause)
        except Exception as error:  # one channel must not end the other; its words may hold the secret
            return type(error).__name__
        else:
            return None
    return None


def _hidden(reason: str | None, secrets: tuple[str, ...]) -> str | None:
    for secret in filter(None, secrets):
        reason = reason.replace(secret, "***") if reason else reason
    return reason


def _post(url: str, message: Message) -> None:
    """Post {"text": …}; the three characters that Slack takes for marks and mentions are written as entities.

    https://docs.slack.dev/messaging/formatting-message-text
    """
    text = message.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    request = urllib.request.Request(  # noqa: S310 - the settings take http and https only
        url, data=json.dumps({"text": text}).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with OPENER.open(request, timeout=TIMEOUT_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        error.close()  # unread: a server's answer often repeats the path, and the path is the secret
        if error.code in (408, 425, 429) or error.code >= 500:
            raise
        raise NotSent(f"HTTP {error.code} {error.reason}") from None


def _mail(settings: MailSettings, message: Message, stamp: Mapping[str, str], end: float) -> None:
    """Send a mail with the headers of `stamp`. Once the server has it, its answer is waited for up to the time `end`."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = (
        message.subject,
        settings.sender,
        ", ".join(settings.addressees),
    )
    for name, value in stamp.items():
        mail[name] = value
    mail.set_content(message.text)
    for name, picture in message.pictures.items():
        mail.add_attachment(picture, maintype="image", subtype="png", filename=name)
    try:
        with _connection(settings) as server:
            if settings.user:
                server.login(settings.user, settings.password.get_secret_value())
            if server.sock:
                server.sock.settimeout(max(TIMEOUT_SECONDS, end - monotonic()))
            refused = server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except (smtplib.SMTPResponseException, smtplib.SMTPNotSupportedError) as error:
        if getattr(error, "smtp_code", 500) < 500:
            raise
        raise NotSent(f"{type(error).__name__}: {error}") from None
    if refused:
        told = "; ".join(
            f"{who}: {code} {why.decode(errors='replace')}" for who, (code, why) in refused.items()
        )
        raise NotSent(f"refused for {told}")


def _connection(settings: MailSettings) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if settings.tls == "implicit":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS)
    if settings.tls == "starttls":
        server.starttls(context=context)
    return server
