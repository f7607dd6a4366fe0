"""Consumers that cannot live with answers their contract allows are found; those that can are left in peace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import run_pytest

CLIENT = """
import json
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, ConfigDict

@dataclass
class Record:
    id: str
    price: int

class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    price: int

class Tolerant(BaseModel):
    id: str
    price: int

def get(url):
    # Without TLS nobody needs the authorities' certificates, and reading them takes longer than the call.
    return httpx.get(url, trust_env=False, verify=False)

def strict(url):
    return Strict.model_validate(get(url).json()).price

def unpacked(url):
    return Record(**get(url).json()).price

def tolerant(url):
    return Tolerant.model_validate(get(url).json()).price

def by_position(url):
    return list(get(url).json().values())[1]

def by_header_case(url):
    headers = {k.decode(): v.decode() for k, v in get(url).headers.raw}
    assert headers["content-type"]
    return get(url).json()["price"]

def by_whole_content_type(url):
    answer = get(url)
    if answer.headers["content-type"] != "application/json":
        raise ValueError("no JSON: " + answer.headers["content-type"])
    return answer.json()["price"]

def by_text(url):
    return int(get(url).text.split('"price":')[1].rstrip("}"))

def the_only(url):
    [item] = get(url).json()["items"]
    return item["price"]

def first(url):
    return get(url).json()["items"][0]["price"]

def raw(url):
    return get(url).json()

def keep(url):
    return {"got": get(url).json()}

def read_event(body):
    return Strict.model_validate_json(body).price

def read_event_tolerantly(body):
    return json.loads(body)["price"]
"""
TEST = """
from pact import match
import client

RECORD = {"id": match.str("rec-1"), "price": match.int(2499)}

def served(pact, read, body=RECORD, n=0):
    contract = pact("orders", "catalog")
    (
        contract.upon_receiving(f"a record {n}").with_request("GET", "/records/1")
        .will_respond_with(200).with_body(body, content_type="application/json")
    )
    with contract.serve() as server:
        return read(f"{server.url}/records/1")
"""


def replayed(root: Path, test: str, *args: str, code: int | None = None) -> tuple[list[dict[str, Any]], str]:
    """Run one suite with replays and return its records of replays, and what pytest said."""
    folder = root / "contracts"
    folder.mkdir(exist_ok=True)
    (root / "client.py").write_text(CLIENT)
    (folder / "test_orders.py").write_text(TEST + test)
    (root / "pytest.ini").write_text(
        "[pytest]\naddopts = -p no:cacheprovider --import-mode=importlib\npythonpath = .\n"
    )
    arguments = ["-q", "contracts", "--harness-report=report", *args]
    if not any(arg.startswith("--tolerant-reader=") for arg in args):
        arguments.append("--tolerant-reader")
    done = run_pytest(*arguments, cwd=root)
    if code is not None:
        assert done.returncode == code, done.stdout + done.stderr
    records = [json.loads(line) for line in (root / "report").read_text().splitlines()]
    return [r for r in records if r["kind"] == "replayed"], done.stdout


INTOLERANT = {
    "strict": "$ of the answer to GET /records/1 has a further field",
    "unpacked": "$ of the answer to GET /records/1 has a further field",
    "by_position": "$ of the answer to GET /records/1 ",
    "by_header_case": "the header names of the answer to GET /records/1 are in",
    "by_whole_content_type": "the content type of the answer to GET /records/1 has `; charset=utf-8`",
    "by_text": "GET /records/1 ",
}


def test_a_consumer_that_asks_for_more_than_its_contract_says_is_found_with_the_smallest_difference(
    tmp_path: Path,
) -> None:
    test = "\n".join(f"def test_{n}(pact):\n    assert served(pact, client.{n}) == 2499\n" for n in INTOLERANT)

    records, said = replayed(tmp_path, test, code=1)

    assert len(records) == len(INTOLERANT)
    for record in records:
        name = record["test"].partition("::test_")[2]
        assert record["outcome"] == "intolerant", record
        assert record["certain"], record
        assert len(record["differences"]) == 1, record
        assert INTOLERANT[name] in record["differences"][0]
        assert (record["consumer"], record["provider"]) == ("orders", "catalog")
        assert record["message"] in said
        # A wrong result comes out in the test; what the consumer itself refuses is placed there.
        assert record["file"] == ("contracts/test_orders.py" if name == "by_position" else "client.py"), record


PROGRAM = """
import json, sys, urllib.request

