from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitoring.notify import build_message


@pytest.fixture
def config(make_config):
    return make_config(policy={"report_url": "https://example.org/reports/"})


def test_says_what_since_when_and_what_was_decided(decision, verdict, config):
    message = build_message(decision, verdict, config)

    assert message.subject == "[toy] failing since 2024-01-20: Worse <than> average. And 1 more."
    for part in (
        "Failing since 2024-01-20.",
        "healthy before",
        "Retraining was not asked for: not confirmed.",
        "3 of 5 confirm.",
        "- fail: Worse <than> average.",
        "- warn: ROC AUC is 0.600, ordinarily 0.677.",
        "https://example.org/reports/toy/windows/2024-01-20/r1/report.html",
    ):
        assert part in message.text
    assert "All columns are there." not in message.text


def test_a_return_to_health_is_a_message_too(recovery, config):
    message = build_message(*recovery, config)

    assert message.subject == "[toy] healthy again: All within limits."
    assert message.key == "toy/2024-01-20/healthy"
    assert "failing before" in message.text
    assert "What the checks found" not in message.text


def test_html_is_escaped(decision, verdict, config):
    html = build_message(decision, verdict, config).html

    assert "Worse &lt;than&gt; average." in html
    assert "<than>" not in html


def test_no_link_without_a_place(decision, verdict, make_config):
    message = build_message(decision, verdict, make_config())

    assert message.fields["report_url"] == ""
    assert "Report:" not in message.text
    assert "<a " not in message.html


def test_subject_is_one_short_line(decision, verdict, config):
    subject = build_message(decision, replace(verdict, headline="a\r\nBcc: b " * 40), config).subject

    assert len(subject) == 150
    assert "\n" not in subject
    assert "\r" not in subject


def test_fields_are_json_with_the_numbers(decision, verdict, config):
    fields = json.loads(json.dumps(build_message(decision, verdict, config).fields, allow_nan=False))

    assert fields["state"] == "failing"
    assert fields["action"] == "vetoed"
    assert [f["check"] for f in fields["findings"]] == ["worse_than_average", "ranking"]
    assert fields["findings"][0]["value"] == -0.07
