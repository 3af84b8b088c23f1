"""A message arrives by webhook and mail, is tried again where that may help, and no secret is in what is said."""

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline_tasks.notifying import channels
from pipeline_tasks.notifying.callbacks import LIMIT_SECONDS
from pipeline_tasks.notifying.channels import PAUSES_SECONDS, send
from pipeline_tasks.notifying.message import READING_SECONDS, Message
from pipeline_tasks.settings import NotifySettings
from tests.notifying.mail_server import mail_server, write_certificate
from tests.webhook import Webhook

MESSAGE = Message("Nightjar: night 2026-01-10 failed", ["train failed: out of memory"])
TEXT = "Nightjar: night 2026-01-10 failed\ntrain failed: out of memory"
PASSWORD = "hush-hush"


def by_webhook(url: str) -> NotifySettings:
    return NotifySettings.model_validate({"webhook": url})


def by_mail(port: int, **mail: Any) -> NotifySettings:
    usual = {"tls": "none", "sender": "nightjar@example.com", "to": "ann@example.com, bob@example.com"}
    return NotifySettings.model_validate({"mail": {"host": "127.0.0.1", "port": port, **usual, **mail}})


@pytest.fixture
def nobodys_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_nothing_is_sent_where_nobody_is_named() -> None:
    assert send(NotifySettings(), MESSAGE) == {}


def test_a_webhook_gets_the_text(webhook: Webhook) -> None:
    assert send(by_webhook(webhook.url), MESSAGE) == {"webhook": None}
    assert webhook.texts == [TEXT]


