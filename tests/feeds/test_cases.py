"""Feeds as shops really export them: what once went wrong, by kind."""

import json

import pytest
from drafted import drafted
from shop_feed import spec, write

from helpers.artefacts import fashion_data
from helpers.feeds import check_feed, draft_spec, harmonise, read_feed
from helpers.feeds.harmonise import category_of, colour_of, gender_of
from helpers.feeds.money import parse_currency, parse_price


def titles(tmp_path, text, **changes):
    """Titles of the catalogue, and the reasons of merges and rejects."""
    feed = read_feed(write(tmp_path, text), spec(**changes))
    catalog, merged = harmonise([feed])
    return catalog["title"].tolist(), merged, feed


# --- a row is not a product ---


def test_pictures_of_two_products_never_make_them_one(tmp_path):
    text = (
        "id,name,price,img\ntop,Kira top,89,https://s.test/k.jpg\ntop,,,https://s.test/set.jpg\n"
        "bottom,Medina bottom,89,https://s.test/m.jpg\nbottom,,,https://s.test/set.jpg\n"
    )
    fields = {"product_id": "id", "title": "name", "price": "price", "images": "img"}
    names, merged, _ = titles(tmp_path, text, fields=fields, required=[])
    assert sorted(names) == ["Kira top", "Medina bottom"]
    assert merged[["image_key", "merged_into"]].to_numpy().tolist() == [
        ["shop/top", "shop/top"],
        ["shop/bottom", "shop/bottom"],
    ]


def test_two_ids_of_a_shop_are_two_products_and_rows_without_one_join_their_twin(tmp_path):
    text = "id,name,price,img\n" + "".join(
        f"{own},Red coat,5,https://s.test/1.jpg\n" for own in ("1", "2", "")
    )
    fields = {"product_id": "id", "title": "name", "price": "price", "images": "img"}
    names, merged, _ = titles(tmp_path, text, fields=fields)
    assert names == ["Red coat", "Red coat"]
    assert merged["merged_into"].tolist() == ["shop/1"]
    assert (
        merged["reason"]
        .str.endswith("same title, brand, colour, price and image as shop.csv row 1")
        .all()
    )
    # nothing is known of the price, so nothing says that the third is the first
    names, merged, _ = titles(tmp_path, text.replace(",5,", ",,"), fields=fields)
    assert (len(names), len(merged)) == (3, 0)


def test_without_an_id_and_a_picture_another_price_is_another_product(tmp_path):
    text = "name,price\nShirt,10\nShirt,12\nShirt,10\nCoat,9\nCoat,9\n"
    names, _merged, feed = titles(tmp_path, text, fields={"title": "name", "price": "price"})
    assert sorted(names) == ["Coat", "Shirt", "Shirt"]
    again, _, _ = titles(tmp_path, text, fields={"title": "name", "price": "price"})
    assert again == names
    backwards = "name,price\n" + "".join(f"{line}\n" for line in text.splitlines()[:0:-1])
    other = read_feed(write(tmp_path, backwards), feed.about.spec)
    assert set(other.products["image_key"]) == set(feed.products["image_key"])


def test_a_row_of_which_nothing_is_known_is_a_reject(tmp_path):
    feed = read_feed(write(tmp_path, "id,name,price\n,,5\n,,6\n1,,7\n"), spec(required=[]))
    assert feed.products["product_id"].tolist() == ["1"]
    assert feed.rejects["reason"].str.contains("nothing tells what it is").tolist() == [True, True]


def test_an_id_that_a_spreadsheet_rounded_is_a_reject_with_the_remedy(tmp_path):
    text = "id,name,price\n1.23457E+12,Coat,5\n1.23457E+12,Hat,5\n12E5,Tee,5\n5.0,Top,5\n"
    feed = read_feed(write(tmp_path, text), spec())
    assert feed.products["product_id"].tolist() == ["12E5", "5"]
    assert feed.rejects["reason"].str.contains("format its column as text").all()
    assert len(feed.rejects) == 2


