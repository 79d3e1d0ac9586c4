"""The catalogue: one vocabulary, dollars, and duplicates that are counted, not lost."""

import math

import pandas as pd
import pytest

from helpers.feeds import attributes_from_text, harmonise, load_vocabulary
from helpers.feeds.files import FileFacts
from helpers.feeds.harmonise import (
    CATALOG_COLUMNS,
    VARIANT_COLUMNS,
    category_of,
    colour_of,
    gender_of,
    variants,
)
from helpers.feeds.products import PRODUCT_COLUMNS, FeedFacts, FeedResult
from helpers.feeds.spec import FeedSpec

BLANK = dict.fromkeys(PRODUCT_COLUMNS, "") | {
    "platform": "a",
    "price": float("nan"),
    "list_price": float("nan"),
    "rating": float("nan"),
    "n_reviews": None,
    "image_urls": [],
    "sizes": {},
    "id_given": True,
    "is_variant": False,
    "images_unclaimed": 0,
    "source_file": "a.csv",
}
SPEC = FeedSpec(platform="a", fields={"title": "title"})


def table(*rows):
    """Products as `read_feed` gives them, blank but for what is said."""
    full = [BLANK | {"source_row": number} | row for number, row in enumerate(rows, 1)]
    frame = pd.DataFrame(full, columns=PRODUCT_COLUMNS).astype({"n_reviews": "Int64"})
    frame["image_key"] = frame["platform"] + "/" + frame["product_id"]
    return frame


def feed(frame, spec=SPEC):
    """A feed of these products."""
    seen = FileFacts("a.csv", "utf-8", ",", 0, 0, ["title"], len(frame), [])
    about = FeedFacts(**vars(seen), spec=spec, missing=[], currency="", assumed=0,
                      unknown_currencies={}, passed_over={})  # fmt: skip
    return FeedResult(frame, pd.DataFrame(), about)


def products(*rows):
    return feed(table(*rows))


@pytest.mark.parametrize(
    ("title", "category", "wanted"),
    [
        ("New Look trench coat in camel", "Asos", "coats"),
        ("ASOS DESIGN denim jacket with shirt collar", "Asos", "jackets"),
        ("Belted shirt dress", "", "dresses"),
        ("Slim dress shirt", "", "shirts"),
        ("T-SHIRT", "", "t-shirts"),
        ("T-shirt Visby Trees Navy", "", "t-shirts"),
        ("PrintOctopus Printed T-Shirt for Men | Sarcastic Jacket", "", "t-shirts"),
        ("Khushal K Women Black Printed Kurta with Palazzos", "", "kurtas"),
        ("DKNY Unisex Printed Medium Trolley Bag", "", "bags"),
        ("Carlton London Women Brown Shoes", "Shoes", "footwear"),
        ("Puma Men Ferrari", "Casual Shoes", "footwear"),
        ("High-top sneakers", "", "footwear"),
        ("CASIO Analogue Watch", "", "accessories"),
        ("Women Solid Padded", "jackets-coats", "coats"),
        ("Ready to Wear Lehenga & Unstitched Blouse", "", "ethnic sets"),
        ("Faux Leather Boxy Jacket", "T-shirts", "jackets"),
        ("T-shirt Visby Tie Dye Blue", "", "t-shirts"),
        ("MINAA", "", "other"),
        ("Women Blue Tie & Dye Printed Top", "", "tops"),
        ("Lehenga Blouse With Dupatta", "lehenga-choli", "ethnic sets"),
        ("Men Sherwani Dupatta Set", "sherwani", "ethnic sets"),
    ],
)
def test_categories(title, category, wanted):
    assert category_of(title, category, trusted=False) == wanted