def tell(id, price):
    print(price)

tell(**json.load(urllib.request.urlopen(sys.argv[1])))
"""


def test_a_consumer_in_a_process_of_its_own_says_itself_what_it_cannot_live_with(tmp_path: Path) -> None:
    test = (
        "import subprocess, sys\n"
        f"PROGRAM = {PROGRAM!r}\n"
        "def program(url):\n"
        "    words = [sys.executable, '-c', PROGRAM, url]\n"
        "    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)\n"
        "def test_it(pact):\n"
        "    assert served(pact, program) == 2499\n"
    )

    [record], _ = replayed(tmp_path, test, code=1)

    assert record["message"].startswith("CalledProcessError: ")
    assert "ended with 1: TypeError: " in record["message"]
    assert "harness_extra" in record["message"]
    assert "standard error of the process:\nTraceback" in record["detail"]
    assert "pluggy" not in record["detail"]


def test_a_consumer_that_breaks_on_a_longer_list_is_found(tmp_path: Path) -> None:
    test = (
        'def test_it(pact):\n    body = {"items": match.each_like(RECORD, min=1)}\n'
        "    assert served(pact, client.the_only, body) == 2499\n"
    )

    [record], _ = replayed(tmp_path, test, code=1)

    assert "the list at $.items" in record["differences"][0]
    assert record["message"].startswith("ValueError: too many values to unpack")


def test_a_message_handler_is_shown_other_messages(tmp_path: Path) -> None:
    test = """
def test_it(pact):
    contract = pact("orders", "catalog")
    contract.upon_receiving("a price", "Async").with_body(RECORD, content_type="application/json")
    contract.verify(lambda body, _: client.read_event(body), "Async")
"""
    [record], _ = replayed(tmp_path, test, code=1)

    assert record["differences"] == ['$ of the answer to message 1 has a further field "harness_extra": null']
    assert record["message"].startswith("ValidationError")
    assert record["file"] == "client.py"


TOLERANT = (
    "assert served(pact, client.tolerant) == 2499",
    "assert served(pact, client.raw) == {'id': 'rec-1', 'price': 2499}",
    "assert served(pact, client.keep)['got'] == {'id': 'rec-1', 'price': 2499}",
    "assert len(served(pact, client.raw)) == 2",
    "[(one, _), (two, _)] = served(pact, client.raw).items()",
    "assert served(pact, client.first, {'items': match.each_like(RECORD, min=1)}) == 2499",
    "assert len(served(pact, client.raw, {'items': match.each_like(RECORD, min=1)})['items']) == 1",
    "assert served(pact, client.the_only, {'items': [RECORD]}) == 2499",
    "assert served(pact, client.the_only, {'items': match.each_like(RECORD, min=1, max=1)}) == 2499",
)


def test_a_tolerant_consumer_and_a_test_that_merely_looks_closely_are_left_in_peace(tmp_path: Path) -> None:
    # One file each: the contracts differ, and two tests must not define the same interaction differently.
    for n, line in enumerate(TOLERANT):
        test = f"def test_it(pact):\n    {line}\n".replace("served(pact,", f"served(pact, n={n}, read=")
        (tmp_path / "contracts").mkdir(exist_ok=True)
        (tmp_path / "contracts" / f"test_{n}.py").write_text(TEST + test.replace(", {'items'", ", body={'items'"))

    records, said = replayed(tmp_path, "", code=0)

    assert [(r["test"], r["outcome"]) for r in records] == [
        (f"contracts/test_{n}.py::test_it", "tolerant") for n in range(len(TOLERANT))
    ]
    assert all(record["replays"] > 1 for record in records)
    assert "0 break on another valid answer" in said


def test_a_tolerant_message_handler_is_left_in_peace(tmp_path: Path) -> None:
    test = """