def test_a_running_number_is_no_id_where_a_page_or_a_sku_is(tmp_path):
    rows = [("1", "NX-4", "red-coat"), ("2", "NX-9", "blue-hat"), ("3", "NX-2", "green-tee")]
    by_link = "id,title,price,url\n" + "".join(
        f"{n},{page} thing,$5,https://s.test/p/{page}?x={n}\n" for n, _, page in rows
    )
    assert set(drafted(tmp_path, by_link).catalog["product_id"]) == {page for *_, page in rows}
    by_sku = "id,title,price,sku\n" + "".join(
        f"{n},{page} thing,$5,{sku}\n" for n, sku, page in rows
    )
    assert set(drafted(tmp_path, by_sku).catalog["product_id"]) == {sku for _, sku, _ in rows}
    alone = "id,title,price\n" + "".join(f"{n},{page} thing,$5\n" for n, _, page in rows)
    assert set(drafted(tmp_path, alone).catalog["product_id"]) == {"1", "2", "3"}


def test_variants_of_an_unknown_shop(tmp_path):
    text = (
        "style,name,size,stock,price,photo\nA7,Linen shirt,S,0,$20,https://s.test/1.jpg\n"
        "A7,,M,3,$20,\nA7,,,,,https://s.test/2.jpg\nB2,Wool coat,S,0,$90,https://s.test/3.jpg\n"
    )
    shop = drafted(tmp_path, text.replace("style,", "style code,"))
    assert "variants: true" in shop.yaml
    assert shop.column("title") == {"A7": "Linen shirt", "B2": "Wool coat"}
    assert shop.column("availability") == {"A7": "in stock", "B2": "out of stock"}
    assert shop.sizes == {("A7", "S"): False, ("A7", "M"): True, ("B2", "S"): False}
    assert len(shop.column("image_urls")["A7"]) == 2


def test_a_size_is_in_stock_if_one_of_its_colours_is(tmp_path):
    text = "group,id,name,size,colour,stock,price\nG,1,Tee,S,red,2,5\nG,2,Tee,S,blue,0,5\nG,3,Tee,M,blue,0,5\n"  # noqa: E501
    fields = {
        "product_id": "id",
        "parent_id": "group",
        "title": "name",
        "sizes": "size",
        "availability": "stock",
        "price": "price",
    }
    feed = read_feed(write(tmp_path, text), spec(fields=fields))
    catalog, merged = harmonise([feed])
    from helpers.feeds.harmonise import variants

    table = variants([feed], merged)
    assert dict(zip(table["size"], table["in_stock"], strict=True)) == {"S": True, "M": False}
    assert catalog["availability"].tolist() == ["in stock"]


# --- what stands above the rows, and what the file has lost ---


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "Stock list March,,\n,,\nid,title,price\n1,Linen shirt,$39\n2,Hat,$9\n",
            "above the names",
        ),
        (
            "Stock list March\nMade by hand\nid,title,price\n1,Linen shirt,$39\n2,Hat,$9\n",
            "2 lines above",
        ),
        (
            "# id; as text,# title; short\nid,title,price\n1,Linen shirt,$39\n2,Hat,$9\n",
            "1 line above",
        ),
        ("sep=,\nid,title,price\n1,Linen shirt,$39\n2,Hat,$9\n", "says what separates"),
        ('"sep=;"\nid;title;price\n1;Linen shirt;$39\n2;Hat;$9\n', "says what separates"),
        (
            "Export,Shop North,2024-05-01\nid,title,price\n1,Linen shirt,$39\n2,Hat,$9\n",
            "1 line above",
        ),
    ],
)
def test_lines_above_the_header_are_passed_over_and_said(tmp_path, text, note):
    shop = drafted(tmp_path, text)
    assert shop.column("title") == {"1": "Linen shirt", "2": "Hat"}
    assert shop.column("price") == {"1": 39, "2": 9}
    assert note in shop.yaml
    path = write(tmp_path, text)
    assert note in str(check_feed(tmp_path / "drafted.yaml", path))


