"""Feeds that no layout describes: what each says of itself must be found or said to be missing."""

import json

from drafted import drafted


def test_ids_that_read_the_same_in_a_key_stay_two_products(tmp_path):
    text = (
        "id,title,price\nA/1,Linen shirt,$39\nA-1,Wool coat,$99\nA 1,Hat,$5\n1.0,Tee,$7\n1,Tee,$7\n"
    )
    shop = drafted(tmp_path, text)
    assert sorted(shop.catalog["title"]) == ["Hat", "Linen shirt", "Tee", "Wool coat"]
    assert shop.column("title")["A-1"] == "Wool coat"
    lines = text.splitlines(keepends=True)
    backwards = drafted(tmp_path, "".join([lines[0], *lines[:0:-1]]))
    assert set(backwards.catalog["image_key"]) == set(shop.catalog["image_key"])


def test_all_columns_of_pictures_are_read(tmp_path):
    text = (
        "sku,name,price,image_1,image_2,back view\nA1,Linen "
        "shirt,$39,https://s.test/1.jpg,,https://s.test/3.jpg\n"
        "B2,Wool coat,$99,https://s.test/4.jpg,https://s.test/5.jpg,\n"
    )
    shop = drafted(tmp_path, text)
    counts = {key: len(urls) for key, urls in shop.column("image_urls").items()}
    assert counts == {"A1": 2, "B2": 2}


def test_linked_data(tmp_path):
    offer = {"@type": "Offer", "price": "39.00", "priceCurrency": "EUR"}
    item = {
        "@type": "Product",
        "sku": "A1",
        "name": "Linen shirt",
        "brand": {"@type": "Brand", "name": "North"},
        "image": ["https://s.test/1.jpg", "https://s.test/2.jpg"],
        "category": "Shirts",
        "offers": offer | {"availability": "https://schema.org/OutOfStock"},
        "aggregateRating": {"ratingValue": "4.4", "reviewCount": "89"},
    }
    shop = drafted(tmp_path, json.dumps({"@context": "x", "@graph": [item]}), "shop.json")
    assert shop.one("product_id", "title", "brand", "category") == (
        "A1",
        "Linen shirt",
        "North",
        "shirts",
    )
    assert shop.one("price", "currency", "availability") == (39, "EUR", "out of stock")
    assert shop.one("rating", "n_reviews") == (4.4, 89)
    assert len(shop.one("image_urls")[0]) == 2


def test_named_attributes_of_json_and_xml(tmp_path):
    item = {
        "sku": "tee",
        "name": "Cotton tee",
        "price": "$15",
        "attributes": [
            {"name": "Farbe", "options": ["Red", "Blue"]},
            {"name": "Size", "options": ["S", "M"]},
        ],
    }
    shop = drafted(tmp_path, json.dumps([item]), "shop.json")
    assert shop.one("colour") == ("red",)
    assert shop.sizes == {("tee", "S"): True, ("tee", "M"): True}
    xml = (
        "<SHOP><SHOPITEM><ITEM_ID>tee</ITEM_ID><PRODUCTNAME><![CDATA[Cotton "
        "<b>tee</b>]]></PRODUCTNAME>"
        "<PRICE_VAT>1 290</PRICE_VAT><CURRENCY>CZK</CURRENCY>"
        "<PARAM><PARAM_NAME>Size</PARAM_NAME><VAL>M</VAL></PARAM>"
        "<PARAM><PARAM_NAME>Color</PARAM_NAME><VAL>Blue</VAL></PARAM></SHOPITEM></SHOP>"
    )
    shop = drafted(tmp_path, xml, "shop.xml")
    assert shop.one("title", "price", "currency", "colour") == ("Cotton tee", 1290, "CZK", "blue")
    assert shop.sizes == {("tee", "M"): True}


def test_one_product_alone(tmp_path):
    item = {
        "sku": "A1",
        "name": "Linen shirt",
        "price": "$39",
        "variants": [{"size": "S", "stock": 0}],
    }
    shop = drafted(tmp_path, json.dumps({"product": item}), "shop.json")
    assert shop.one("product_id", "title", "price", "availability") == (
        "A1",
        "Linen shirt",
        39,
        "out of stock",
    )


def test_a_small_western_file_without_utf8(tmp_path):
    text = (
        "Referencia;Nombre;Precio;Categoría;Descripción\nA1;Camisa de algodón;39,90 "
        "€;Camisas;Pequeño\n"
        "A2;Pantalón;49,90 €;Pantalones;Años\n"
    )
    shop = drafted(tmp_path, text, encoding="cp1252")
    assert shop.feed.about.encoding == "cp1252"
    assert shop.column("price") == {"A1": 39.9, "A2": 49.9}
    polish = (
        "Indeks;Nazwa;Cena\nA1;Żółta koszula męska z długim rękawem;39,90 zł\n"
        "A2;Płaszcz wełniany, śnieżnobiały, ciepły na zimę;99,90 zł\n" * 3
    )
    assert drafted(tmp_path, polish, encoding="cp1250").feed.about.encoding == "cp1250"


def test_a_danish_file_without_utf8_keeps_its_letters(tmp_path):
    kinds = {
        "Guitar": ("Akustisk", "El", "Klassisk", "Rejse"),
        "Tromme": ("Lille", "Stor", "Bongo", "Snare"),
        "Fløjte": ("Tvær", "Blok", "Pan", "Alt"),
    }
    rows = ["varenr;navn;gruppe;pris;fabrikat"]
    for number in range(24):
        kind = list(kinds)[number % 3]
        title = f"{kinds[kind][number // 3 % 4]} {kind.lower()} model {number // 12 + 1}"
        maker = ("Nord", "Syd", "Øst")[number % 3]
        rows.append(f"{number:05d};{title};{kind};{100 + number},50;{maker}")
    danish = "\n".join(rows)
    shop = drafted(tmp_path, danish, encoding="cp1252")
    assert shop.feed.about.encoding == "cp1252"
    assert "Blok fløjte model 1" in set(shop.column("title").values())
    czech = danish.replace("fløjte", "flétna příčná, světlá").replace("Fløjte", "Flétna")
    czech = czech.replace("Tvær", "Dřevěná").replace("Øst", "Východ")
    assert drafted(tmp_path, czech, encoding="cp1250").feed.about.encoding == "cp1250"


def test_values_that_are_no_amounts(tmp_path):
    text = 'id,title,price,stock\nA1,Hat,-5,yes\nA2,Cap,free,no\nA3,Bag,"1,299",few left\nA4,Tee,"12,5",0\n'  # noqa: E501
    shop = drafted(tmp_path, text)
    assert shop.column("price") == {"A3": 1299, "A4": 12.5}
    assert shop.column("availability") == {"A3": "in stock", "A4": "out of stock"}
    assert shop.reasons == ["price '-5' is not an amount", "price 'free' is not an amount"]


def test_a_price_of_zero_is_rejected_as_zero(tmp_path):
    """Chapter 01 counts prices without a number; a zero is a number, and no price."""
    shop = drafted(tmp_path, "id,title,price\nA1,Rolls,0.0\nA2,Beans,Rs. 0\nA3,Bag,2.50\n")
    assert shop.reasons == ["price '0.0' is zero", "price 'Rs. 0' is zero"]