def test_a_reason_pings_nobody(webhook: Webhook) -> None:
    send(by_webhook(webhook.url), Message("night", ["<!channel> a & b"]))
    assert webhook.texts == ["night\n&lt;!channel&gt; a &amp; b"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_webhook_that_fails_for_a_moment_is_tried_again(
    webhook: Webhook, pauses: list[float], status: int
) -> None:
    webhook.answers = [(status, "later"), (status, "later")]
    assert send(by_webhook(webhook.url), MESSAGE) == {"webhook": None}
    assert webhook.texts == [TEXT] * 3
    assert pauses == list(PAUSES_SECONDS)


def test_a_webhook_that_keeps_failing_is_given_up(webhook: Webhook, pauses: list[float]) -> None:
    webhook.answers = [(500, "")] * 9
    assert send(by_webhook(webhook.url), MESSAGE) == {
        "webhook": "HTTPError: HTTP Error 500: Internal Server Error"
    }
    assert len(webhook.texts) == 3


def test_a_webhook_that_will_not_have_it_is_asked_once(webhook: Webhook, pauses: list[float]) -> None:
    webhook.answers = [(404, "no such service")]
    assert send(by_webhook(webhook.url), MESSAGE) == {"webhook": "HTTP 404 Not Found"}
    assert (len(webhook.texts), pauses) == (1, [])


@pytest.mark.parametrize("status", [404, 500])
def test_an_answer_that_repeats_the_path_is_not_repeated(
    webhook: Webhook, pauses: list[float], status: int
) -> None:
    webhook.answers = [(status, "Cannot POST /services/hush-hush")] * 3
    found = str(send(by_webhook(webhook.url), MESSAGE)["webhook"])
    assert str(status) in found
    assert "hush" not in found


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_webhook_that_is_elsewhere_has_not_got_the_text(
    webhook: Webhook, pauses: list[float], status: int
) -> None:
    webhook.answers = [(status, "over there")]
    assert str(send(by_webhook(webhook.url), MESSAGE)["webhook"]).startswith(f"HTTP {status} ")
    assert (len(webhook.texts), pauses) == (1, [])


def test_where_nobody_listens_is_said_without_the_url(nobodys_port: int, pauses: list[float]) -> None:
    found = send(by_webhook(f"http://127.0.0.1:{nobodys_port}/services/hush-hush"), MESSAGE)
    assert "Connection refused" in str(found["webhook"])
    assert "hush" not in str(found)


def test_a_mail_has_subject_text_and_the_pages_picture() -> None:
    message = Message(MESSAGE.subject, ["Grüße: 2 < 3"], {"night.png": b"\x89PNG"})
    with mail_server() as box:
        assert send(by_mail(box.port), message) == {"mail": None}
    (mail,) = box.mails
    assert mail["Subject"] == MESSAGE.subject
    assert (mail["From"], mail["To"]) == ("nightjar@example.com", "ann@example.com, bob@example.com")
    assert box.addressees == [["ann@example.com", "bob@example.com"]]
    body = mail.get_body()
    assert body is not None
    assert body.get_content().splitlines() == [MESSAGE.subject, "Grüße: 2 < 3"]
    (picture,) = mail.iter_attachments()
    assert (picture.get_filename(), picture.get_content()) == ("night.png", b"\x89PNG")


def test_a_mail_server_that_is_busy_is_tried_again(pauses: list[float]) -> None:
    with mail_server() as box:
        box.answers = ["451 try again later"]
        assert send(by_mail(box.port), MESSAGE) == {"mail": None}
    assert (len(box.mails), pauses) == (1, [1.0])
    assert len(box.offered) == 2
    assert len(set(box.offered)) == 1  # mailboxes drop what they have


def test_a_mail_server_that_takes_its_time_gets_one_mail(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setattr(channels, "TIMEOUT_SECONDS", 0.3)
    with mail_server() as box:
        box.seconds = 1.0
        assert send(by_mail(box.port), MESSAGE) == {"mail": None}
    assert (len(box.offered), pauses) == (1, [])


def test_a_mail_that_is_refused_is_not_sent_again(pauses: list[float]) -> None:
    with mail_server() as box:
        box.answers = ["554 no"]
        assert "554" in str(send(by_mail(box.port), MESSAGE)["mail"])
    assert (box.mails, pauses) == ([], [])


@pytest.mark.parametrize("unknown", [{"bob@example.com"}, {"ann@example.com", "bob@example.com"}])
def test_somebody_whom_the_server_does_not_know_is_named(unknown: set[str]) -> None:
    with mail_server() as box:
        box.unknown = unknown
        found = str(send(by_mail(box.port), MESSAGE)["mail"])
    assert all(f"{who}: 550 nobody of that name" in found for who in unknown)
    assert len(box.mails) == (len(unknown) == 1)


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_mail_goes_out_over_tls_with_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    certificate = write_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(PASSWORD, certificate, implicit=tls == "implicit") as box:
        notify = by_mail(box.port, tls=tls, user="nightjar", password=PASSWORD)
        assert send(notify, MESSAGE) == {"mail": None}
        wrong = by_mail(box.port, tls=tls, user="nightjar", password="another")
        found = str(send(wrong, MESSAGE)["mail"])
    assert "535" in found
    assert "another" not in found
    assert len(box.mails) == 1


def test_a_mail_server_whose_certificate_nobody_vouches_for_is_not_trusted(
    tmp_path: Path, pauses: list[float]
) -> None:
    certificate = write_certificate(tmp_path / "certificate.pem")
    with mail_server(PASSWORD, certificate) as box:
        notify = by_mail(box.port, tls="starttls", user="nightjar", password=PASSWORD)
        assert "certificate verify failed" in str(send(notify, MESSAGE)["mail"])
    assert box.mails == []


def test_one_channel_that_fails_does_not_keep_the_other_back(
    webhook: Webhook, nobodys_port: int, pauses: list[float]
) -> None:
    both = by_mail(nobodys_port).model_copy(update={"webhook": by_webhook(webhook.url).webhook})
    found = send(both, MESSAGE)
    assert found["webhook"] is None
    assert "Connection refused" in str(found["mail"])
    assert webhook.texts == [TEXT]


def test_a_server_that_never_answers_holds_nobody_up_beyond_the_deadline(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "DEADLINE_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        both = by_mail(silent.getsockname()[1]).model_copy(
            update={"webhook": by_webhook(webhook.url).webhook}
        )
        begun = time.monotonic()
        found = send(both, MESSAGE)
        assert time.monotonic() - begun < 4
    assert found == {"webhook": None, "mail": "no end in 1 s; it may still have arrived"}


def test_reading_and_sending_end_before_the_callback_does() -> None:
    assert channels.DEADLINE_SECONDS + READING_SECONDS < LIMIT_SECONDS


@pytest.mark.parametrize(
    ("path", "said"), [("/services/hüsh", "UnicodeEncodeError"), ("/services/hush\x7f", "InvalidURL")]
)
def test_an_url_that_cannot_be_asked_is_said_by_the_kind_of_error_alone(
    nobodys_port: int, pauses: list[float], path: str, said: str
) -> None:
    assert send(by_webhook(f"http://127.0.0.1:{nobodys_port}{path}"), MESSAGE) == {"webhook": said}
    assert pauses == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning")
def test_a_password_that_cannot_be_sent_does_not_keep_the_webhook_back(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = write_certificate(tmp_path / "certificate.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(PASSWORD, certificate) as box:
        mail = by_mail(box.port, tls="starttls", user="nightjar", password="hüsh")
        both = mail.model_copy(update={"webhook": by_webhook(webhook.url).webhook})
        assert send(both, MESSAGE) == {"webhook": None, "mail": "UnicodeEncodeError"}
    assert (webhook.texts, box.mails) == ([TEXT], [])