def test_a_file_without_a_header_loses_no_product(tmp_path):
    text = "".join(f"{n},{name},${n}9.00,https://s.test/{n}.jpg\n" for n, name in
                   enumerate(("Linen shirt", "Wool coat", "Denim skirt"), 1))  # fmt: skip
    shop = drafted(tmp_path, text)
    assert sorted(shop.catalog["title"]) == ["Denim skirt", "Linen shirt", "Wool coat"]
    assert sorted(shop.catalog["price"]) == [19, 29, 39]
    assert "no line names the columns" in shop.yaml


def test_the_header_again_is_a_reject(tmp_path):
    text = "id,name,price\n1,Coat,5\nid,name,price\n2,Hat,6\n"
    feed = read_feed(write(tmp_path, text), spec())
    assert feed.products["title"].tolist() == ["Coat", "Hat"]
    assert feed.rejects["reason"].tolist() == [
        "shop.csv row 2: the line that names the columns, again"
    ]


def test_signs_of_an_earlier_loss_are_no_fault_of_the_encoding(tmp_path):
    for text in ("id,name,price\n1,Blue\ufffd shirt,5\n", "id,name,price\n1,Größe\ufffd\ufffd,5\n"):
        path = write(tmp_path, text)
        report = check_feed(spec(), path)
        assert report.about.encoding == "utf-8"
        assert report.about.unreadable == 0
        assert report.about.lost == text.count("\ufffd")
        assert f"the file itself holds {text.count(chr(0xFFFD))} signs" in str(report)


def test_half_an_emoji_is_mended_and_counted(tmp_path):
    text = '[{"id": "1", "name": "Tee \\ud83d", "price": 5}, {"id": "2", "name": "\\ud83d\\ude00 Hat"}]'  # noqa: E501
    feed = read_feed(write(tmp_path, text, "shop.json"), spec())
    assert feed.products["title"].tolist() == ["Tee \ufffd", "\U0001f600 Hat"]
    assert feed.about.lost == 1
    harmonise([feed]).catalog.to_parquet(tmp_path / "catalog.parquet")


def test_spreadsheet_errors_are_empty_cells(tmp_path):
    errors = ("#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NV", "#BEZUG!", "#¡REF!", "####")
    text = "id,name,price\n" + "".join(f"{n},{error},5\n" for n, error in enumerate(errors))
    feed = read_feed(write(tmp_path, text + "x,TBD,5\ny,#summer tee,#N/A\n"), spec())
    assert feed.products["title"].tolist() == ["TBD", "#summer tee"]
    assert feed.rejects["reason"].str.endswith("no title").sum() == len(errors)


def test_unseen_characters_leave_words_and_addresses_whole(tmp_path):
    text = (
        "id,title,image,color,price\n1,\u202eLin\u200ben\u00ad "
        "shirt\u2069,https://s.test/1.jpg\u200b,"
        "Bl\u2060ue,$5\n2,پیراهن\u200cها \u200dTee,https://s.test/2.jpg,R\u200ded,$6\n"
    )
    shop = drafted(tmp_path, text)
    assert shop.column("title") == {"1": "Linen shirt", "2": "پیراهن\u200cها Tee"}
    assert shop.column("colour") == {"1": "blue", "2": "red"}
    assert shop.column("image_urls")["1"] == ["https://s.test/1.jpg"]


# --- drafts ---


def test_look_alike_columns_are_not_taken(tmp_path):
    text = (
        "product code,name,item group,rate card,preview,type,unit price,price,image label,image\n"
        + "".join(
            f"N-{n}9,Blue shirt "
            f"{n},G{n},4,https://s.test/p{n},simple,1.00,$2{n},front,https://s.test/{n}.jpg\n"
            for n in range(4)
        )
    )
    fields = drafted(tmp_path, text).feed.about.spec.fields
    chosen = {field: sources[0].column for field, sources in fields.items()}
    assert chosen == {
        "title": "name",
        "price": "price",
        "images": "image",
        "product_id": "product code",
    }


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ("price_euro", "EUR"),
        ("Price (GBP)", "GBP"),
        ("Preis in CHF", "CHF"),
        ("price_usd", "USD"),
        ("prix €", "EUR"),
        ("price", ""),
        ("sale price", ""),
    ],
)
def test_the_currency_in_a_columns_name(tmp_path, column, code):
    shop = drafted(tmp_path, f"id,title,{column}\nA9,Linen shirt,39.90\nB7,Wool coat,199.00\n")
    assert shop.feed.about.currency == code
    assert set(shop.catalog["currency"]) == {code}
    assert ("pass no --max-price" in shop.yaml) == (not code)
    report = str(check_feed(tmp_path / "drafted.yaml", tmp_path / "shop.csv"))
    assert ("have no price_usd" in report) == (not code)