def test_async(pact):
    contract = pact("orders", "catalog")
    contract.upon_receiving("a price", "Async").with_body(RECORD, content_type="application/json")
    contract.verify(lambda body, _: client.read_event_tolerantly(body), "Async")

def test_sync(pact):
    contract = pact("orders", "pricing")
    (
        contract.upon_receiving("a quote", "Sync").with_body({"record": 1}, content_type="application/json")
        .will_respond_with().with_body(RECORD, content_type="application/json")
    )
    contract.verify(lambda body, _, replies: client.read_event_tolerantly(replies[0]), "Sync")
"""
    records, _ = replayed(tmp_path, test, code=0)

    assert [r["outcome"] for r in records] == ["tolerant", "tolerant"]


def test_what_cannot_be_replayed_is_told_with_the_reason(tmp_path: Path) -> None:
    test = """
import pytest
RUNS = []

@pytest.mark.tolerant_reader(False, reason="a map of ids")
def test_left_out(pact):
    assert served(pact, client.strict) == 2499

def test_once(pact):
    assert served(pact, client.tolerant) == 2499
    RUNS.append(1)
    assert len(RUNS) == 1
"""
    records, said = replayed(tmp_path, test, code=0)

    assert [r["reason"] for r in records] == [
        "left out by its marker: a map of ids",
        "it fails when it is run a second time: assert 2 == 1",
    ]
    assert "not replayed: contracts/test_orders.py::test_left_out: left out by its marker: a map of ids" in said


def test_replays_change_neither_the_verdicts_nor_the_pacts_nor_the_fixtures_of_others(tmp_path: Path) -> None:
    test = """
import pytest

@pytest.fixture(scope="module")
def shared():
    return []

class TestIt:
    def test_one(self, pact, shared, tmp_path):
        assert not hasattr(self, "ran")
        self.ran = True
        assert served(pact, client.tolerant) == 2499

    def test_two(self, pact, shared, caplog):
        assert served(pact, client.tolerant) == 2499

def test_fails(pact):
    assert served(pact, client.tolerant) == 1
"""
    records, said = replayed(tmp_path, test, "-n", "2", code=1)

    assert [r["outcome"] for r in records] == ["tolerant", "tolerant"]
    assert "1 failed, 2 passed" in said
    raw = json.loads((tmp_path / "contracts/pacts/orders-catalog.json").read_bytes())
    assert [i["response"]["body"]["content"]["id"] for i in raw["interactions"]] == ["rec-1"]


def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    test = "def test_it(pact):\n    assert served(pact, client.strict) == 2499\n"

    first, _ = replayed(tmp_path, test, "--tolerant-reader-seed=7")
    again, _ = replayed(tmp_path, test, "--tolerant-reader-seed=7")

    assert [(r["differences"], r["replays"]) for r in first] == [(r["differences"], r["replays"]) for r in again]


def test_without_the_option_nothing_is_replayed(tmp_path: Path) -> None:
    test = "def test_it(pact):\n    assert served(pact, client.strict) == 2499\n"

    records, said = replayed(tmp_path, test, "--tolerant-reader=0", code=0)

    assert records == []
    assert "replayed" not in said


def test_a_consumer_that_hangs_on_another_answer_is_found(tmp_path: Path) -> None:
    test = """
def slow(url):
    import time
    if "harness_extra" in client.raw(url):
        time.sleep(60)
    return 1

def test_it(pact):
    assert served(pact, slow) == 1
"""
    [record], _ = replayed(tmp_path, test, "--tolerant-reader-limit=6", code=1)

    assert record["message"].startswith("TooSlowError")


def test_a_field_nobody_reads_and_a_value_pinned_for_nothing_are_told_apart_from_what_is_read(tmp_path: Path) -> None:
    test = """
BODY = RECORD | {"status": "on-sale", "title": match.str("Blue Train"), "lines": match.each_like({"n": match.int(1)})}

def test_it(pact):
    assert served(pact, lambda url: client.raw(url)["price"], BODY) == 2499