@pytest.mark.parametrize(
    ("colour", "title", "wanted"),
    [
        (" Navy Blue", "", "navy"),
        ("Dark blue/black", "", "navy"),
        ("Burgundy/navy blue/gray-blue/khaki green/black", "", "multi"),
        ("LICHEN GREEN HEATHER", "", "green"),
        ("off-white", "", "white"),
        ("STRIPED", "", "multi"),
        ("hrx-men-teal-blue-printed-t-shirt", "", "teal"),
        ("", "Black Flower coat in red", "red"),
        ("", "Multicoloured bandhani dupatta", "multi"),
        ("Lavie Yellow Shoulder Bag Red", "", "yellow"),
        (
            "Lavie Yellow & Navy Blue Shoulder Bag Blue",
            "",
            "yellow",
        ),  # a whole title: the first colour is the bag's
        ("deyann-men-copper-coloured--black-printed-woven-nehru-jacket", "", "brown"),
        ("mast--harbour-men-navy-blue-solid-shirt", "", "navy"),
        ("black-white-grey", "", "multi"),  # a list: no one of them is
        ("kasee-embellished-beads-and-stones-saree", "", "unknown"),
        ("", "Coral Pink Top", "pink"),
        ("Navy Blue & Beige Printed Top\nBlue", "", "navy"),
        ("ORCHID PINK HEATHER", "", "pink"),
        ("night sky", "", "navy"),
        ("", "Striped tee", "unknown"),
        ("Cloud", "", "unknown"),
        ("Denim Dark", "", "blue"),
        ("", "Faux leather and denim jacket", "unknown"),  # a cloth, and there is black denim
        ("Taupe gray", "", "grey"),
        ("French Orchid", "Puffer in pink", "pink"),
        ("FRENCH ORCHID", "Orange Puffer", "purple"),
        ("Green", "Padded coat in khaki", "olive"),  # the finer of two kin, wherever it stands
        ("BURGUNDY", "Padded coat in dark red", "burgundy"),
        ("Blue", "Lotto Men Navy Blue Flip Flops", "navy"),
        ("BLACK", "Track jacket in navy", "navy"),  # else what the title says it comes in
        ("Blue", "Women Casual Beige Wedges", "blue"),  # a title's other words may name its print
        ("Black & White", "Aviator in white", "white"),
        ("PINK", "Cropped jacket in black vinyl with pink trim", "black"),
        ("MULTI", "Jacket in black and white houndstooth", "multi"),
        ("MULTI", "Shacket in blue", "blue"),
        ("men-beige-gold-zari-border-dhoti", "Gold Zari Border Dhoti", "beige"),
    ],
)
def test_colours(colour, title, wanted):
    assert colour_of(colour, title, trusted=False) == wanted


@pytest.mark.parametrize(
    ("gender", "title", "wanted"),
    [
        ("M", "", "men"),
        ("womens", "", "women"),
        ("Unisex Kids", "", "kids"),
        ("", "Puma Men's tee", "men"),
        ("", "Tee for Men and Women", "unisex"),
        ("", "Kids Girls tee", "girls"),
        ("", "Mr. Men Little Miss Girls Top", "girls"),
        ("", "All Weather Gear Men's Tee", "men"),
        ("", "Tee", "unknown"),
    ],
)
def test_genders(gender, title, wanted):
    assert gender_of(gender, title) == wanted


@pytest.mark.parametrize(
    ("column", "title", "wanted"),
    [
        ("Women", "Gini and Jony Kids Girls Solid Black Skirts", "girls"),
        ("Men", "Palm Tree Kids Boy Washed Blue Jeans", "kids"),
        ("Women", "Ant Kids Check Blue Skirts", "kids"),
        ("Men", "The Beach Boys T-shirt", "men"),
        ("Women", "Nobody's Child belted coat", "women"),
        ("Unisex", "Kids backpack", "unisex"),
    ],
)
def test_a_title_that_says_kids_counts_for_more_than_a_column_of_adults(column, title, wanted):
    assert gender_of(column, title) == wanted


def test_a_brands_name_is_no_colour():
    assert colour_of("", "True Blue Men's T-Shirt", "True Blue") == "unknown"
    assert colour_of("espresso-women-off-white-shrug", "Shrug", "Espresso") == "white"
    assert (
        colour_of("", "Amazon Brand - Inkast Denim Co. Men's T-Shirt", "Inkast Denim Co.")
        == "unknown"
    )


def test_a_brands_name_is_no_category():
    title = "Pepe Jeans Boys Navy Blue & Red Polo Collar T-shirt"
    assert (category_of(title), category_of(title, brand="Pepe Jeans")) == ("jeans", "t-shirts")
    assert category_of("Jeans", brand="Jeans") == "other"


def test_a_phrase_that_names_nothing_is_never_an_answer():
    assert gender_of("") == "unknown"
    assert category_of("Coat", "", trusted=True) == "coats"
    assert gender_of("Mr Men") == "unknown"


def test_a_trusted_shops_own_word_beats_the_title():
    assert category_of("Puma Men Ferrari Shirt", "Casual Shoes", trusted=True) == "footwear"


def test_prices_in_dollars_by_the_dated_table():
    rates = load_vocabulary()
    assert rates.date == "2024-06-28"
    frame = products(
        {"product_id": "1", "title": "Tee", "price": 1000.0, "currency": "INR"},
        {"product_id": "2", "title": "Top", "price": 20.0, "currency": "GBP"},
        {"product_id": "3", "title": "Coat", "price": 5.0, "currency": "XXX"},
    )
    price = harmonise(frame)[0]["price_usd"]
    assert price[0] == pytest.approx(11.99)  # 1000 × 0.01199
    assert price[1] == pytest.approx(25.30)  # 20 × 1.265
    assert math.isnan(price[2])