@pytest.mark.parametrize(
    ("cell", "amount", "currency"),
    [
        ("EUR15", 15, "EUR"),
        ("15.00EUR", 15, "EUR"),
        ("S$ 45.00", 45, "SGD"),
        ("HK$320", 320, "HKD"),
        ("R$ 1.299,90", 1299.9, "BRL"),
        ("NT$1,200", 1200, "TWD"),
        ("Regular price $20 Sale price $12", 12, "USD"),
        ("Regular price $20", 20, "USD"),
        ("statt 29,99 € nur 19,99 €", 19.99, "EUR"),
        ("au lieu de 30 € 20 €", 20, "EUR"),
        ("4 x $10.00", 10, "USD"),
        ("₪199", 199, "ILS"),
        ("49,00 TND", 49, "TND"),
        ("12 990 Ft", 12990, "HUF"),
        ("PKR 4,500.00", 4500, "PKR"),
        ("1 299 Kč", 1299, "CZK"),
        ("49 XYZ", 49, ""),
        ("¤ 49", 49, ""),
        ("$20 CAD", 20, "CAD"),
        ("３９００円", 3900, "JPY"),
        ('{"amount": "39.00", "currency": "SEK"}', 39, "SEK"),
        ("{'id': 7, 'value': 5.5, 'currencyCode': 'PLN'}", 5.5, "PLN"),
        ("Try 20", 20, "USD"),
    ],
)
def test_prices_of_other_shops(cell, amount, currency):
    assert parse_price(cell, "USD") == (amount, currency)


def test_a_sign_that_countries_share_is_the_feeds():
    assert parse_price("$20", "CAD").currency == "CAD"
    assert parse_price("$20", "EUR").currency == "USD"
    assert parse_price("99 kr", "NOK").currency == "NOK"
    assert parse_price("Rs. 99", "PKR").currency == "PKR"
    assert parse_currency("€") == parse_currency("Euro") == parse_currency("eur") == "EUR"
    assert parse_currency("US Dollar") == "USD"
    assert parse_currency("gold pieces") == ""


def test_an_unknown_currency_is_never_the_feeds(tmp_path):
    text = (
        "id,name,price,cur\n1,Coat,5 XYZ,\n2,Hat,5,€\n3,Tee,5,doubloons\n4,Top,49 TND,\n5,Cap,5,\n"
    )
    fields = {"product_id": "id", "title": "name", "price": "price", "currency": "cur"}
    path = write(tmp_path, text)
    report = check_feed(spec(fields=fields), path)
    catalog = harmonise([read_feed(path, spec(fields=fields))]).catalog
    assert catalog["currency"].tolist() == ["", "EUR", "", "TND", "EUR"]
    assert catalog["price_usd"].notna().tolist() == [False, True, False, False, True]
    assert report.about.unknown_currencies == {"XYZ": 1, "doubloons": 1}
    assert "1 prices are in 'XYZ', which is no currency we know" in str(report)
    assert "no rate for TND" in str(report)
    assert report.about.assumed == 1


