"""What columns are taken for."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.capture.inspect.answers import Answer, answer
from monitoring.capture.inspect.roles import Meaning, meaning_apart, meaning_together
from monitoring.capture.inspect.values import describe

N = 60
SHARES = [i / N for i in range(N)]
CLASSES = [("a", "b", "c")[i % 3] for i in range(N)]
AMOUNTS = [i * 13.5 for i in range(N)]
BITS = [i % 2 for i in range(N)]


def rows(**columns: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def answered(*, alone: bool = True, **columns: list[Any]) -> Answer:
    return answer(list(describe(rows(**columns)).values()), set(), alone=alone)


def roles(*, identified: bool = False, **columns: list[Any]) -> dict[str, str]:
    found = meaning_together(describe(rows(**columns)).values(), {}, identified=identified)
    return {column.name: column.role for column in found.columns}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"score": SHARES}, ("binary", "score", "")),
        ({"probability": SHARES, "prediction": BITS}, ("binary", "probability", "prediction")),
        ({"prediction": SHARES}, ("binary", "prediction", "")),
        ({"prediction": BITS}, ("binary", "", "prediction")),
        ({"prediction": AMOUNTS}, ("regression", "prediction", "")),
        ({"anything": AMOUNTS}, ("regression", "anything", "")),
        ({"label": CLASSES, "score": SHARES}, ("multiclass", "score", "label")),
        ({"predicted_class": [i % 5 for i in range(N)]}, ("multiclass", "", "predicted_class")),
        ({"score": SHARES, "prediction": SHARES}, ("binary", "score", "")),
        ({"seconds": AMOUNTS, "tokens": AMOUNTS}, ("binary", "", "")),
        ({"text": [f"a longer text of {i} words" for i in range(N)], "tokens": BITS}, ("binary", "", "")),
        ({"probabilities[0]": SHARES, "probabilities[1]": SHARES}, ("binary", "probabilities[1]", "")),
        ({"y0": SHARES}, ("binary", "score", "")),
        ({"y0": AMOUNTS}, ("regression", "score", "")),
        ({"y0": CLASSES}, ("multiclass", "", "prediction")),
        ({"y0": SHARES, "y1": SHARES}, ("binary", "score", "")),
        ({"y0": BITS, "y1": SHARES}, ("binary", "score", "prediction")),
        ({"y0": SHARES, "y1": CLASSES}, ("multiclass", "score", "prediction")),
        ({"y0": SHARES, "y1": SHARES, "y2": SHARES}, ("binary", "", "")),
    ],
)
def test_answers(columns: dict[str, list[Any]], expected: tuple[str, str, str]) -> None:
    found = answered(**columns)
    assert (found.task, found.score, found.prediction) == expected


def test_positions_get_names() -> None:
    assert answered(y0=SHARES, y1=CLASSES).positions == ["score", "prediction"]
    assert answered(y0=SHARES, y1=SHARES).positions == ["y0", "score"]
    three = answered(y0=SHARES, y1=SHARES, y2=SHARES)
    assert (three.positions, bool(three.note)) == (["y0", "y1", "y2"], True)


def test_a_feature_that_is_like_a_score_is_none() -> None:
    assert answered(alone=False, credit_score=[300 + i for i in range(N)], age=AMOUNTS) == Answer(
        why="from names and values"
    )
    assert answered(alone=False, credit_score=AMOUNTS, fraud_score=SHARES).score == "fraud_score"
    assert answered(alone=False, category=CLASSES, label=BITS).prediction == ""


def test_rows_with_everything() -> None:
    assert roles(
        order_id=[f"o{i}" for i in range(N)],
        created_at=[f"2024-01-11T10:00:{i:02d}Z" for i in range(N)],
        amount=AMOUNTS,
        marital_status=CLASSES,
        status=[200, 500] * (N // 2),
        latency_ms=AMOUNTS,
        version=["7"] * N,
        customer_id=[i // 2 for i in range(N)],
        session=[f"s{i}" for i in range(N)],
        region=["eu"] * N,
        row=list(range(N)),
        user_email=CLASSES,
        photo=[f"s3://bucket/{i}.jpg" for i in range(N)],
        seen=["2024-01-10"] * N,
        score=SHARES,
        actual=BITS,
    ) == {
        "order_id": "event id",
        "created_at": "event time",
        "amount": "feature",
        "marital_status": "feature",
        "status": "status",
        "latency_ms": "latency",
        "version": "version",
        "customer_id": "left out",
        "session": "left out",
        "region": "left out",
        "row": "left out",
        "user_email": "left out",
        "photo": "reference",
        "seen": "left out",
        "score": "score",
        "actual": "left out",
    }


def test_an_id_that_is_not_of_the_row_is_none() -> None:
    found = roles(id=[i // 2 for i in range(N)], request_id=[f"r{i}" for i in range(N)], score=SHARES)
    assert found == {"id": "left out", "request_id": "event id", "score": "score"}


def test_an_id_may_come_again_where_rows_were_logged_twice() -> None:
    twice = [f"r{i}" for i in range(N - 2)] + ["r0", "r1"]
    found = meaning_together(describe(rows(request_id=twice, score=SHARES)).values(), {}, identified=False)
    (column,) = found.of("event id")
    assert (column.name, column.why) == ("request_id", "2 of 60 rows repeat one: they count once")


def test_what_the_log_itself_calls_its_columns() -> None:
    given = {"label": "feature", "a": "prediction", "b": "target"}
    fields = describe(rows(label=AMOUNTS, a=CLASSES, b=CLASSES)).values()
    found = {column.name: column.role for column in meaning_together(fields, given, identified=True).columns}
    assert found == {"label": "feature", "a": "prediction", "b": "left out"}


def apart(request: dict[str, list[Any]], response: dict[str, list[Any]], *, positional: bool = False) -> Meaning:
    return meaning_apart(
        describe(rows(**request)).values() if request else [],
        describe(rows(**response)).values() if response else [],
        [],
        positional=positional,
    )


def test_fields_without_names_are_never_left_out() -> None:
    found = apart({"x0": [None] * N, "x1": ["eu"] * N, "x2": AMOUNTS}, {"y0": SHARES}, positional=True)
    assert [column.role for column in found.columns] == ["feature"] * 3 + ["score"]
    assert [column.why for column in found.columns[:2]] == ["empty in every row", "the same value in every row"]
    assert found.outputs == ["score"]


def test_an_answer_that_is_no_score_is_watched_like_a_feature() -> None:
    texts = [f"an answer of {i} tokens, and of some words" for i in range(N)]
    found = apart({"prompt": texts}, {"text": texts, "tokens": AMOUNTS})
    assert [column.role for column in found.columns] == ["feature"] * 3
    assert found.outputs == ["text", "tokens"]


def test_only_requests_or_only_responses() -> None:
    assert apart({"age": AMOUNTS}, {}).outputs == []
    found = apart({}, {"score": SHARES})
    assert ([column.role for column in found.columns], found.outputs) == (["score"], ["score"])


def test_calls_that_failed_have_no_score() -> None:
    found = [{"event_id": f"r{i}", "age": AMOUNTS[i], "score": SHARES[i]} for i in range(N)]
    del found[0]["score"]
    assert meaning_together(describe(found).values(), {}, identified=False).answer.score == "score"
    for row in found[1 : N // 2]:
        del row["score"]
    assert meaning_together(describe(found).values(), {}, identified=False).answer.score == ""


def test_a_time_that_is_sometimes_empty() -> None:
    times = ["", *(f"2024-01-11T10:00:{i:02d}Z" for i in range(1, N))]
    assert roles(timestamp=times)["timestamp"] == "event time"
    assert roles(closed=times)["closed"] == "left out"


def test_what_no_name_says_is_a_guess() -> None:
    times = [f"2024-01-11T10:00:{i:02d}Z" for i in range(N)]
    found = describe(rows(order_id=[f"o{i}" for i in range(N)], scored=times, age=AMOUNTS))
    columns = meaning_together(found.values(), {}, identified=False).columns
    assert [(column.role, column.sure) for column in columns] == [
        ("event id", False),
        ("event time", False),
        ("feature", True),
    ]
