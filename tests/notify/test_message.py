from __future__ import annotations

import json
from dataclasses import replace

import pytest

from monitoring.decide.incident import Incident, IncidentState
from monitoring.decide.telling import Change, ChangeKind
from monitoring.judge import Code, Finding, Status
from monitoring.judge.advice import advice
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


def change(kind: str, name: str = "81ab1b5d3c") -> Change:
    seen = ("nulls", "age", "", Status.FAIL, IncidentState.OPEN, "2024-01-19", "2024-01-19", "2024-01-20", "")
    return Change(ChangeKind(kind), Incident(name, *seen, 2, 1, 1, 1, "Half of <age> is null."))


def test_a_finding_says_how_sure_it_is_and_what_to_do_first(decision, verdict, config):
    sure = replace(verdict.findings[0], p_value=1e-4, level=1e-3, folded=("ranking",))
    message = build_message(decision, replace(verdict, findings=(sure, *verdict.findings[1:])), config)

    assert (
        "- fail: Worse <than> average.\n"
        "  Effect: -0.070 [-0.090, -0.050], ordinarily 0.06, limit 0; 6,296 rows.\n"
        "  How sure: Windows like the baseline's are so far off at most once in 27 years; what is rarer than once in 3"
        " years counts.\n"
        "  Explains: 1 other check: ranking.\n"
        f"  First: {advice(Code.WORSE_THAN_AVERAGE)}\n"
    ) in message.text
    assert f"<br>First: {advice(Code.WORSE_THAN_AVERAGE)}</div>" in message.html
    first = message.fields["findings"][0]
    assert (first["todo"], first["level"], first["low"]) == (advice(Code.WORSE_THAN_AVERAGE), 1e-3, -0.09)


def test_what_to_do_is_told_once_and_a_message_has_an_end(decision, verdict, config):
    many = tuple(Finding("nulls", f"c{i}", Status.WARN, Code.NULLS_INCREASED, f"c{i} is null.") for i in range(12))
    message = build_message(decision, replace(verdict, findings=many), config)

    assert message.text.count("  First: ") == 0
    assert "- And 2 more, which stand in the report." in message.text
    assert len(message.fields["findings"]) == 12
    text = build_message(decision, replace(verdict, findings=many[:3]), config).text
    assert text.count("  First: ") == 1
    assert text.index("c2 is null.") < text.index("  First: ")


def test_why_and_the_promise_are_told(decision, verdict, config):
    family = {"questions": 40, "level": 4e-4, "fired": [], "false_alarms": 0.03, "budget": 0.05}
    told = replace(verdict, why={"sentence": "Since then: <other> rows."}, families={"fail data": family})
    message = build_message(decision, replace(told, calendar=("Easter",)), config)

    assert "Why performance is bad:\n- Since then: <other> rows.\n" in message.text
    assert "Since then: &lt;other&gt; rows." in message.html
    assert "at most 0.03 fails (the configuration allows 0.05)" in message.text
    assert "In the calendar: Easter." in message.text
    assert message.fields["why"] == told.why


def test_incidents_are_told(decision, verdict, config):
    found = (change("opened"), change("resolved", "99ab1b5d3c"))
    message = build_message(decision, verdict, config, found)

    assert message.subject.startswith("[toy] failing since 2024-01-20: ")
    assert f"Incidents:\n- {found[0].sentence}\n- {found[1].sentence}\n" in message.text
    assert "Half of &lt;age&gt; is null." in message.html
    assert "<age>" not in message.html
    assert [item["change"] for item in message.fields["incidents"]] == ["opened", "resolved"]
    assert message.fields["incidents"][0]["fingerprint"] == "81ab1b5d3c"
    assert json.loads(json.dumps(message.fields, allow_nan=False)) == message.fields


def test_a_message_about_incidents_alone_has_the_first_as_its_subject(decision, verdict, config):
    quiet = replace(decision, notify=False)
    subject = build_message(quiet, verdict, config, (change("due"),)).subject

    assert subject == "[toy] Still there since 2024-01-19 (81ab1b5d3c): Half of <age> is null."
    assert len(build_message(quiet, replace(verdict, headline="x" * 200), config).subject) == 150