def test_a_sale_price_of_nought_is_none(tmp_path):
    text = "id,title,sale price,price\nA1,Linen shirt,0.00,$39\nB2,Wool coat,$99,$199\nC3,Tote bag,,$9\n"  # noqa: E501
    shop = drafted(tmp_path, text)
    assert shop.column("price") == {"A1": 39, "B2": 99, "C3": 9}
    assert shop.feed.products["list_price"].dropna().tolist() == [199]


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        (
            "Artikelnummer;Bezeichnung;Preis;Farbe;Größe;Bild;Kategorie;Geschlecht\n"
            "A1;Sommerkleid gelb;49,90 €;Gelb;M;https://s.test/1.jpg;Kleider;Damen\n"
            "A2;Lederjacke;199,00 €;Schwarz;L;https://s.test/2.jpg;;Herren\n",
            "de",
            {"A1": ("dresses", "yellow", "women"), "A2": ("jackets", "black", "men")},
        ),
        (
            "référence;nom;prix;couleur;taille;catégorie;sexe\n"
            "A1;Jupe plissée;39,90 €;Bleu marine;38;Jupes;Femme\n"
            "A2;Chemise en jean;49,90 €;Bleu;M;;Homme\n",
            "fr",
            {"A1": ("skirts", "navy", "women"), "A2": ("shirts", "blue", "men")},
        ),
        (
            "referencia,nombre,precio,color,talla,categoría,género\n"
            'A1,Camiseta de algodón,"19,90 €",Blanco,M,Camisetas,Mujer\n'
            'A2,Zapatillas,"59,90 €",Negro,42,,Hombre\n',
            "es",
            {"A1": ("t-shirts", "white", "women"), "A2": ("footwear", "black", "men")},
        ),
        (
            "codice;nome;prezzo;colore;taglia;categoria;genere\n"
            "A1;Gonna lunga;39,90 €;Rosso;42;Gonne;Donna\n"
            "A2;Camicia di lino;49,90 €;Azzurro;L;;Uomo\n",
            "it",
            {"A1": ("skirts", "red", "women"), "A2": ("shirts", "blue", "men")},
        ),
    ],
)
def test_feeds_in_other_languages(tmp_path, text, language, wanted):
    shop = drafted(tmp_path, text)
    assert f"vocabulary: {language}" in shop.yaml
    columns = ("category", "colour", "gender")
    found = {row.product_id: tuple(getattr(row, name) for name in columns)
             for row in shop.catalog.itertuples()}  # fmt: skip
    assert found == wanted
    assert shop.catalog["price"].notna().all()
    assert set(shop.catalog["currency"]) == {"EUR"}


def test_a_vocabulary_of_ones_own_lies_beside_the_yaml(tmp_path):
    write(tmp_path, "categories: {shirts: [paita]}\ncolours: {blue: [sininen]}\n", "fi.yaml")
    yaml = "platform: p\nvocabulary: fi.yaml\nfields: {product_id: id, title: t, colour: c}\n"
    feed = read_feed(write(tmp_path, "id,t,c\n1,Paita,Sininen\n"), write(tmp_path, yaml, "p.yaml"))
    catalog = harmonise([feed]).catalog
    assert (catalog["category"][0], catalog["colour"][0]) == ("shirts", "blue")


def test_a_draft_says_what_it_did_not_find_and_does_not_use(tmp_path):
    text = "id,title,price,season\nA1,Linen shirt,$39,Summer\n"
    yaml = drafted(tmp_path, text).yaml
    assert "# no column found for: images, category, colour, gender" in yaml
    assert "# not used: season ('Summer')" in yaml
    report = str(check_feed(tmp_path / "drafted.yaml", tmp_path / "shop.csv"))
    assert (
        "of 1 products nothing tells: colour of 1, gender of 1, stock of 1, picture of 1" in report
    )


# --- the shop's columns come first, the title fills gaps, the description never decides ---


@pytest.mark.parametrize(
    ("title", "category", "wanted"),
    [
        ("PLATE", "T-Shirts", "t-shirts"),
        ("Oxford", "Shirts", "shirts"),
        ("Gia bottom", "Swimwear", "swimwear"),
        ("PLATE", "", "home"),
        ("Denim skirt", "New arrivals", "skirts"),
        ("Ring", "Women > Clothing > Dresses", "dresses"),
        ("Ring", "Clothing > Hoodies, Sale", "sweatshirts"),
        ("Ring", "Women/Tops/Jackets", "jackets"),
        ("Boxy tee", "Shirts & T-Shirts", "t-shirts"),
        ("Linen dress", "Others", "dresses"),
    ],
)
def test_the_shops_category_comes_before_the_title(title, category, wanted):
    assert category_of(title, category) == wanted