def test_sizes_and_stock_of_one_product_from_several_rows():
    frame = products(
        {"product_id": "2", "title": "Tee", "price": 9.0, "sizes": {"S": True, "M": True}},
        {"product_id": "1", "title": "Hat"},
        {"product_id": "2", "title": "Tee", "price": 7.0, "sizes": {"M": False, "L": True}},
    )
    _, merged = harmonise(frame)
    sizes = variants(frame, merged)
    assert sizes.columns.tolist() == VARIANT_COLUMNS
    assert sizes[["image_key", "size", "in_stock", "price", "source_row"]].to_numpy().tolist() == [
        ["a/2", "S", True, 9, 1],
        ["a/2", "M", False, 7, 3],  # the later row counts
        ["a/2", "L", True, 7, 3],
    ]
    hat = frame._replace(products=frame.products.iloc[[1]])
    assert len(variants(hat, merged.iloc[:0])) == 0


def test_contract_and_account():
    first = products(
        {
            "product_id": "2",
            "title": "Red coat",
            "image_urls": ["https://i.test/1.jpg"],
            "price": 5.0,
        },
        {"product_id": "1", "title": "Blue tee", "brand": ""},
        {
            "product_id": "2",
            "title": "Red coat",
            "brand": "Acme",
            "image_urls": ["https://i.test/2.jpg"],
        },
        {
            "product_id": "9",
            "title": "RED COAT",
            "image_urls": ["https://i.test/1.jpg"],
            "price": 5.0,
            "id_given": False,
        },
        {"product_id": "7", "title": "Green hat", "images_unclaimed": 1},
    )
    second = products(
        {
            "product_id": "1",
            "title": "Blue T-shirt",
            "brand": "Acme",
            "rating": 4.0,
            "source_file": "b.csv",
        }
    )
    catalog, merged = harmonise([first, second])
    assert list(catalog.columns) == CATALOG_COLUMNS
    assert catalog["image_key"].tolist() == ["a/1", "a/2", "a/7"]
    assert len(catalog) + len(merged) == 6
    assert catalog["brand"].tolist() == ["Acme", "Acme", ""]  # gaps are filled from the duplicates
    assert catalog["rating"].tolist()[0] == 4
    assert catalog["image_urls"].tolist()[1] == ["https://i.test/1.jpg", "https://i.test/2.jpg"]
    assert catalog["image_status"].tolist() == ["no_url", "pending", "unclaimed"]
    assert merged[["image_key", "merged_into"]].to_numpy().tolist() == [
        ["a/2", "a/2"],
        ["a/9", "a/2"],
        ["a/1", "a/1"],
    ]
    assert merged["reason"].tolist() == [
        "a.csv row 3: same id as a.csv row 1",
        "a.csv row 4: same title, brand, colour, price and image as a.csv row 1",
        "b.csv row 1: same id, another title as a.csv row 2",
    ]


def test_one_garment_on_two_platforms_is_two_products():
    tee = {"product_id": "1", "title": "Tee", "image_urls": ["https://i.test/1.jpg"]}
    catalog, merged = harmonise(products(tee, tee | {"platform": "b"}))
    assert (len(catalog), len(merged)) == (2, 0)


def test_without_duplicates_nothing_is_merged():
    catalog, merged = harmonise(products({"product_id": "1", "title": "Tee"}))
    assert (len(catalog), len(merged)) == (1, 0)
    assert merged["reason"].tolist() == []


def test_attributes_from_words_and_the_feeds_own_style():
    frame = products(
        {
            "product_id": "1",
            "title": "Floral midi dress in red",
            "price": 30.0,
            "currency": "USD",
            "gender": "women",
        },
        {"product_id": "2", "title": "Striped sports t-shirt", "style": "Formal"},
        {"product_id": "3", "title": "Dress", "description": "Checked, for the office"},
    )
    catalog, _ = harmonise(frame)
    attributes = attributes_from_text(catalog, frame)
    assert attributes["pattern"].tolist() == ["floral", "striped", "checked"]
    assert attributes["style"].tolist() == ["casual", "formal", "formal"]
    plain = frame._replace(products=frame.products.assign(style=""))
    assert attributes_from_text(catalog, plain)["style"].tolist()[1] == "sports"
    assert attributes["price_usd"].tolist() == [
        30,
        30,
        30,
    ]  # the median dress; no other t-shirt, so the median of all
    assert not attributes.isna().any().any()


def test_vocabulary_has_no_term_in_two_categories():
    import yaml

    from helpers.artefacts import ROOT
    from helpers.feeds.vocabulary import normal

    loaded = yaml.safe_load((ROOT / "data" / "vocabulary.yaml").read_text())
    for section in ("categories", "colours", "genders"):
        words = [
            normal(term)
            for terms in loaded[section].values()
            for term in dict.fromkeys(map(normal, terms))
        ]
        assert sorted({word for word in words if words.count(word) > 1}) == []