"""
    [record], _ = replayed(tmp_path, test, code=0)

    assert record["pinned"] == ["$.status"]
    assert record["unread"] == ["$.id", "$.lines[*].n", "$.title"]
    assert record["read"] == ["$.price"]


REMEMBERS = """
FAILED = []

def breaking(url):
    if len(FAILED) > 2:
        raise RuntimeError("open")
    try:
        return client.strict(url)
    except ValueError as error:
        FAILED.append(error)
        raise

def test_one(pact):
    assert served(pact, breaking, n=1) == 2499

def test_two(pact):
    assert served(pact, breaking, n=2) == 2499
"""


def test_what_replays_leave_behind_in_the_process_touches_no_test_and_hides_no_finding(tmp_path: Path) -> None:
    records, said = replayed(tmp_path, REMEMBERS, code=1)

    assert "2 passed" in said
    assert [r["outcome"] for r in records] == ["intolerant", "not_replayed"]
    assert any("a further field" in difference for difference in records[0]["differences"])


def test_a_flaky_test_is_not_taken_for_an_intolerant_consumer(tmp_path: Path) -> None:
    test = """
RUNS = []

def test_it(pact):
    RUNS.append(1)
    assert served(pact, client.tolerant) == (2499 if len(RUNS) in {1, 2} or len(RUNS) % 2 else 1)
"""

    [record], _ = replayed(tmp_path, test, code=0)

    assert record["outcome"] == "not_replayed"
    assert "it is flaky, or its process remembers earlier answers" in record["reason"]


@pytest.mark.parametrize("name", ["asking", "looping"])
def test_a_consumer_that_swallows_every_interruption_ends_all_the_same(tmp_path: Path, name: str) -> None:
    test = f"""
import time

def stubborn(url):
    while True:
        try:
            time.sleep(0.1)
            client.strict(url)
            return 1
        except:
            while "{name}" == "looping":
                try:
                    time.sleep(0.02)
                except:
                    pass

def test_it(pact):
    assert served(pact, stubborn) == 1

def test_other(pact):
    assert served(pact, client.tolerant, n=2) == 2499
"""
    records, said = replayed(tmp_path, test, "-n", "1", "--tolerant-reader-limit=6")

    first, other = records
    if name == "asking":
        assert first["message"].startswith("TooSlowError")
    else:
        assert first["reason"] == other["reason"] == "its process ended before it was through with it"
    assert "2 passed" in said


def test_a_value_of_which_a_part_is_looked_for_is_not_pinned_for_nothing(tmp_path: Path) -> None:
    test = """
def test_it(pact):
    assert "sale" in served(pact, lambda url: client.raw(url)["status"], RECORD | {"status": "on-sale"})
"""

    [record], _ = replayed(tmp_path, test, code=0)

    assert (record["pinned"], record["read"]) == ([], ["$.status"])


@pytest.mark.parametrize("version", ["V2", "V3"])
def test_contracts_of_older_specifications_are_varied_just_as_well(tmp_path: Path, version: str) -> None:
    test = f"""
def test_it(pact):
    contract = pact("orders", "catalog").with_specification("{version}")
    body = {{"status": "on-sale", "title": match.str("x"), "items": match.each_like({{"price": match.int(1)}}, min=1)}}
    (
        contract.upon_receiving("a record").with_request("GET", "/records/1")
        .will_respond_with(200).with_body(body, content_type="application/json")
    )
    with contract.serve() as server:
        assert client.the_only(f"{{server.url}}/records/1") == 1
"""

    [record], _ = replayed(tmp_path, test, code=1)

    assert "the list at $.items" in record["differences"][0]


def test_a_message_contract_of_an_older_specification_is_varied_just_as_well(tmp_path: Path) -> None:
    test = """
def test_it(pact):
    contract = pact("orders", "catalog").with_specification("V3")
    contract.upon_receiving("a price", "Async").with_body(RECORD, content_type="application/json")
    contract.verify(lambda body, _: client.read_event(body), "Async")
"""

    [record], _ = replayed(tmp_path, test, code=1)

    assert record["differences"] == ['$ of the answer to message 1 has a further field "harness_extra": null']