def test_the_description_never_decides(tmp_path):
    text = 'id,name,price,text\n1,Margot - White,5,"Crisp. Tuck it into our Penny skirt, men love it"\n'  # noqa: E501
    fields = {"product_id": "id", "title": "name", "price": "price", "description": "text"}
    catalog = harmonise([read_feed(write(tmp_path, text), spec(fields=fields))]).catalog
    assert catalog[["category", "gender"]].to_numpy().tolist() == [["other", "unknown"]]


@pytest.mark.parametrize(
    ("colour", "title", "wanted"),
    [
        ("BLACK", "Track jacket in navy", "black"),
        ("Blue, White", "Shirt in white and blue", "blue"),  # the first of the shop's list
        ("Red / Blue", "", "red"),
        ("", "Track jacket in navy", "navy"),
        ("Green", "Padded coat in khaki", "olive"),  # a kind of green
        ("Black, White, Red", "", "multi"),
    ],
)
def test_the_shops_colour_comes_before_the_title(colour, title, wanted):
    assert colour_of(colour, title) == wanted


@pytest.mark.parametrize(
    ("gender", "title", "category", "wanted"),
    [
        ("", "Girl boss tee", "", "unknown"),
        ("", "Spider-Man tee", "", "unknown"),
        ("", 'Tee "Girls just want to sleep"', "", "unknown"),
        ("", 'Tee "Girls just want to sleep"', "Men > T-shirts", "men"),
        ("women", "Boys tee", "Men", "women"),
        ("", "Women's tee", "", "women"),
        ("Men, Women", "", "", "unisex"),
    ],
)
def test_no_slogan_decides_whom_it_is_for(gender, title, category, wanted):
    assert gender_of(gender, title, category) == wanted


# --- JSON that is no plain table ---


def test_json_maps_and_objects(tmp_path):
    products = {
        "A1": {"title": "Linen shirt", "price": {"amount": 39.0, "currency": "EUR"}, "sizes": {"S": 0, "M": 2}},  # noqa: E501
        "B2": {"title": "Wool coat", "price": {"amount": 99.0, "currency": "EUR"}, "sizes": {"L": 1}},  # noqa: E501
    }  # fmt: skip
    shop = drafted(tmp_path, json.dumps(products), "shop.json")
    assert sorted(shop.catalog["title"]) == ["Linen shirt", "Wool coat"]
    assert sorted(shop.catalog["price"]) == [39, 99]
    assert set(shop.catalog["currency"]) == {"EUR"}
    sizes = {size: left for (_, size), left in shop.sizes.items()}
    assert sizes == {"S": False, "M": True, "L": True}


def test_json_variants_of_an_unknown_shop(tmp_path):
    items = [
        {
            "code": "N-7",
            "name": "Linen shirt",
            "skus": [
                {"size": "S", "price": "39.00 EUR", "stock": 0},
                {"size": "M", "price": "39.00 EUR", "stock": 2},
            ],
        },
        {"code": "N-8", "name": "Wool coat", "skus": []},
    ]
    shop = drafted(tmp_path, json.dumps({"meta": {"n": 2}, "data": {"items": items}}), "shop.json")
    assert "rows: skus" in shop.yaml
    assert sorted(shop.catalog["title"]) == ["Linen shirt", "Wool coat"]
    assert shop.column("price")["N-7"] == 39
    assert shop.sizes == {("N-7", "S"): False, ("N-7", "M"): True}


# --- the cases that were handed over, where they are there ---


def case(name):
    root = fashion_data()
    path = root.parent / "cases" / "feeds" / name if root else None
    if path is None or not path.exists():
        pytest.skip(f"needs the handed case {name} beside FASHION_DATA")
    return path


