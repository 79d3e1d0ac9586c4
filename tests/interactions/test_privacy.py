"""Nobody who comes in by name can be found by name."""

import hashlib

import pandas as pd
import pytest

from helpers.interactions.privacy import PUBLIC_KEY, admit, hash_ids, secret_key, suppress, traces

KEY = b"a key of this test only, long enough"


@pytest.fixture
def orders():
    return pd.DataFrame(
        {
            "customer": ["Rosa Lindqvist", "Tom Achebe", "Rosa Lindqvist"],
            "email": ["rosa@example.org", "tom@example.org", "rosa@example.org"],
            "Phone_Number": ["+44 20 7946 0018", "", "+44 20 7946 0018"],
            "item": ["asos/204351106", "asos/2", "myntra/3"],
            "rating": [5, 3, 4],
            "note": [
                "call 020 7946 0018",
                "gift for Ada",
                "write to rosa@example.org, size 12, 49.99",
            ],
        }
    )


def test_names_columns_and_free_text(orders):
    kept, report = admit(orders, user="customer", key=KEY)
    assert list(kept.columns) == ["customer", "item", "rating", "note"]
    assert kept["customer"][0] == kept["customer"][2] != kept["customer"][1]
    assert kept["note"].tolist() == [
        "call [removed]",
        "gift for Ada",
        "write to [removed], size 12, 49.99",
    ]
    assert (
        kept["item"].tolist() == orders["item"].tolist()
    )  # product numbers are not telephone numbers
    assert report == {
        "column email dropped": 3,
        "column Phone_Number dropped": 3,
        "phone in note blanked": 1,
        "e-mail in note blanked": 1,
    }
    assert orders["customer"][0] == "Rosa Lindqvist"  # the caller's table is left alone


@pytest.mark.parametrize(
    "name", ["FirstName", "customer name", "E-Mail", "birth_date", "ip", "Post Code", "name"]
)
def test_personal_columns(name):
    kept, _ = admit(pd.DataFrame({"user": ["a"], name: ["x"]}), key=KEY)
    assert list(kept.columns) == ["user"]


@pytest.mark.parametrize(
    "name", ["product_name", "brand", "category", "description", "shipping_days", "capacity"]
)
def test_product_columns_stay(name):
    assert name in admit(pd.DataFrame({"user": ["a"], name: ["x"]}), key=KEY)[0]


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        ("+49 (0)30 901820", True),
        ("(555) 123-4567", True),
        ("0044 20 7946 0018", True),
        ("2024-01-02 13:45", False),
        ("UK 10, 204351106", False),
        ("02-01-2024", False),
        ("49.99 instead of 59.99", False),
    ],
)
def test_phone_numbers_are_told_from_other_numbers(text, blank):
    kept, _ = admit(pd.DataFrame({"user": ["a"], "note": [text]}), key=KEY)
    assert ("[removed]" in kept["note"][0]) == blank


def notes_of(street, *notes):
    """What `admit` leaves of notes by somebody who lives in a street."""
    table = pd.DataFrame({"user": "Mira Okonkwo", "street": street, "note": list(notes)})
    return admit(table, key=KEY)[0]["note"].tolist()


def test_a_house_number_goes_with_its_street():
    left = notes_of("12 Larkspur Lane", "at 12 Larkspur Lane", "no. 12, please", "size 112, not 1")
    assert left == ["at [removed] [removed] [removed]", "no. [removed], please", "size 112, not 1"]
    assert notes_of("Calle Olmo 21b", "Olmo 21B, 2.º") == ["[removed] [removed], 2.º"]


def test_numbers_of_a_telephone_are_no_house_numbers():
    table = pd.DataFrame({"user": ["a"], "phone": ["+44 20 7946 0018"], "note": ["size 44 or 20"]})
    assert admit(table, key=KEY)[0]["note"][0] == "size 44 or 20"


def test_hash_is_keyed_blake2b():
    key = hashlib.blake2b(KEY).digest()
    assert (
        hash_ids(["Rosa"], KEY)[0] == hashlib.blake2b(b"Rosa", key=key, digest_size=8).hexdigest()
    )
    assert hash_ids(["Rosa"], KEY)[0] != hash_ids(["Rosa"], PUBLIC_KEY)[0]


def test_real_people_need_a_secret_key(orders, monkeypatch):
    monkeypatch.delenv("COURSE_USER_KEY", raising=False)
    with pytest.raises(KeyError, match="export COURSE_USER_KEY"):
        admit(orders, user="customer")
    monkeypatch.setenv("COURSE_USER_KEY", "short")
    with pytest.raises(KeyError, match="16 characters"):
        secret_key()
    monkeypatch.setenv("COURSE_USER_KEY", "x" * 32)
    assert admit(orders, user="customer")[0]["customer"].nunique() == 2


def test_no_user_column(orders):
    with pytest.raises(KeyError, match="no column 'user'"):
        admit(orders, key=KEY)


def test_traces_are_found_in_any_file(orders, tmp_path):
    kept, _ = admit(orders, user="customer", key=KEY)
    rosa = hash_ids(["Rosa Lindqvist"], KEY)[0]
    kept.to_parquet(tmp_path / "log.parquet", compression="zstd")
    (tmp_path / "report.html").write_text(f"<td>{rosa}</td>")
    assert traces(tmp_path, [rosa]) == [("log.parquet", rosa), ("report.html", rosa)]
    assert traces(tmp_path, ["Rosa", "rosa@example.org", "7946"]) == []


def test_small_groups_lose_their_figures():
    table = pd.DataFrame({"group": list("abc"), "ndcg": [0.5, 0.6, 0.7], "n_users": [40, 12, 3]})
    shown = suppress(table, k=5)
    assert shown["ndcg"].isna().tolist() == [
        False,
        True,
        True,
    ]  # b too: with the total, c would follow by subtraction
    assert shown["group"].tolist() == list("abc")
    two = suppress(pd.DataFrame({"group": list("abcd"), "n_users": [40, 1, 3, 12]}), k=5)
    assert two["n_users"].isna().tolist() == [False, True, True, False]