def from_case(tmp_path, name):
    path = case(name)
    yaml = write(tmp_path, draft_spec(path), "drafted.yaml")
    feed = read_feed(path, yaml)
    return feed, harmonise([feed]).catalog.set_index("product_id")


def test_handed_prices():
    folder = case("11_price_cells")
    prices = read_feed(folder / "prices.csv", folder / "prices.yaml").products
    found = list(zip(prices["price"], prices["currency"], strict=True))
    assert found == [(15, "EUR"), (15, "EUR"), (45, "SGD"), (320, "HKD"), (1299.9, "BRL"), (12, "USD"),  # noqa: E501
                     (19.99, "EUR"), (10, "USD"), (199, "ILS")]  # fmt: skip


def test_handed_currencies():
    folder = case("12_currency_that_is_not_known")
    feed = read_feed(folder / "feed.csv", folder / "feed.yaml")
    assert feed.products["currency"].tolist() == ["TND", "HUF", "PKR", "EUR", "EUR"]
    dollars = harmonise([feed]).catalog["price_usd"]
    assert dollars.notna().tolist() == [False, False, False, True, True]


def test_handed_categories():
    folder = case("19_title_word_beats_the_shops_category")
    catalog = harmonise([read_feed(folder / "feed.csv", folder / "feed.yaml")]).catalog
    assert catalog["category"].tolist() == ["shirts", "t-shirts", "other", "swimwear"]


def test_handed_twins():
    folder = case("02_titleless_twins_merge_two_products")
    catalog, merged = harmonise([read_feed(folder / "feed.csv", folder / "feed.yaml")])
    assert (len(catalog), len(merged)) == (2, 2)


@pytest.mark.parametrize(
    ("name", "n", "columns"),
    [
        ("01_shopify_csv_variant_rows/products_export.csv", 1, {"gender": {"women"}, "colour": {"blue"}}),  # noqa: E501
        ("05_google_merchant_xml/feed.xml", 1, {"price": {39.0}, "currency": {"EUR"}}),
        ("06_google_merchant_tsv/feed.tsv", 2, {"price": {39.0, 199.0}, "gender": {"men", "women"}}),  # noqa: E501
        ("07_shopify_products_json/products.json", 1, {"price": {39.0}, "colour": {"blue"}}),
        ("08_lines_above_the_header/facebook.csv", 2, {"currency": {"EUR"}}),
        ("08_lines_above_the_header/excel_sep.csv", 2, {"price": {39.0, 1299.0}}),
        ("08_lines_above_the_header/banner.csv", 1, {"title": {"Linen shirt"}}),
        ("08_lines_above_the_header/no_header.csv", 3, {"price": {39.0, 199.0, 49.0}}),
        ("09_plural_and_lookalike_columns/woo.csv", 2, {"price": {15.0, 18.0}, "gender": {"unknown"}}),  # noqa: E501
        ("10_currency_in_the_column_name/feed.csv", 2, {"currency": {"EUR"}}),
        ("14_not_english/de.csv", 2, {"colour": {"blue", "black"}, "category": {"shirts", "coats"}}),  # noqa: E501
        ("14_not_english/fr.csv", 1, {"category": {"dresses"}, "colour": {"navy"}}),
        ("15_unseen_characters/feed.csv", 3, {"title": {"Linen shirt", "evil shirt", "Shirt x"}}),
        ("18_spreadsheet_errors/feed.csv", 2, {"title": {"TBD", "Linen shirt"}}),
        ("27_markdown_in_shop_texts/feed.csv", 2, {"colour": {"blue"}}),
        ("31_replacement_characters_in_the_file/feed.csv", 2, {"title": {"Blue\ufffd shirt", "Red dress"}}),  # noqa: E501
    ],
)  # fmt: skip
def test_handed_files_by_their_draft(tmp_path, name, n, columns):
    _, catalog = from_case(tmp_path, name)
    assert len(catalog) == n
    for column, wanted in columns.items():
        assert set(catalog[column]) == wanted
